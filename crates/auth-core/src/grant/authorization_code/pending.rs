//! A login under way: begun with a URL, ended with a code.

use std::time::Duration;

use oauth2::PkceCodeChallenge;
use url::Url;

use super::{AuthorizationRequest, Callback, CallbackError};
use crate::client_registration::ClientRegistration;
use crate::clock::Timestamp;
use crate::error::ConfigError;
use crate::grant::{RequestKind, TokenRequest};
use crate::key::LoginName;
use crate::record::LoginRecord;
use crate::secret::Secret;
use crate::target::Target;

/// How long a login may take.
const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

/// A login under way. Single-use: accepting a callback consumes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingLogin {
    record: LoginRecord,
}

/// The request that ends a login: a code, to be exchanged for tokens once.
#[derive(Debug)]
pub struct CodeExchange {
    pub(crate) request: TokenRequest,
    pub(crate) record: LoginRecord,
}

impl PendingLogin {
    /// Begins a login: makes `state`, the PKCE verifier and, for OpenID, a nonce,
    /// and returns the URL for the browser.
    ///
    /// # Errors
    /// [`ConfigError`] if the provider has no authorization endpoint, or the
    /// redirect URI is no URL.
    pub fn begin(
        client: &ClientRegistration,
        redirect_uri: &str,
        request: impl Into<AuthorizationRequest>,
        now: Timestamp,
    ) -> Result<(Url, Self), ConfigError> {
        let request = request.into();
        let provider = client.provider();
        let endpoint = provider.authorization_endpoint.as_ref();
        let endpoint = endpoint.ok_or(ConfigError::MissingEndpoint("authorization endpoint"))?;
        if Url::parse(redirect_uri).is_err() {
            return Err(ConfigError::Unusable {
                what: "redirect URI",
                why: "it is no URL".into(),
            });
        }
        let state = Secret::new(crate::random::url_text());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let nonce = request
            .target
            .scope_names()
            .any(|scope| scope == "openid")
            .then(|| Secret::new(crate::random::url_text()));
        let url = authorization_url(
            client,
            endpoint.as_url(),
            redirect_uri,
            &request,
            &state,
            &challenge,
            nonce.as_ref(),
        );
        let verifier = Secret::new(verifier.into_secret());
        let mut record = LoginRecord::new(client.binding(), &state, verifier, redirect_uri, request.target, now);
        record.nonce = nonce;
        record.issuer_required = provider.issuer_in_callback;
        Ok((url, Self { record }))
    }

    /// A login under way that was kept in a store.
    pub fn from_record(record: LoginRecord) -> Self {
        Self { record }
    }

    /// The login as a record.
    pub fn record(&self) -> &LoginRecord {
        &self.record
    }

    /// The name of the record of the login that this callback belongs to.
    pub fn name_of(callback: &Callback) -> Option<LoginName> {
        callback.state.as_ref().map(|state| LoginName::of_state(state.expose()))
    }

    /// Ends the login with what came back: `state` and issuer are checked before
    /// anything else is looked at, also on errors (RFC 9207 section 2.4).
    ///
    /// # Errors
    /// [`CallbackError`]; nothing was sent.
    pub fn accept(self, callback: &Callback, now: Timestamp) -> Result<CodeExchange, CallbackError> {
        let state = callback.state.as_ref().ok_or(CallbackError::StateMissing)?;
        // Hashes of 256-bit random values: their comparison tells an attacker nothing.
        if state.hash() != self.record.state {
            return Err(CallbackError::StateMismatch);
        }
        self.check_issuer(callback)?;
        self.exchange(callback, now)
    }

    /// Ends the login with a code that a person typed or pasted without its
    /// `state`. PKCE still binds the code to this login: a code that was made for
    /// another one is refused by the server.
    ///
    /// # Errors
    /// [`CallbackError::Expired`]; nothing was sent.
    pub fn accept_bare_code(self, code: Secret, now: Timestamp) -> Result<CodeExchange, CallbackError> {
        let callback = Callback {
            code: Some(code),
            ..Callback::default()
        };
        self.exchange(&callback, now)
    }

