//! `tokenkeep init`: sets a profile up with credentials that a person has. No server is
//! asked.

mod ask;
mod given;

use std::path::Path;

use tokenkeep::client_auth::ClientAuthMethod;
use tokenkeep::clock::Timestamp;
use tokenkeep::key::Key;
use tokenkeep::record::{Contents, GrantRecord, Outcome, Recipe};
use tokenkeep::store::{RemoveIf, StoreErrorKind, TokenStoreExt as _};
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Provider, SecretSource, Target};

use self::given::Credentials;
use super::login::{self, plan, provider, secret};
use crate::args::Flow;
use crate::args::init::Init;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::grant_lease::{GrantLease, check_persistence};
use crate::session::Session;
use crate::settings::pick;

/// What the profile is to be.
struct Plan {
    registration: ClientRegistration,
    target: Target,
    credentials: Credentials,
}

/// What is kept under the name already.
#[derive(Default)]
struct Kept {
    any: bool,
    client: Option<ClientRegistration>,
    live: bool,
}

pub(super) async fn run(session: &Session, mut args: Init) -> Result<()> {
    refuse_words(&args.words)?;
    let kept = kept(session, args.force).await?;
    let credentials = match args.from.clone() {
        Some(from) => {
            refuse_credentials(&from)?;
            refuse_stdin_twice(&from, &args)?;
            given::read(&from, &mut args).await?
        }
        None => ask::missing(session, &mut args).await?,
    };
    let plan = resolve(session, &args, credentials).await?;
    write(session, &plan, &kept).await?;
    report(session, &plan).await
}

// They are not repeated: who wrote one there must not find it in a log too.
fn refuse_words(words: &[String]) -> Result<()> {
    if words.is_empty() {
        return Ok(());
    }
    Err(seen_by_all("init takes only options"))
}

/// Other commands take JSON where this one wants the name of a file with it.
fn refuse_credentials(from: &Path) -> Result<()> {
    let looks_so = from.to_string_lossy().trim_start().starts_with(['{', '[']);
    if looks_so && !from.exists() {
        return Err(seen_by_all("--from takes the name of a file, not what is in it"));
    }
    Ok(())
}

fn seen_by_all(what: &str) -> Failure {
    let message = format!("{what}: what is on the command line, every user of this machine can see");
    Failure::new(Exit::Usage, message).hint("put credentials into a file, or pipe them in: --from FILE, --from -")
}

fn refuse_stdin_twice(from: &Path, args: &Init) -> Result<()> {
    if from != Path::new("-") || !args.client.client_secret_stdin {
        return Ok(());
    }
    let message = "--from - and --client-secret-stdin both want stdin";
    Err(Failure::new(Exit::Usage, message).hint("write the secret as client_secret into what --from reads"))
}

/// Refuses to touch what is there, but with `--force`.
async fn kept(session: &Session, force: bool) -> Result<Kept> {
    let again = session.command("init --force");
    let client = login::readable(session, Key::client(session.profile()), force, &again).await?;
    let grant = login::readable(session, Key::grant(session.profile()), force, &again).await?;
    let kept = Kept {
        any: client.is_some() || grant.is_some(),
        live: grant
            .and_then(Contents::into_grant)
            .is_some_and(|grant| grant.ended.is_none()),
        client: client
            .and_then(Contents::into_client)
            .map(ClientRegistration::from_record),
    };
    if kept.any && !force {
        return Err(exists(session, kept.client.as_ref()));
    }
    Ok(kept)
}

fn exists(session: &Session, client: Option<&ClientRegistration>) -> Failure {
    let whose = client.map(|client| format!(": {}", login::described(client)));
    let message = format!(
        "profile {} is there already in {}{}",
        session.profile(),
        session.place(),
        whose.unwrap_or_default()
    );
    Failure::new(Exit::Configuration, message).hint("choose another name with -p, or replace it with --force")
}

async fn resolve(session: &Session, args: &Init, credentials: Credentials) -> Result<Plan> {
    let provider = provider::as_named(session, &args.server, None)?;
    let way = plan::client_auth(session, &args.client)?;
    let secret = client_secret(session, args, &credentials, way, &provider).await?;
    // A token alone needs no client and no server.
    let alone = credentials.access_token.is_some()
        && credentials.refresh_token.is_none()
        && matches!(secret, SecretSource::None);
    let configured = session.settings.config.client_id.as_ref();
    let client_id = match pick(args.client.client_id.as_ref(), "client_id", configured)? {
        Some(id) => id,
        None if alone => String::new(),
        None => return Err(plan::missing(session, "client_id", "--client-id")),
    };
    if credentials.refresh_token.is_some() && provider.token_endpoint.is_none() {
        return Err(no_token_endpoint(session));
    }
    if !alone && provider.token_endpoint.is_none() && provider.issuer.is_none() {
        return Err(plan::missing(session, "issuer", "--issuer or --token-endpoint"));
    }
    let target = plan::target(session, &args.target, None, &provider.default_scopes)?;
    let way = way.unwrap_or(match secret {
        SecretSource::None => ClientAuthMethod::None,
        _ => provider.client_authentication,
    });
    Ok(Plan {
        registration: ClientRegistration::confidential(provider, client_id, secret).authenticate_by(way),
        target,
        credentials,
    })
}

