//! What the login is to be: flags, environment, configuration file, and what was
//! kept at the last login, in this order.

use std::fmt;

use tokenkeep::client_auth::ClientAuthMethod;
use tokenkeep::grant::AuthorizationRequest;
use tokenkeep::provider::Redirects;
use tokenkeep::record::{ClientRecord, GrantRecord};
use tokenkeep::{ClientRegistration, SecretSource, Target};

use super::{code, provider, secret};
use crate::args::{ClientArgs, Flow, Login, TargetArgs};
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;
use crate::settings::{build_target, pick, pick_words, picking};

/// Where the browser goes in the end: to us, or, at a login by paste, to nobody, but
/// the address bar shows what is to be pasted. One address to register for both; the
/// port is free (RFC 8252 section 7.3). Some providers prescribe others.
const REDIRECT_HERE: &str = "http://127.0.0.1";
const REDIRECT_PATH: &str = "/callback";

const OWN_FLAGS: &str = "scopes, audience, resources and redirect URI have flags of their own";

/// What the login is to be.
pub(super) struct Plan {
    pub(super) flow: Flow,
    pub(super) registration: ClientRegistration,
    pub(super) target: Target,
    /// What is asked for in the browser: the target, and more.
    pub(super) request: AuthorizationRequest,
    pub(super) redirect_uri: String,
}

impl Plan {
    pub(super) async fn resolve(
        session: &Session,
        args: &Login,
        stored: Option<&ClientRecord>,
        grant: Option<&GrantRecord>,
    ) -> Result<Self> {
        let config = &session.settings.config;
        let redirect_uri = pick(args.redirect_uri.as_ref(), "redirect_uri", config.redirect_uri.as_ref())?;
        let flow = flow(session, args, grant, redirect_uri.as_deref().unwrap_or(REDIRECT_HERE))?;
        let way = client_auth(session, &args.client)?;
        let client_id = client_id(session, args, stored, flow)?;
        let provider = provider::resolve(session, &args.server, stored, flow).await?;
        let redirect_uri = redirect_uri.unwrap_or_else(|| usual_redirect_uri(&provider.redirects, flow));
        let target = target(session, &args.target, grant, &provider.default_scopes)?;
        let same = stored.filter(|stored| stored.client_id == client_id);
        let kept_way = same.and_then(|same| same.authentication);
        let wanted = secret::Wanted {
            way: way.or(kept_way),
            usual: provider.client_authentication,
            flow,
            stored: same.and_then(|same| same.client_secret.clone()),
        };
        let secret = secret::resolve(session, &args.client, wanted).await?;
        let way = way.or(kept_way).unwrap_or(match secret {
            SecretSource::None => ClientAuthMethod::None,
            _ => provider.client_authentication,
        });
        Ok(Self {
            flow,
            registration: ClientRegistration::confidential(provider, client_id, secret).authenticate_by(way),
            request: authorization_request(&args.parameters, target.clone())?,
            target,
            redirect_uri,
        })
    }
}

fn flow(session: &Session, args: &Login, grant: Option<&GrantRecord>, redirect_uri: &str) -> Result<Flow> {
    if let Some(flow) = args.flow {
        return Ok(flow);
    }
    if let Some(name) = environment::setting("flow")? {
        let unknown = || {
            Failure::new(
                Exit::Configuration,
                "TOKENKEEP_FLOW is one of code, paste, client-credentials, developer-token, token",
            )
        };
        return clap::ValueEnum::from_str(&name, false).map_err(|_| unknown());
    }
    let kept = grant.and_then(|grant| match grant.recipe.grant.as_str() {
        "authorization_code" => Some(of_a_person(redirect_uri)),
        "client_credentials" => Some(Flow::ClientCredentials),
        "developer_token" => Some(Flow::DeveloperToken),
        "static" => Some(Flow::Token),
        _ => None,
    });
    let person = input::is_a_person().then(|| of_a_person(redirect_uri));
    session.settings.config.flow.or(kept).or(person).ok_or_else(|| {
        let message = "no flow is named, and nobody is at the terminal: how is the login to be done?";
        Failure::new(Exit::Usage, message).hint(
            "--flow code for a person at this machine, --flow paste for one elsewhere, --flow client-credentials for \
             a service, --flow token for a token you have",
        )
    })
}