    fn exchange(self, callback: &Callback, now: Timestamp) -> Result<CodeExchange, CallbackError> {
        if let Some(code) = &callback.error {
            return Err(CallbackError::denied(code, callback.error_description.as_deref()));
        }
        if now > self.record.begun_at.plus(LOGIN_LIFETIME) {
            return Err(CallbackError::Expired);
        }
        let code = callback
            .code
            .clone()
            .filter(|code| !code.is_empty())
            .ok_or(CallbackError::NoCode)?;
        let kind = RequestKind::AuthorizationCode {
            code,
            verifier: self.record.verifier.clone(),
            redirect_uri: self.record.redirect_uri.clone(),
        };
        // The scopes were asked for in the authorization request; the token request
        // has no such parameter (RFC 6749 section 4.1.3).
        Ok(CodeExchange {
            request: TokenRequest::new(kind, Target::new()),
            record: self.record,
        })
    }

    fn check_issuer(&self, callback: &Callback) -> Result<(), CallbackError> {
        match (&callback.issuer, &self.record.binding.issuer) {
            (None, _) if self.record.issuer_required => Err(CallbackError::IssuerMissing),
            (Some(named), Some(expected)) if named != expected => Err(CallbackError::IssuerMismatch),
            _ => Ok(()),
        }
    }
}