async fn client_secret(
    session: &Session,
    args: &Init,
    credentials: &Credentials,
    way: Option<ClientAuthMethod>,
    provider: &Provider,
) -> Result<SecretSource> {
    if let Some(secret) = &credentials.client_secret {
        return Ok(secret.clone().into());
    }
    let wanted = secret::Wanted {
        way,
        usual: provider.client_authentication,
        flow: Flow::Token,
        stored: None,
    };
    secret::resolve(session, &args.client, wanted).await
}

fn no_token_endpoint(session: &Session) -> Failure {
    let failure = plan::missing(session, "token_endpoint", "--token-endpoint");
    failure.hint(format!(
        "init asks no server where its token endpoint is: give --token-endpoint URL, or let login find out: {}",
        session.command("login --flow token --issuer URL --client-id ID < TOKEN-RESPONSE")
    ))
}

async fn write(session: &Session, plan: &Plan, kept: &Kept) -> Result<()> {
    if plan.credentials.refresh_token.is_some() {
        check_persistence(&*session.store)?;
    }
    if kept.live && !plan.credentials.has_tokens() {
        end_other_login(session, plan, kept).await?;
    }
    let client = Contents::from(plan.registration.to_record());
    let key = Key::client(session.profile());
    if kept.any {
        session.store.replace_contents(&key, &client, None).await?;
    } else {
        // Whoever was quicker keeps the name.
        let saved = session.store.save_contents(&key, &client, None, None).await;
        saved.map_err(|error| match error.kind() {
            StoreErrorKind::Conflict => exists(session, None),
            _ => error.into(),
        })?;
    }
    write_tokens(session, plan).await
}

/// A login of another client would only be in the way of the next one.
async fn end_other_login(session: &Session, plan: &Plan, kept: &Kept) -> Result<()> {
    match &kept.client {
        Some(client) if client.binding() == plan.registration.binding() => Ok(()),
        Some(client) => {
            let manager = session.manager(client.clone())?;
            manager.logout(session.profile()).await?;
            session.notice("the login of the client that was kept is forgotten here; its server is not told");
            Ok(())
        }
        None => {
            let key = Key::grant(session.profile());
            session.store.remove(&key, RemoveIf::Any).await?;
            Ok(())
        }
    }
}

async fn write_tokens(session: &Session, plan: &Plan) -> Result<()> {
    let credentials = &plan.credentials;
    let recipe = |grant| Recipe::new(grant, plan.target.clone());
    match (&credentials.access_token, &credentials.refresh_token) {
        (None, None) => Ok(()),
        (Some(access), refresh) => {
            let mut tokens = TokenResponse::bearer(access.clone());
            tokens.refresh_token.clone_from(refresh);
            let grant = refresh.as_ref().map_or("static", |_| "authorization_code");
            let manager = session.manager(plan.registration.clone())?;
            manager.adopt(session.profile(), recipe(grant), &tokens).await?;
            Ok(())
        }
        (None, Some(refresh)) => {
            let mut record = GrantRecord::new(recipe("authorization_code"), plan.registration.binding());
            record.refresh_token = Some(refresh.clone());
            record.note(Session::now(), Outcome::LoggedIn, None);
            let lease = GrantLease::take(&session.store, session.profile()).await?;
            let put = lease.put(&record, None::<Timestamp>).await;
            lease.release().await;
            put
        }
    }
}

async fn report(session: &Session, plan: &Plan) -> Result<()> {
    let live = session.grant_record().await?.is_some_and(|grant| grant.ended.is_none());
    let next = if live {
        format!("get a token: {}", session.command("token"))
    } else if plan.registration.authentication().needs_secret() {
        format!("log in: {}", session.command("login --flow client-credentials"))
    } else {
        format!("log in: {}", session.command("login"))
    };
    session.notice(&format!(
        "profile {} is set up: {}\nkept in {}, {}; no server was asked\n{next}",
        session.profile(),
        login::described(&plan.registration),
        session.place(),
        login::how_kept(session),
    ));
    Ok(())
}
