//! The form of a revocation request (RFC 7009 section 2.1). `oauth2` builds none
//! for loopback addresses, so this one is ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::wire::body_of;
use crate::client_auth::Placement;
use crate::client_registration::{ClientRegistration, Step};
use crate::error::ConfigError;
use crate::secret::Secret;
use crate::transport::HttpRequest;

/// What kind of token is revoked (`token_type_hint`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenTypeHint {
    AccessToken,
    RefreshToken,
}

impl TokenTypeHint {
    fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// The HTTP request that revokes this token.
pub(crate) fn revocation_request(
    client: &ClientRegistration,
    token: &Secret,
    hint: TokenTypeHint,
) -> Result<HttpRequest, ConfigError> {
    let endpoint = client.provider().revocation_endpoint.as_ref();
    let endpoint = endpoint.ok_or(ConfigError::MissingEndpoint("revocation endpoint"))?;
    let unusable = |why: &str| ConfigError::Unusable {
        what: "revocation request",
        why: why.into(),
    };
    let method = client.authentication_in(Step::Revocation);
    let secret = client.secret_for(method)?;
    let authentication = method.authentication(client.client_id(), secret.as_ref());
    let authentication = authentication.ok_or_else(|| unusable("a header can't carry the client secret"))?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("token", token.expose())
        .append_pair("token_type_hint", hint.as_str());
    let mut header = authentication.authorization;
    match &authentication.placement {
        Placement::Header(secret) if header.is_none() => header = Some(basic(client.client_id(), secret)?),
        Placement::Header(_) => {}
        Placement::IdOnly => {
            form.append_pair("client_id", client.client_id());
        }
        Placement::Body(secret) => {
            form.append_pair("client_id", client.client_id())
                .append_pair("client_secret", secret.expose());
        }
    }
    for (name, value) in &authentication.parameters {
        form.append_pair(name, value.expose());
    }
    let form = Zeroizing::new(form.finish());
    let (body, content_type) = body_of(form.as_bytes(), client.provider().body)?;
    let mut request = HttpRequest::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = endpoint
        .as_str()
        .parse()
        .map_err(|_| unusable("the endpoint is no URI"))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(header) = header {
        headers.insert(AUTHORIZATION, header);
    }
    Ok(request)
}

fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, ConfigError> {
    let encoded = |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(client_id), *encoded(secret.expose())));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let unusable = |_| ConfigError::Unusable {
        what: "client secret",
        why: "a header can't carry it".into(),
    };
    let mut header = HeaderValue::from_str(&text).map_err(unusable)?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_auth::ClientAuthMethod;
    use crate::endpoint::EndpointUrl;

    fn request(method: ClientAuthMethod) -> (Option<HeaderValue>, String) {
        let endpoint = |path: &str| EndpointUrl::new(&format!("http://127.0.0.1/{path}")).unwrap();
        let mut provider = crate::provider::with_endpoints(endpoint("token"), None);
        provider.revocation_endpoint = Some(endpoint("revoke"));
        let client = ClientRegistration::confidential(provider, "i:d", Secret::new("s t")).authenticate_by(method);
        let request = revocation_request(&client, &"tok+en".into(), TokenTypeHint::RefreshToken).unwrap();
        let body = String::from_utf8(request.body().expose().to_vec()).unwrap();
        (request.headers().get(AUTHORIZATION).cloned(), body)
    }

    #[test]
    fn the_body_is_json_where_the_provider_wants_that() {
        let provider = crate::provider::pancloud_at("http://127.0.0.1", "http://127.0.0.1/authorize").unwrap();
        let client = ClientRegistration::confidential(provider, "i", Secret::new("s"));
        let request = revocation_request(&client, &"t%".into(), TokenTypeHint::AccessToken).unwrap();
        assert_eq!(request.headers()[CONTENT_TYPE], "application/json");
        let body: serde_json::Value = serde_json::from_slice(request.body().expose()).unwrap();
        let expected = serde_json::json!({
            "client_id": "i", "client_secret": "s", "token": "t%", "token_type_hint": "access_token",
        });
        assert_eq!((body, request.headers().get(AUTHORIZATION)), (expected, None));
    }

    #[test]
    fn one_client_authentication_each() {
        let token = "token=tok%2Ben&token_type_hint=refresh_token";
        let (header, body) = request(ClientAuthMethod::Basic);
        assert_eq!(header.unwrap(), format!("Basic {}", STANDARD.encode("i%3Ad:s+t")));
        assert_eq!(body, token);
        let (header, body) = request(ClientAuthMethod::BasicRaw);
        assert_eq!(
            (header.unwrap().to_str().unwrap(), body.as_str()),
            (&*format!("Basic {}", STANDARD.encode("i:d:s t")), token)
        );
        let (header, body) = request(ClientAuthMethod::Post);
        assert_eq!(
            (header, body),
            (None, format!("{token}&client_id=i%3Ad&client_secret=s+t"))
        );
        let (header, body) = request(ClientAuthMethod::None);
        assert_eq!((header, body), (None, format!("{token}&client_id=i%3Ad")));
    }
}
