//! The form of a token request: built by `oauth2`, captured before it is sent.
//!
//! `oauth2` is asked to call an HTTP client that hands the finished request back
//! as an error; so it encodes, and we send, classify and keep.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use oauth2::basic::{BasicClient, BasicErrorResponse};
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest as Form,
    HttpResponse as FormAnswer, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenUrl,
};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::{RequestKind, TokenRequest, developer_token};
use crate::client_auth::{Authentication, Placement};
use crate::client_registration::{ClientRegistration, Step};
use crate::error::ConfigError;
use crate::provider::BodyFormat;
use crate::secret::{Secret, SecretBytes};
use crate::transport::HttpRequest;

/// The HTTP request for this token request of this client.
pub(crate) fn http_request(client: &ClientRegistration, request: &TokenRequest) -> Result<HttpRequest, ConfigError> {
    if let RequestKind::DeveloperToken(token) = &request.kind {
        return developer_token::http_request(client.provider(), token);
    }
    let endpoint = client
        .provider()
        .token_endpoint
        .as_ref()
        .ok_or(ConfigError::MissingEndpoint("token endpoint"))?;
    let method = client.authentication_in(step(&request.kind));
    let secret = client.secret_for(method)?;
    let authentication = method
        .authentication(client.client_id(), secret.as_ref())
        .ok_or_else(|| unusable("client secret", "it has characters that a header can't carry"))?;
    let token_url = TokenUrl::from_url(endpoint.as_url().clone());
    let mut form = capture(client.client_id(), token_url, request, &authentication)?;
    if let RequestKind::Extension { grant_type } = &request.kind {
        replace_grant_type(&mut form, grant_type);
    }
    if let Some(header) = authentication.authorization {
        form.headers_mut().insert(AUTHORIZATION, header);
    }
    finish(form, client.provider().body)
}

fn step(kind: &RequestKind) -> Step {
    match kind {
        RequestKind::AuthorizationCode { .. } => Step::CodeExchange,
        RequestKind::RefreshToken(_) => Step::Refresh,
        RequestKind::ClientCredentials | RequestKind::DeveloperToken(_) | RequestKind::Extension { .. } => Step::Token,
    }
}

// No `Debug`: that of `http::Request` shows the `Authorization` header.
struct Captured(Box<Form>);

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Captured")
    }
}

impl std::fmt::Display for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the request was captured")
    }
}

impl std::error::Error for Captured {}

type Client = BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;
type Capture<T> = Result<T, RequestTokenError<Captured, BasicErrorResponse>>;

fn capture(
    client_id: &str,
    token_url: TokenUrl,
    request: &TokenRequest,
    authentication: &Authentication,
) -> Result<Form, ConfigError> {
    let client = oauth_client(client_id, token_url, &authentication.placement);
    let capture = |form: Form| Err::<FormAnswer, _>(Captured(Box::new(form)));
    let extra = extra_parameters(request, authentication);
    let scopes = || request.target.scope_names().map(|scope| Scope::new(scope.to_owned()));
    let outcome: Capture<_> = match &request.kind {
        RequestKind::ClientCredentials | RequestKind::DeveloperToken(_) | RequestKind::Extension { .. } => {
            let mut call = client.exchange_client_credentials().add_scopes(scopes());
            for (name, value) in &extra {
                call = call.add_extra_param(name.as_str(), value.expose());
            }
            call.request(&capture)
        }
        RequestKind::RefreshToken(token) => {
            let token = RefreshToken::new(token.expose().to_owned());
            let mut call = client.exchange_refresh_token(&token).add_scopes(scopes());
            for (name, value) in &extra {
                call = call.add_extra_param(name.as_str(), value.expose());
            }
            call.request(&capture)
        }
        RequestKind::AuthorizationCode {
            code,
            verifier,
            redirect_uri,
        } => {
            let redirect =
                RedirectUrl::new(redirect_uri.clone()).map_err(|_| unusable("redirect URI", "it is no URL"))?;
            let mut call = client
                .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
                .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose().to_owned()))
                .set_redirect_uri(std::borrow::Cow::Owned(redirect));
            for (name, value) in &extra {
                call = call.add_extra_param(name.as_str(), value.expose());
            }
            call.request(&capture)
        }
    };
    match outcome {
        Err(RequestTokenError::Request(Captured(form))) => Ok(*form),
        _ => Err(unusable("token request", "it has parts that HTTP can't carry")),
    }
}

