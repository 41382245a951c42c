//! A token request, before it has a form.

use crate::secret::Secret;
use crate::target::Target;

/// What is asked of the token endpoint; client authentication is added later.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Which grant, with what is its own.
    pub kind: RequestKind,
    /// What the token is to be for.
    pub target: Target,
    /// Extra parameters.
    pub parameters: Vec<(String, Secret)>,
}

/// The grant of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RequestKind {
    /// RFC 6749 section 4.1.3, with PKCE (RFC 7636 section 4.5).
    AuthorizationCode {
        /// The code.
        code: Secret,
        /// The PKCE verifier.
        verifier: Secret,
        /// The redirect URI of the authorization request.
        redirect_uri: String,
    },
    /// RFC 6749 section 4.4.2.
    ClientCredentials,
    /// A developer token, at the provider's
    /// [endpoint](crate::Provider::developer_token_endpoint) for it; everything else
    /// of the request is left out.
    DeveloperToken(Secret),
    /// An extension grant (RFC 6749 section 4.5): everything of its own is in the
    /// parameters.
    Extension {
        /// The `grant_type`.
        grant_type: String,
    },
    /// RFC 6749 section 6.
    RefreshToken(Secret),
}

impl TokenRequest {
    /// A request of this kind for this target.
    pub fn new(kind: RequestKind, target: Target) -> Self {
        Self {
            kind,
            target,
            parameters: Vec::new(),
        }
    }

    /// With an extra parameter.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// What no error may repeat.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        let own: Vec<&Secret> = match &self.kind {
            RequestKind::AuthorizationCode { code, verifier, .. } => vec![code, verifier],
            RequestKind::DeveloperToken(token) | RequestKind::RefreshToken(token) => vec![token],
            RequestKind::ClientCredentials | RequestKind::Extension { .. } => Vec::new(),
        };
        own.into_iter()
            .chain(self.parameters.iter().map(|(_, value)| value))
            .collect()
    }
}
