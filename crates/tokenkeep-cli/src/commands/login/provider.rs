//! The authorization server: discovered, named by its endpoints, or as kept.

use std::time::Duration;

use tokenkeep::Provider;
use tokenkeep::discovery::{self, DiscoveryError};
use tokenkeep::endpoint::{EndpointUrl, Issuer};
use tokenkeep::http::HttpTransport;
use tokenkeep::provider::{self, ProviderNameError, Rotation};
use tokenkeep::record::ClientRecord;

use super::plan::{missing, unusable};
use crate::args::{Flow, ServerArgs};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::settings::pick;

const DOMAIN_GOES_WITH: &str = "it goes with --provider auth0 or foundry";

/// Finds out about the authorization server; asks it for its metadata if it is
/// known by its issuer only.
pub(super) async fn resolve(
    session: &Session,
    args: &ServerArgs,
    stored: Option<&ClientRecord>,
    flow: Flow,
) -> Result<Provider> {
    let named = Named::resolve(session, args)?;
    let mut provider = match (&named.kind, stored) {
        (Some(kind), _) => kind.provider(),
        (None, Some(stored)) => stored.provider.clone(),
        (None, None) if flow == Flow::Token => without_endpoints()?,
        (None, None) => return Err(missing(session, "issuer", "--issuer or --token-endpoint")),
    };
    if provider.token_endpoint.is_none()
        && let Some(issuer) = &provider.issuer
    {
        let transport = HttpTransport::new();
        let asked = discovery::discover(&transport, issuer);
        let discovered = session
            .waiting("asking the authorization server for its endpoints", asked)
            .await;
        provider = with_habits_of(&provider, discovered.map_err(undiscovered)?);
    }
    named.change(session, args, provider)
}

/// The authorization server as it is named, or as it is kept; nobody is asked. It may
/// lack its endpoints.
pub(in crate::commands) fn as_named(
    session: &Session,
    args: &ServerArgs,
    stored: Option<&ClientRecord>,
) -> Result<Provider> {
    let named = Named::resolve(session, args)?;
    let provider = match (&named.kind, stored) {
        (Some(kind), _) => kind.provider(),
        (None, Some(stored)) => stored.provider.clone(),
        (None, None) => without_endpoints()?,
    };
    named.change(session, args, provider)
}

/// How the authorization server is named, if it is.
struct Named {
    kind: Option<Kind>,
    token: Option<EndpointUrl>,
    authorization: Option<EndpointUrl>,
    revocation: Option<EndpointUrl>,
    developer_token: Option<EndpointUrl>,
}

enum Kind {
    Endpoints { issuer: Option<Issuer>, token: EndpointUrl },
    Issuer(Issuer),
    Known(Box<Provider>),
}

impl Named {
    fn resolve(session: &Session, args: &ServerArgs) -> Result<Self> {
        let config = &session.settings.config;
        let issuer = pick(args.issuer.as_ref(), "issuer", config.issuer.as_ref())?;
        let token = pick(
            args.token_endpoint.as_ref(),
            "token_endpoint",
            config.token_endpoint.as_ref(),
        )?;
        let domain = pick(args.domain.as_ref(), "domain", config.domain.as_ref())?;
        let name = pick(args.provider.as_ref(), "provider", config.provider.as_ref())?;
        let authorization = picked_endpoint(
            "authorization_endpoint",
            args.authorization_endpoint.as_ref(),
            config.authorization_endpoint.as_ref(),
        )?;
        let revocation = picked_endpoint(
            "revocation_endpoint",
            args.revocation_endpoint.as_ref(),
            config.revocation_endpoint.as_ref(),
        )?;
        let developer_token = picked_endpoint(
            "developer_token_endpoint",
            args.developer_token_endpoint.as_ref(),
            config.developer_token_endpoint.as_ref(),
        )?;
        let issuer = issuer.map(|text| Issuer::new(text).map_err(|error| unusable("issuer", error)));
        let issuer = issuer.transpose()?;
        let token = token.map(|url| endpoint("token_endpoint", &url)).transpose()?;
        let kind = match (name.as_deref(), token.clone(), issuer) {
            (Some(name), ..) if name != "generic" => {
                Some(Kind::Known(Box::new(known(session, name, domain.as_deref())?)))
            }
            _ if domain.is_some() => return Err(unusable("domain", DOMAIN_GOES_WITH)),
            (_, Some(token), issuer) => Some(Kind::Endpoints { issuer, token }),
            (_, None, issuer) => issuer.map(Kind::Issuer),
        };
        Ok(Self {
            kind,
            token,
            authorization,
            revocation,
            developer_token,
        })
    }