fn oauth_client(client_id: &str, token_url: TokenUrl, placement: &Placement) -> Client {
    let client = BasicClient::new(ClientId::new(client_id.to_owned())).set_token_uri(token_url);
    let with_secret = |secret: &Secret| ClientSecret::new(secret.expose().to_owned());
    match placement {
        Placement::IdOnly => client.set_auth_type(AuthType::RequestBody),
        Placement::Header(secret) => client
            .set_client_secret(with_secret(secret))
            .set_auth_type(AuthType::BasicAuth),
        Placement::Body(secret) => client
            .set_client_secret(with_secret(secret))
            .set_auth_type(AuthType::RequestBody),
    }
}

fn extra_parameters(request: &TokenRequest, authentication: &Authentication) -> Vec<(String, Secret)> {
    let target = &request.target;
    let audience = target
        .audience_name()
        .map(|audience| ("audience".to_owned(), Secret::new(audience)));
    let resources = target
        .resource_names()
        .map(|resource| ("resource".to_owned(), Secret::new(resource)));
    let own = request.parameters.iter().chain(&authentication.parameters).cloned();
    audience.into_iter().chain(resources).chain(own).collect()
}

// `oauth2` has no extension grants; theirs differ in `grant_type` only.
fn replace_grant_type(form: &mut Form, grant_type: &str) {
    let body = std::mem::take(form.body_mut());
    let mut out = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(&body) {
        let value = if name == "grant_type" { grant_type.into() } else { value };
        out.append_pair(&name, &value);
    }
    *form.body_mut() = out.finish().into_bytes();
    drop(Zeroizing::new(body));
}

fn finish(form: Form, format: BodyFormat) -> Result<HttpRequest, ConfigError> {
    let (mut parts, body) = form.into_parts();
    let body = Zeroizing::new(body);
    let (body, content_type) = body_of(&body, format)?;
    parts.method = Method::POST;
    parts.headers.insert(CONTENT_TYPE, content_type);
    parts
        .headers
        .insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = parts.headers.get_mut(AUTHORIZATION) {
        authorization.set_sensitive(true);
    }
    Ok(HttpRequest::from_parts(parts, body))
}

/// These parameters, encoded as a form, in this format; with its type.
pub(super) fn body_of(form: &[u8], format: BodyFormat) -> Result<(SecretBytes, HeaderValue), ConfigError> {
    let (body, content_type) = match format {
        BodyFormat::Form => (SecretBytes::new(form.to_vec()), "application/x-www-form-urlencoded"),
        BodyFormat::Json => (json_body(form)?, "application/json"),
    };
    Ok((body, HeaderValue::from_static(content_type)))
}

fn json_body(form: &[u8]) -> Result<SecretBytes, ConfigError> {
    let mut object = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(form) {
        if object.insert(name.into_owned(), value.into_owned().into()).is_some() {
            return Err(unusable("request", "a JSON body can't carry a parameter twice"));
        }
    }
    let body = serde_json::to_vec(&object).map_err(|_| unusable("request", "it is no JSON"))?;
    Ok(SecretBytes::new(body))
}