fn authorization_request(parameters: &[String], target: Target) -> Result<AuthorizationRequest> {
    let add = |request: AuthorizationRequest, given: &String| {
        let Some((name, value)) = given.split_once('=') else {
            return Err(Failure::new(Exit::Usage, "--parameter is to be NAME=VALUE"));
        };
        let added = request.parameter(name, value);
        added.map_err(|error| Failure::new(Exit::Usage, error.to_string()).hint(OWN_FLAGS))
    };
    parameters.iter().try_fold(AuthorizationRequest::new(target), add)
}

fn usual_redirect_uri(redirects: &Redirects, flow: Flow) -> String {
    match &redirects.console {
        Some(console) if flow == Flow::Paste => console.as_str().to_owned(),
        _ => {
            let path = redirects.loopback_path.as_deref().unwrap_or(REDIRECT_PATH);
            format!("{REDIRECT_HERE}{path}")
        }
    }
}

/// By a browser that comes back to us, where somebody is there to see it and it can.
fn of_a_person(redirect_uri: &str) -> Flow {
    if input::is_a_person() && code::is_here(redirect_uri) {
        Flow::Code
    } else {
        Flow::Paste
    }
}

fn client_id(session: &Session, args: &Login, stored: Option<&ClientRecord>, flow: Flow) -> Result<String> {
    let config = &session.settings.config;
    let given = pick(args.client.client_id.as_ref(), "client_id", config.client_id.as_ref())?;
    let known = given.or_else(|| stored.map(|stored| stored.client_id.clone()));
    match known {
        Some(id) => Ok(id),
        // A token from elsewhere is used as it is, and a developer token is shown for what it is: no client is
        // needed for that.
        None if matches!(flow, Flow::DeveloperToken | Flow::Token) => Ok(String::new()),
        None => Err(missing(session, "client_id", "--client-id")),
    }
}

pub(in crate::commands) fn client_auth(session: &Session, args: &ClientArgs) -> Result<Option<ClientAuthMethod>> {
    let config = &session.settings.config;
    let given = pick(args.client_auth.as_ref(), "client_auth", config.client_auth.as_ref())?;
    let parsed = given.map(|text| text.parse().map_err(|error| unusable("client_auth", error)));
    parsed.transpose()
}

pub(in crate::commands) fn target(
    session: &Session,
    args: &TargetArgs,
    grant: Option<&GrantRecord>,
    usual: &[String],
) -> Result<Target> {
    let config = &session.settings.config;
    let scopes = pick_words(&args.scope, "scope", &config.scope)?;
    let audience = pick(args.audience.as_ref(), "audience", config.audience.as_ref())?;
    let resources = pick_words(&args.resource, "resource", &config.resource)?;
    let named = build_target(scopes.clone(), audience.clone(), resources.clone());
    let target = match grant {
        Some(grant) if named.is_default() => grant.recipe.target.clone(),
        None if scopes.is_empty() => build_target(usual.to_vec(), audience, resources),
        _ => named,
    };
    Ok(picking(target, args.resource_server.as_ref()))
}

/// The error that a setting makes no sense.
pub(in crate::commands) fn unusable(setting: &str, why: impl fmt::Display) -> Failure {
    Failure::new(Exit::Configuration, format!("{setting} can't be used: {why}"))
}

/// The error that a setting is nowhere; it names every place that was looked at.
pub(in crate::commands) fn missing(session: &Session, setting: &str, flag: &str) -> Failure {
    missing_from(session, setting, flag, setting)
}

/// The same, of what the configuration file has under other keys.
pub(in crate::commands) fn missing_from(session: &Session, setting: &str, flag: &str, keys: &str) -> Failure {
    let message = format!(
        "{setting} is missing (looked in {flag}, {}, {keys} of [profiles.{profile}] in the configuration file, \
         profile {profile} in the store)",
        environment::name_of(setting),
        profile = session.profile(),
    );
    Failure::new(Exit::Configuration, message).hint(format!("give it with {flag}"))
}