    /// The provider with what was said of it one by one.
    fn change(self, session: &Session, args: &ServerArgs, mut provider: Provider) -> Result<Provider> {
        provider.token_endpoint = self.token.or(provider.token_endpoint);
        provider.authorization_endpoint = self.authorization.or(provider.authorization_endpoint);
        provider.revocation_endpoint = self.revocation.or(provider.revocation_endpoint);
        provider.developer_token_endpoint = self.developer_token.or(provider.developer_token_endpoint);
        let config = &session.settings.config;
        if let Some(rotation) = pick(args.rotation.as_ref(), "rotation", config.rotation.as_ref())? {
            provider.rotation = parse_rotation(&rotation)?;
        }
        let lifetime = args.default_lifetime.map(|seconds| seconds.to_string());
        let configured = config.default_lifetime.map(|seconds| seconds.to_string());
        if let Some(seconds) = pick(lifetime.as_ref(), "default_lifetime", configured.as_ref())? {
            let seconds = seconds
                .parse()
                .map_err(|_| unusable("default_lifetime", "write a number of seconds"))?;
            provider.default_lifetime = Some(Duration::from_secs(seconds));
        }
        Ok(provider)
    }
}

impl Kind {
    fn provider(&self) -> Provider {
        match self {
            Self::Endpoints { issuer, token } => {
                let mut provider = provider::with_endpoints(token.clone(), None);
                provider.issuer.clone_from(issuer);
                provider
            }
            Self::Issuer(issuer) => provider::generic(issuer.clone()),
            Self::Known(provider) => (**provider).clone(),
        }
    }
}

/// A provider by its name, and the place where it is, if there is more than one.
fn known(session: &Session, name: &str, domain: Option<&str>) -> Result<Provider> {
    provider::by_name(name, domain).map_err(|error| match error {
        ProviderNameError::NeedsDomain => missing(session, "domain", "--domain"),
        ProviderNameError::TakesNoDomain => unusable("domain", DOMAIN_GOES_WITH),
        ProviderNameError::Domain(error) => unusable("domain", error),
        error => unusable("provider", error),
    })
}

/// What was discovered, but with what a person has said of the server before.
fn with_habits_of(kept: &Provider, mut discovered: Provider) -> Provider {
    discovered.rotation = kept.rotation;
    discovered.default_lifetime = kept.default_lifetime;
    discovered.authorization_endpoint = kept
        .authorization_endpoint
        .clone()
        .or(discovered.authorization_endpoint);
    discovered.revocation_endpoint = kept.revocation_endpoint.clone().or(discovered.revocation_endpoint);
    discovered
}

fn undiscovered(error: DiscoveryError) -> Failure {
    let (exit, hint) = match &error {
        DiscoveryError::Unreachable { .. } => (Exit::Network, "check the network, the proxy settings and the issuer"),
        DiscoveryError::Absent {
            status: 429 | 500.., ..
        } => (Exit::Network, "try again later"),
        DiscoveryError::IssuerMismatch { .. } => (
            Exit::Configuration,
            "give --issuer exactly as the authorization server writes it, also in its last slash",
        ),
        _ => (
            Exit::Configuration,
            "give the endpoints: --token-endpoint URL --authorization-endpoint URL",
        ),
    };
    Failure::of(exit, error).hint(hint)
}

fn picked_endpoint(
    setting: &'static str,
    flag: Option<&String>,
    config: Option<&String>,
) -> Result<Option<EndpointUrl>> {
    let url = pick(flag, setting, config)?;
    url.map(|url| endpoint(setting, &url)).transpose()
}

fn endpoint(setting: &'static str, url: &str) -> Result<EndpointUrl> {
    EndpointUrl::new(url).map_err(|error| unusable(setting, error))
}

// A token from elsewhere needs no server.
fn without_endpoints() -> Result<Provider> {
    let mut provider = provider::with_endpoints(endpoint("token_endpoint", "https://[::1]/")?, None);
    provider.token_endpoint = None;
    Ok(provider)
}

fn parse_rotation(text: &str) -> Result<Rotation> {
    let grace = |seconds: &str| {
        seconds
            .parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    match text.split_once(':') {
        None if text == "strict" => Some(Rotation::Strict),
        None if text == "none" => Some(Rotation::NonRotating),
        Some(("grace", seconds)) => grace(seconds).map(Rotation::Grace),
        _ => None,
    }
    .ok_or_else(|| unusable("rotation", "write strict, none or grace:SECONDS"))
}
