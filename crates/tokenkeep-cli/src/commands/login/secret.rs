//! The client secret: from stdin, a file, the environment or a prompt; never from
//! the command line.

use tokenkeep::client_auth::ClientAuthMethod;
use tokenkeep::{Secret, SecretSource};

use super::plan;
use crate::args::{ClientArgs, Flow};
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;

/// What is known of the secret that is needed.
pub(in crate::commands) struct Wanted {
    /// The way to authenticate, if it was said.
    pub(in crate::commands) way: Option<ClientAuthMethod>,
    /// The provider's way.
    pub(in crate::commands) usual: ClientAuthMethod,
    pub(in crate::commands) flow: Flow,
    /// The one that is kept in the store.
    pub(in crate::commands) stored: Option<Secret>,
}

/// Finds the client secret. What the configuration file names stays where it is and
/// is read each time; everything else is read now and kept in the store.
pub(in crate::commands) async fn resolve(session: &Session, args: &ClientArgs, wanted: Wanted) -> Result<SecretSource> {
    if wanted.way == Some(ClientAuthMethod::None) {
        return Ok(SecretSource::None);
    }
    if let Some(given) = given(args).await? {
        if given.is_empty() {
            return Err(Failure::new(Exit::Configuration, "the client secret given is empty"));
        }
        return Ok(given.into());
    }
    let config = &session.settings.config;
    if let Some(name) = &config.client_secret_env {
        return Ok(SecretSource::Environment(name.clone()));
    }
    if let Some(path) = &config.client_secret_file {
        return Ok(SecretSource::File(path.clone()));
    }
    if let Some(stored) = wanted.stored {
        return Ok(stored.into());
    }
    // A person's client is mostly a public one; a service's never is.
    let needed = wanted.way.is_some() || (wanted.flow == Flow::ClientCredentials && wanted.usual.needs_secret());
    if !needed {
        return Ok(SecretSource::None);
    }
    match input::prompt_secret("Client secret").await? {
        Some(secret) if !secret.is_empty() => Ok(secret.into()),
        _ => Err(missing(session)),
    }
}

/// The error that there is no client secret anywhere.
pub(in crate::commands) fn missing(session: &Session) -> Failure {
    let places = "--client-secret-stdin or --client-secret-file";
    let keys = "client_secret_env or client_secret_file";
    plan::missing_from(session, "client_secret", places, keys).hint(
        "give it with --client-secret-stdin < FILE, or name in the configuration file where it is: client_secret_env \
         or client_secret_file",
    )
}

async fn given(args: &ClientArgs) -> Result<Option<Secret>> {
    if args.client_secret_stdin {
        return input::line().await.map(Some);
    }
    if let Some(path) = &args.client_secret_file {
        return input::secret_file(path, "client secret").map(Some);
    }
    Ok(environment::variable(environment::CLIENT_SECRET)?.map(Secret::new))
}
