//! Metadata of authorization servers: OpenID Connect Discovery 1.0 and RFC 8414.

use http::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointUrl, Issuer};
use crate::provider::{self, Provider};
use crate::secret::SecretBytes;
use crate::transport::{HttpRequest, Transport, TransportError};

/// Asks an issuer for its metadata and makes a provider of it: first at the
/// place of OpenID Connect, then at that of RFC 8414.
///
/// # Errors
/// [`DiscoveryError`]; the provider is then known by its issuer only.
pub async fn discover(transport: &dyn Transport, issuer: &Issuer) -> Result<Provider, DiscoveryError> {
    let mut last_status = 404;
    for url in well_known(issuer) {
        match fetch(transport, &url).await? {
            Fetched::Found(body) => return read(issuer, &body, &url),
            Fetched::Absent(status) => last_status = status,
        }
    }
    Err(DiscoveryError::Absent {
        status: last_status,
        issuer: issuer.to_string(),
    })
}

/// Why there is no metadata to be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The issuer publishes none.
    #[error("{issuer} publishes no metadata (status {status}); check the issuer, or give the endpoints")]
    Absent {
        /// The last HTTP status.
        status: u16,
        /// The issuer.
        issuer: String,
    },
    /// The metadata names another issuer, so it must not be used (RFC 8414
    /// section 3.3).
    #[error("the metadata at {url} is of issuer {found:?}, not {expected}; write the issuer exactly like that")]
    IssuerMismatch {
        /// Where it was found.
        url: String,
        /// What it says; printable.
        found: String,
        /// What was asked for.
        expected: String,
    },
    /// It can't be read, or lacks what is needed.
    #[error("the metadata at {url} can't be used: {why}")]
    Malformed {
        /// Where it was found.
        url: String,
        /// Why.
        why: &'static str,
    },
    /// The server offers PKCE, but not S256 (RFC 9700 section 2.1.1).
    #[error("the metadata at {url} does not offer PKCE with S256")]
    NoPkce {
        /// Where it was found.
        url: String,
    },
    /// The issuer can't be reached.
    #[error("{issuer} can't be reached")]
    Unreachable {
        /// Where it was looked for.
        issuer: String,
        /// Why.
        source: TransportError,
    },
}

fn well_known(issuer: &Issuer) -> [Url; 2] {
    let base = issuer.url().as_url();
    let path = base.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    [
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

enum Fetched {
    Found(SecretBytes),
    Absent(u16),
}

async fn fetch(transport: &dyn Transport, url: &Url) -> Result<Fetched, DiscoveryError> {
    let place = place(url);
    let mut request = HttpRequest::new(SecretBytes::default());
    *request.uri_mut() = url.as_str().parse().map_err(|_| DiscoveryError::Malformed {
        url: place.clone(),
        why: "its place is no URI",
    })?;
    request
        .headers_mut()
        .insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
    let response = transport
        .send(request)
        .await
        .map_err(|source| DiscoveryError::Unreachable { issuer: place, source })?;
    match response.status() {
        StatusCode::OK => Ok(Fetched::Found(response.into_body())),
        status => Ok(Fetched::Absent(status.as_u16())),
    }
}

/// A URL for messages: without a query.
fn place(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<EndpointUrl>,
    token_endpoint: Option<EndpointUrl>,
    revocation_endpoint: Option<EndpointUrl>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

fn read(issuer: &Issuer, body: &SecretBytes, url: &Url) -> Result<Provider, DiscoveryError> {
    let url = place(url);
    let malformed = |why| DiscoveryError::Malformed { url: url.clone(), why };
    if crate::token::too_deep(body.expose()) {
        return Err(malformed("nested too deep"));
    }
    let metadata: Metadata = serde_json::from_slice(body.expose())
        .map_err(|_| malformed("it is no JSON object with an issuer and https endpoints"))?;
    if metadata.issuer != issuer.as_str() {
        let found = metadata
            .issuer
            .chars()
            .filter(|c| matches!(c, ' '..='~'))
            .take(200)
            .collect();
        return Err(DiscoveryError::IssuerMismatch {
            url,
            found,
            expected: issuer.to_string(),
        });
    }
    if metadata.token_endpoint.is_none() {
        return Err(malformed("it names no token endpoint"));
    }
    if metadata
        .code_challenge_methods_supported
        .as_ref()
        .is_some_and(|methods| !methods.iter().any(|m| m == "S256"))
    {
        return Err(DiscoveryError::NoPkce { url });
    }
    Ok(metadata.into_provider(issuer))
}

impl Metadata {
    fn into_provider(self, issuer: &Issuer) -> Provider {
        let mut provider = provider::generic(issuer.clone());
        provider.authorization_endpoint = self.authorization_endpoint;
        provider.token_endpoint = self.token_endpoint;
        provider.revocation_endpoint = self.revocation_endpoint;
        provider.issuer_in_callback = self.authorization_response_iss_parameter_supported;
        // Basic is the default of RFC 8414 section 2 where nothing is said.
        let methods = self.token_endpoint_auth_methods_supported.unwrap_or_default();
        let offers = |name: &str| methods.iter().any(|method| method == name);
        if !offers("client_secret_basic") && offers("client_secret_post") {
            provider.client_authentication = ClientAuthMethod::Post;
        }
        provider
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(issuer: &str, body: &str) -> Result<Provider, DiscoveryError> {
        let issuer = Issuer::new(issuer).unwrap();
        read(
            &issuer,
            &SecretBytes::new(body.as_bytes().to_vec()),
            &well_known(&issuer)[0],
        )
    }

    #[test]
    fn places_of_both_standards() {
        let places = |issuer: &str| well_known(&Issuer::new(issuer).unwrap()).map(String::from);
        assert_eq!(
            places("https://a.example"),
            [
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server"
            ]
        );
        assert_eq!(
            places("https://a.example/t/"),
            [
                "https://a.example/t/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server/t"
            ]
        );
    }

    #[test]
    fn the_issuer_must_be_the_same_to_the_letter() {
        let body = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t"}"#;
        assert!(parse("https://a.example", body).is_ok());
        for other in ["https://a.example/", "https://A.example", "https://a.example:443"] {
            assert!(
                matches!(parse(other, body), Err(DiscoveryError::IssuerMismatch { .. })),
                "{other}"
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        for body in [
            "",
            "[]",
            r#"{"issuer":"https://a.example"}"#,
            r#"{"issuer":"https://a.example","token_endpoint":"http://a.example/t"}"#,
            r#"{"issuer":"https://a.example","token_endpoint":"file:///etc/passwd"}"#,
        ] {
            assert!(
                matches!(parse("https://a.example", body), Err(DiscoveryError::Malformed { .. })),
                "{body}"
            );
        }
        let plain = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t","code_challenge_methods_supported":["plain"]}"#;
        assert!(matches!(
            parse("https://a.example", plain),
            Err(DiscoveryError::NoPkce { .. })
        ));
    }

    #[test]
    fn the_way_to_authenticate_is_taken_from_it() {
        let body = r#"{"issuer":"https://a.example","token_endpoint":"https://a.example/t","token_endpoint_auth_methods_supported":["client_secret_post"]}"#;
        assert_eq!(
            parse("https://a.example", body).unwrap().client_authentication,
            ClientAuthMethod::Post
        );
    }
}