fn authorization_url(
    client: &ClientRegistration,
    endpoint: &Url,
    redirect_uri: &str,
    request: &AuthorizationRequest,
    state: &Secret,
    challenge: &PkceCodeChallenge,
    nonce: Option<&Secret>,
) -> Url {
    let mut url = endpoint.clone();
    let target = &request.target;
    let scopes: Vec<&str> = target.scope_names().collect();
    let mut query = url.query_pairs_mut();
    query.append_pair("response_type", "code");
    query.append_pair("client_id", client.client_id());
    query.append_pair("redirect_uri", redirect_uri);
    if !scopes.is_empty() {
        query.append_pair("scope", &scopes.join(" "));
    }
    query.append_pair("state", state.expose());
    query.append_pair("code_challenge", challenge.as_str());
    query.append_pair("code_challenge_method", "S256");
    if let Some(nonce) = nonce {
        query.append_pair("nonce", nonce.expose());
    }
    if let Some(audience) = target.audience_name() {
        query.append_pair("audience", audience);
    }
    for resource in target.resource_names() {
        query.append_pair("resource", resource);
    }
    let provider = client.provider();
    let of_console = match &provider.redirects.console {
        Some(console) if console.as_str() == redirect_uri => &provider.redirects.console_parameters[..],
        _ => &[],
    };
    let usual = of_console.iter().chain(&provider.authorization_parameters);
    let usual = usual.filter(|(name, _)| !request.names(name));
    for (name, value) in usual.chain(&request.parameters) {
        query.append_pair(name, value);
    }
    drop(query);
    url
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::endpoint::{EndpointUrl, Issuer};

    const START: Timestamp = Timestamp::from_unix_seconds(1000);

    fn client(issuer_in_callback: bool) -> ClientRegistration {
        let endpoint = |path: &str| EndpointUrl::new(&format!("https://as.example/{path}")).unwrap();
        let mut provider = crate::provider::with_endpoints(endpoint("token"), Some(endpoint("authorize?tenant=1")));
        provider.issuer = Some(Issuer::new("https://as.example").unwrap());
        provider.issuer_in_callback = issuer_in_callback;
        ClientRegistration::public(provider, "app")
    }

    fn begun(issuer_in_callback: bool) -> (HashMap<String, String>, PendingLogin) {
        let target = Target::new().scopes(["openid", "api"]).resource("https://api.example");
        let (url, login) =
            PendingLogin::begin(&client(issuer_in_callback), "http://127.0.0.1/cb", target, START).unwrap();
        (url.query_pairs().into_owned().collect(), login)
    }

    fn callback(query: &str, parameters: &HashMap<String, String>) -> Callback {
        Callback::from_query(&query.replace("STATE", &parameters["state"])).unwrap()
    }

    #[test]
    fn the_url_asks_for_all_that_is_needed() {
        let (parameters, login) = begun(false);
        assert_eq!(parameters["tenant"], "1");
        assert_eq!(parameters["scope"], "api openid");
        assert_eq!(parameters["code_challenge_method"], "S256");
        assert_eq!(parameters["code_challenge"].len(), 43);
        assert!(parameters["state"].len() >= 43 && parameters["nonce"].len() >= 43);
        assert_eq!(login.record().state, Secret::new(parameters["state"].as_str()).hash());
    }

    #[test]
    fn each_login_may_have_parameters_of_its_own() {
        let foundry = crate::provider::foundry("foundry.example").unwrap();
        let (console, here) = (foundry.redirects.console.clone().unwrap(), "http://127.0.0.1:8888/");
        let client = ClientRegistration::public(foundry, "app");
        let asked = |redirect_uri: &str, request: AuthorizationRequest| {
            let (url, _) = PendingLogin::begin(&client, redirect_uri, request, START).unwrap();
            url.query_pairs().into_owned().collect::<Vec<_>>()
        };
        let has = |asked: &[(String, String)], name: &str, value: &str| {
            let mut values = asked.iter().filter(|(known, _)| known == name);
            values.next().is_some_and(|(_, known)| known == value) && values.next().is_none()
        };
        let request = AuthorizationRequest::default().parameter("region", "a b").unwrap();
        let pairs = asked(console.as_str(), request.clone());
        assert!(
            has(&pairs, "region", "a b") && has(&pairs, "prompt", "consent") && has(&pairs, "access_type", "offline")
        );
        let pairs = asked(console.as_str(), request.clone().parameter("prompt", "login").unwrap());
        assert!(has(&pairs, "prompt", "login"), "{pairs:?}");
        let pairs = asked(here, request);
        assert!(!pairs.iter().any(|(name, _)| name == "prompt"), "{pairs:?}");
    }

    #[test]
    fn verifiers_are_new_and_well_formed() {
        use base64::Engine as _;
        use sha2::Digest as _;
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let (parameters, login) = begun(false);
            let verifier = login.record().verifier.expose().to_owned();
            assert!(
                (43..=128).contains(&verifier.len())
                    && verifier
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
            );
            let digest = sha2::Sha256::digest(verifier.as_bytes());
            assert_eq!(
                parameters["code_challenge"],
                base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
            );
            assert!(seen.insert(verifier));
        }
    }

    #[test]
    fn a_good_callback_is_accepted() {
        let (parameters, login) = begun(true);
        let callback = callback("code=c&state=STATE&iss=https%3A%2F%2Fas.example", &parameters);
        let exchange = login.accept(&callback, START).unwrap();
        assert!(
            matches!(exchange.request.kind, RequestKind::AuthorizationCode { code, .. } if code == Secret::new("c"))
        );
    }

    #[test]
    fn bad_callbacks_are_refused() {
        let cases = [
            ("code=c", true, CallbackError::StateMissing),
            ("code=c&state=other", true, CallbackError::StateMismatch),
            ("code=c&state=STATE", true, CallbackError::IssuerMissing),
            (
                "code=c&state=STATE&iss=https%3A%2F%2Fas.example%2F",
                true,
                CallbackError::IssuerMismatch,
            ),
            (
                "code=c&state=STATE&iss=https%3A%2F%2Fevil.example",
                false,
                CallbackError::IssuerMismatch,
            ),
            (
                "error=access_denied&state=STATE&iss=x",
                false,
                CallbackError::IssuerMismatch,
            ),
            (
                "error=access_denied&state=STATE",
                false,
                CallbackError::denied("access_denied", None),
            ),
            ("state=STATE", false, CallbackError::NoCode),
            ("code=&state=STATE", false, CallbackError::NoCode),
        ];
        for (query, issuer_in_callback, error) in cases {
            let (parameters, login) = begun(issuer_in_callback);
            assert_eq!(
                login.accept(&callback(query, &parameters), START).unwrap_err(),
                error,
                "{query}"
            );
        }
        let (parameters, login) = begun(false);
        let late = START.plus(Duration::from_secs(601));
        assert_eq!(
            login
                .accept(&callback("code=c&state=STATE", &parameters), late)
                .unwrap_err(),
            CallbackError::Expired
        );
    }

    #[test]
    fn parameters_given_twice_are_refused() {
        let error = Callback::from_query("code=a&state=s&code=b").unwrap_err();
        assert_eq!(
            error,
            CallbackError::Duplicate {
                parameter: "code".into()
            }
        );
    }
}