fn unusable(what: &'static str, why: &str) -> ConfigError {
    ConfigError::Unusable { what, why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_auth::ClientAuthMethod;
    use crate::endpoint::EndpointUrl;
    use crate::target::Target;

    fn client(method: ClientAuthMethod) -> ClientRegistration {
        let endpoint = EndpointUrl::new("https://as.example/token").unwrap();
        let provider = crate::provider::with_endpoints(endpoint, None);
        ClientRegistration::confidential(provider, "id+x", Secret::new("s:%ü")).authenticate_by(method)
    }

    fn sent(client: &ClientRegistration, request: &TokenRequest) -> (Option<String>, Vec<(String, String)>) {
        let request = http_request(client, request).unwrap();
        let header = request.headers().get(AUTHORIZATION).map(|value| {
            assert!(value.is_sensitive());
            value.to_str().unwrap().to_owned()
        });
        (
            header,
            form_urlencoded::parse(request.body().expose()).into_owned().collect(),
        )
    }

    fn basic(text: &str) -> String {
        use base64::Engine as _;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn one_client_authentication_each() {
        let request = TokenRequest::new(RequestKind::ClientCredentials, Target::new().scope("a"));
        let (header, body) = sent(&client(ClientAuthMethod::Basic), &request);
        assert_eq!(header.unwrap(), basic("id%2Bx:s%3A%25%C3%BC"));
        assert_eq!(body, pairs(&[("grant_type", "client_credentials"), ("scope", "a")]));
        let (header, body) = sent(&client(ClientAuthMethod::BasicRaw), &request);
        assert_eq!(header.unwrap(), basic("id+x:s:%ü"));
        assert_eq!(body.len(), 2);
        let (header, body) = sent(&client(ClientAuthMethod::Post), &request);
        assert_eq!(header, None);
        assert_eq!(
            body,
            pairs(&[
                ("grant_type", "client_credentials"),
                ("scope", "a"),
                ("client_id", "id+x"),
                ("client_secret", "s:%ü")
            ])
        );
        let (header, body) = sent(&client(ClientAuthMethod::None), &request);
        assert_eq!(header, None);
        assert_eq!(
            body,
            pairs(&[
                ("grant_type", "client_credentials"),
                ("scope", "a"),
                ("client_id", "id+x")
            ])
        );
    }

    #[test]
    fn targets_become_parameters() {
        let target = Target::new()
            .audience("aud")
            .resource("https://r1")
            .resource("https://r2")
            .scopes(["b", "a"]);
        let request = TokenRequest::new(RequestKind::RefreshToken("rt".into()), target);
        let (_, body) = sent(&client(ClientAuthMethod::Basic), &request);
        for pair in [
            ("audience", "aud"),
            ("resource", "https://r1"),
            ("resource", "https://r2"),
            ("scope", "a b"),
        ] {
            assert!(body.contains(&pairs(&[pair])[0]), "{pair:?} {body:?}");
        }
        assert!(body.contains(&("refresh_token".into(), "rt".into())));
    }

    #[test]
    fn a_code_goes_with_its_verifier() {
        let kind = RequestKind::AuthorizationCode {
            code: "c".into(),
            verifier: "v".into(),
            redirect_uri: "http://127.0.0.1/cb".into(),
        };
        let (_, body) = sent(&client(ClientAuthMethod::None), &TokenRequest::new(kind, Target::new()));
        for pair in [
            ("code", "c"),
            ("code_verifier", "v"),
            ("redirect_uri", "http://127.0.0.1/cb"),
        ] {
            assert!(body.contains(&pairs(&[pair])[0]), "{pair:?} {body:?}");
        }
    }

    #[test]
    fn extension_grants_and_json_bodies() {
        let kind = RequestKind::Extension {
            grant_type: "urn:x:y".into(),
        };
        let request = TokenRequest::new(kind, Target::new()).parameter("assertion", "a b");
        let (_, body) = sent(&client(ClientAuthMethod::Basic), &request);
        assert_eq!(body, pairs(&[("grant_type", "urn:x:y"), ("assertion", "a b")]));

        let endpoint = EndpointUrl::new("https://as.example/token").unwrap();
        let mut provider = crate::provider::with_endpoints(endpoint, None);
        provider.body = BodyFormat::Json;
        let client =
            ClientRegistration::confidential(provider, "id", Secret::new("s")).authenticate_by(ClientAuthMethod::Post);
        let sent = http_request(&client, &request).unwrap();
        assert_eq!(sent.headers()[CONTENT_TYPE], "application/json");
        let value: serde_json::Value = serde_json::from_slice(sent.body().expose()).unwrap();
        assert_eq!(value["client_secret"], "s");
        assert_eq!(value["grant_type"], "urn:x:y");
    }
}
