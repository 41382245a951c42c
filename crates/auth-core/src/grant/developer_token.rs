//! Developer tokens: a service of the provider keeps the login, and gives an access
//! token to whoever shows the developer token that it gave out for it.

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Method};
use zeroize::Zeroizing;

use super::{Grant, Renewal, RequestKind, TokenRequest};
use crate::error::{ConfigError, ReauthReason, Refusal};
use crate::provider::Provider;
use crate::secret::{Secret, SecretBytes};
use crate::target::Target;
use crate::transport::HttpRequest;

/// The grant that exchanges a developer token for access tokens, at the provider's
/// [`developer_token_endpoint`](Provider::developer_token_endpoint).
///
/// Neither client id nor secret nor refresh token is needed, and of the answers only
/// the access token is kept. A developer token that the service takes no more is
/// [`ReauthReason::DeveloperTokenRefused`].
#[derive(Clone, Debug)]
pub struct DeveloperToken {
    token: Secret,
}

impl DeveloperToken {
    /// The name of the grant.
    pub const NAME: &'static str = "developer_token";

    /// Exchanges this developer token.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self { token: token.into() }
    }
}

impl Grant for DeveloperToken {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn renewal(&self) -> Renewal {
        Renewal::Repeat
    }

    fn request(&self, target: &Target) -> Result<TokenRequest, ConfigError> {
        if !target.is_default() {
            return Err(ConfigError::Unusable {
                what: "the target",
                why: "what a developer token gives is decided where it is made".into(),
            });
        }
        let kind = RequestKind::DeveloperToken(self.token.clone());
        Ok(TokenRequest::new(kind, Target::new()))
    }

    fn asks_with(&self) -> Option<&Secret> {
        Some(&self.token)
    }

    fn is_over(&self, refusal: &Refusal) -> Option<ReauthReason> {
        // The service may say so of the login behind it, too.
        let over = matches!(refusal.status, 401 | 403) || refusal.code.as_deref() == Some("invalid_grant");
        over.then_some(ReauthReason::DeveloperTokenRefused { status: refusal.status })
    }
}

/// The request of the redemption service: the developer token as a bearer token
/// (RFC 6750 section 2.1), no body.
pub(super) fn http_request(provider: &Provider, token: &Secret) -> Result<HttpRequest, ConfigError> {
    let endpoint = provider.developer_token_endpoint.as_ref();
    let endpoint = endpoint.ok_or(ConfigError::MissingEndpoint("developer token endpoint"))?;
    let unusable = |why: &str| ConfigError::Unusable {
        what: "developer token",
        why: why.into(),
    };
    if token.is_empty() {
        return Err(unusable("it is empty"));
    }
    let bearer = Zeroizing::new(format!("Bearer {}", token.expose()));
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| unusable("a header can't carry it"))?;
    bearer.set_sensitive(true);
    let mut request = HttpRequest::new(SecretBytes::default());
    *request.method_mut() = Method::POST;
    let uri = endpoint.as_str().parse();
    *request.uri_mut() = uri.map_err(|_| unusable("its endpoint is no URI"))?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, bearer);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_into_the_header_alone() {
        let provider = crate::provider::pancloud();
        let request = http_request(&provider, &"canary%".into()).unwrap();
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer canary%");
        assert!(!format!("{request:?}").contains("canary"));
        assert_eq!(request.uri(), "https://app.apiexplorer.rocks/request_token");
        assert!(request.body().expose().is_empty());
    }

    #[test]
    fn what_can_not_be_sent_is_said() {
        let provider = crate::provider::pancloud();
        for bad in ["", "a\nb"] {
            let error = http_request(&provider, &bad.into()).unwrap_err();
            assert!(matches!(error, ConfigError::Unusable { .. }), "{bad:?}");
        }
        let error = http_request(&crate::provider::unknown(), &"t".into()).unwrap_err();
        assert_eq!(error, ConfigError::MissingEndpoint("developer token endpoint"));
        let elsewhere = DeveloperToken::new("t").request(&Target::new().audience("a"));
        assert!(elsewhere.is_err());
    }

    #[test]
    fn only_refusals_of_the_token_itself_end_it() {
        let grant = DeveloperToken::new("t");
        let over = |status, code: Option<&str>| {
            let refusal = Refusal {
                code: code.map(str::to_owned),
                ..Refusal::new(status)
            };
            grant.is_over(&refusal).is_some()
        };
        assert!(over(401, None) && over(403, None) && over(400, Some("invalid_grant")));
        assert!(!over(400, None) && !over(404, None) && !over(429, None) && !over(500, None));
    }
}
