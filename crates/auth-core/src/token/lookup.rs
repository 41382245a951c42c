//! Finding one of several tokens that came in one answer.

use super::TokenResponse;
use crate::error::ConfigError;
use crate::target::Target;

/// Why none of the tokens of an answer is the one looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenLookupError {
    /// No token is for this resource server.
    #[error("there is no token for the resource server {wanted}; there are those for: {}", given.join(", "))]
    NoResourceServer {
        /// The one looked for.
        wanted: String,
        /// Those that there are.
        given: Vec<String>,
    },
    /// No token has this scope.
    #[error("no token has the scope {0}")]
    NoScope(String),
    /// No scope was named.
    #[error("no scope is named")]
    NoneNamed,
    /// The scopes are those of several tokens.
    #[error("the scopes {0} belong to several tokens; name those of one")]
    Several(String),
}

impl TokenResponse {
    /// All tokens of the answer: this one, then [the others](Self::other_tokens). Of
    /// several for one resource server only the first.
    pub fn tokens(&self) -> impl Iterator<Item = &Self> {
        let all = move || std::iter::once(self).chain(&self.other_tokens);
        all().enumerate().filter_map(move |(index, token)| {
            let name = token.resource_server.as_ref();
            let came_before = |earlier: &Self| name.is_some() && earlier.resource_server.as_ref() == name;
            (!all().take(index).any(came_before)).then_some(token)
        })
    }

    /// The token for this resource server.
    ///
    /// # Errors
    /// [`TokenLookupError::NoResourceServer`].
    pub fn by_resource_server(&self, name: &str) -> Result<&Self, TokenLookupError> {
        let mut tokens = self.tokens();
        let found = tokens.find(|token| token.resource_server.as_deref() == Some(name));
        found.ok_or_else(|| TokenLookupError::NoResourceServer {
            wanted: name.to_owned(),
            given: self.resource_servers(),
        })
    }

    /// The one token that has all of these scopes: one, or several with spaces
    /// between, in any order.
    ///
    /// # Errors
    /// [`TokenLookupError`] names the scope that no token has, or says that they
    /// belong to several.
    pub fn by_scope(&self, scopes: &str) -> Result<&Self, TokenLookupError> {
        let wanted: Vec<&str> = scopes.split_ascii_whitespace().collect();
        let has = |token: &Self, scope: &str| token.scope.iter().flatten().any(|granted| granted == scope);
        if wanted.is_empty() {
            return Err(TokenLookupError::NoneNamed);
        }
        if let Some(missing) = wanted
            .iter()
            .find(|scope| !self.tokens().any(|token| has(token, scope)))
        {
            return Err(TokenLookupError::NoScope((*missing).to_owned()));
        }
        let mut found = self
            .tokens()
            .filter(|token| wanted.iter().all(|scope| has(token, scope)));
        match (found.next(), found.next()) {
            (Some(token), None) => Ok(token),
            _ => Err(TokenLookupError::Several(wanted.join(" "))),
        }
    }

    /// The names of the resource servers that there are tokens for.
    fn resource_servers(&self) -> Vec<String> {
        self.tokens()
            .filter_map(|token| token.resource_server.clone())
            .collect()
    }

    /// The error that this target picks none of the tokens.
    pub(crate) fn unpicked(&self, target: &Target) -> ConfigError {
        ConfigError::ResourceServer {
            wanted: target.resource_server_name().map(str::to_owned),
            given: self.resource_servers(),
        }
    }

    /// Whether there are tokens for several resource servers.
    pub(crate) fn is_for_several(&self) -> bool {
        self.resource_server.is_some() && self.resource_servers().len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> TokenResponse {
        let body = br#"{
            "access_token": "auth", "resource_server": "auth.globus.org", "scope": "openid email profile",
            "expires_in": 172800, "token_type": "Bearer", "id_token": "e30.e30.e30",
            "other_tokens": [
                {"access_token": "transfer", "resource_server": "transfer.api.globus.org", "scope": "all shared",
                 "expires_in": "172800", "refresh_token": "r"},
                {"access_token": "again", "resource_server": "auth.globus.org", "scope": "openid"},
                {"access_token": "other", "resource_server": "other.example", "scope": "shared"},
                {"resource_server": "no.token"}, 5
            ]
        }"#;
        TokenResponse::parse(body).unwrap()
    }

    fn name(found: Result<&TokenResponse, TokenLookupError>) -> Result<String, TokenLookupError> {
        found.map(|token| token.access_token.expose().to_owned())
    }

    #[test]
    fn by_resource_server_the_first_counts() {
        let response = response();
        let find = |server| name(response.by_resource_server(server));
        assert_eq!(find("auth.globus.org").unwrap(), "auth");
        assert_eq!(find("transfer.api.globus.org").unwrap(), "transfer");
        let error = find("no.token").unwrap_err().to_string();
        assert!(
            error.contains("no.token") && error.contains("transfer.api.globus.org"),
            "{error}"
        );
        let transfer = response.by_resource_server("transfer.api.globus.org").unwrap();
        assert_eq!(transfer.expires_in, Some(std::time::Duration::from_secs(172_800)));
        assert_eq!(response.by_resource_server("other.example").unwrap().expires_in, None);
    }

    #[test]
    fn by_scope_in_any_order() {
        let response = response();
        let find = |scopes| name(response.by_scope(scopes));
        assert_eq!(find("email openid email").unwrap(), "auth");
        assert_eq!(find("all").unwrap(), "transfer");
        assert_eq!(find("all shared").unwrap(), "transfer");
        assert_eq!(find("openid nothing"), Err(TokenLookupError::NoScope("nothing".into())));
        assert_eq!(find("openid all"), Err(TokenLookupError::Several("openid all".into())));
        assert_eq!(find("shared"), Err(TokenLookupError::Several("shared".into())));
        assert_eq!(find(" "), Err(TokenLookupError::NoneNamed));
    }

    #[test]
    fn a_plain_answer_has_one_token() {
        let plain = TokenResponse::parse(br#"{"access_token":"a","scope":"x"}"#).unwrap();
        assert_eq!(plain.tokens().count(), 1);
        assert!(!plain.is_for_several());
        assert!(plain.by_resource_server("x").is_err());
        let named = TokenResponse::parse(br#"{"access_token":"a","resource_server":"r","other_tokens":null}"#).unwrap();
        assert!(!named.is_for_several());
        assert!(named.by_resource_server("r").is_ok());
    }

    #[test]
    fn of_several_one_must_be_picked() {
        assert!(response().is_for_several());
        let error = response().unpicked(&Target::new()).to_string();
        assert!(
            error.contains("auth.globus.org, transfer.api.globus.org, other.example"),
            "{error}"
        );
    }
}
