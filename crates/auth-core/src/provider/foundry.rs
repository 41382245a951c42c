//! Palantir Foundry: Multipass of one host. Codes are exchanged by HTTP Basic, refresh
//! tokens are posted with the secret; redirect URIs are prescribed.

use super::{Provider, Redirects, StepAuthentication, generic::bare};
use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointError, EndpointUrl};

/// Multipass of a Foundry host: `host`, `host:port`, or any URL there, of which only
/// scheme, host and port count. Without a scheme it is https.
///
/// Two redirect URIs are to be registered for a client: for a console
/// `https://HOST/multipass/api/oauth2/callback`, for a browser on the same machine
/// `http://127.0.0.1/`.
///
/// Nothing is known of its rotation, so it is taken as strict. A refresh token is given
/// where the scope `offline_access` is asked for.
///
/// # Errors
/// [`EndpointError`] if the host makes no URL.
pub fn foundry(host: &str) -> Result<Provider, EndpointError> {
    let host = host.trim();
    let url = if host.contains("://") {
        EndpointUrl::new(host)?
    } else {
        EndpointUrl::new(&format!("https://{host}"))?
    };
    let endpoint = |name: &str| EndpointUrl::new(&format!("{}/multipass/api/oauth2/{name}", url.origin()));
    Ok(Provider {
        authorization_endpoint: Some(endpoint("authorize")?),
        token_endpoint: Some(endpoint("token")?),
        client_authentication: ClientAuthMethod::BasicRaw,
        step_authentication: StepAuthentication {
            refresh: Some(ClientAuthMethod::Post),
            ..StepAuthentication::default()
        },
        authorization_parameters: vec![("access_type".into(), "offline".into())],
        redirects: Redirects {
            console: Some(endpoint("callback")?),
            console_parameters: vec![("prompt".into(), "consent".into())],
            loopback_path: Some("/".into()),
            loopback_ports: Some(8888..=8987),
        },
        transient_errors: vec!["internal_failure".into()],
        ..bare("foundry")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_in_every_form() {
        let token = |host: &str| foundry(host).map(|provider| provider.token_endpoint.unwrap().as_str().to_owned());
        for (host, origin) in [
            ("foundry.example", "https://foundry.example"),
            ("Foundry.example:8080", "https://foundry.example:8080"),
            ("127.0.0.1:8080", "https://127.0.0.1:8080"),
            ("[::1]:8080", "https://[::1]:8080"),
            (" foundry.example/ ", "https://foundry.example"),
            (
                "https://foundry.example:8443/workspace?x=1",
                "https://foundry.example:8443",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(
                token(host).unwrap(),
                format!("{origin}/multipass/api/oauth2/token"),
                "{host}"
            );
        }
        assert_eq!(token("http://foundry.example"), Err(EndpointError::NotEncrypted));
        assert_eq!(
            token("https://u:p@foundry.example"),
            Err(EndpointError::UserInformation)
        );
        assert_eq!(token(""), Err(EndpointError::NotAUrl));
        assert_eq!(token("a b"), Err(EndpointError::NotAUrl));
    }

    #[test]
    fn redirects_are_those_that_clients_are_registered_with() {
        let redirects = foundry("foundry.example:8080").unwrap().redirects;
        assert_eq!(
            redirects.console.unwrap().as_str(),
            "https://foundry.example:8080/multipass/api/oauth2/callback"
        );
        assert_eq!(redirects.loopback_path.as_deref(), Some("/"));
        assert_eq!(redirects.loopback_ports, Some(8888..=8987));
    }
}
