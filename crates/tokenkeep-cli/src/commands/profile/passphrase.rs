//! The passphrase of a bundle: from a file, the environment, or a person; never from
//! the command line.

use tokenkeep::Secret;

use crate::args::bundle::PassphraseArgs;
use crate::environment::{self, PASSPHRASE};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;

/// The passphrase of a new bundle; a person types it twice.
pub(super) async fn new(args: &PassphraseArgs) -> Result<Secret> {
    if let Some(given) = given(args)? {
        return Ok(given);
    }
    let first = asked("Passphrase for the bundle").await?;
    if asked("The same again").await? == first {
        return Ok(first);
    }
    Err(Failure::new(
        Exit::Failure,
        "the two passphrases are not the same; nothing was exported",
    ))
}

/// The passphrase of a bundle that is there.
pub(super) async fn known(args: &PassphraseArgs) -> Result<Secret> {
    match given(args)? {
        Some(given) => Ok(given),
        None => asked("Passphrase of the bundle").await,
    }
}

fn given(args: &PassphraseArgs) -> Result<Option<Secret>> {
    let given = match &args.passphrase_file {
        Some(path) => Some(input::secret_file(path, "passphrase")?),
        None => environment::variable(PASSPHRASE)?.map(Secret::new),
    };
    given.map(not_empty).transpose()
}

async fn asked(question: &str) -> Result<Secret> {
    if let Some(typed) = input::prompt_secret(question).await? {
        return not_empty(typed);
    }
    let message = "there is no passphrase, and no terminal to ask at for one";
    Err(Failure::new(Exit::Usage, message).hint(format!("--passphrase-file FILE, or {PASSPHRASE}")))
}

fn not_empty(passphrase: Secret) -> Result<Secret> {
    if passphrase.is_empty() {
        return Err(Failure::new(Exit::Configuration, "the passphrase is empty"));
    }
    Ok(passphrase)
}
