//! `tokenkeep key`: keys of one's own to seal a store with.

use tokenkeep::seal::LocalKey;

use crate::args::more::{KeyCommand, KeyGenerate};
use crate::error::Result;
use crate::{output, sealing};

pub(crate) fn run(command: &KeyCommand) -> Result<()> {
    match command {
        KeyCommand::Generate(args) => generate(args),
    }
}

/// Its name on stdout, as records and `store check` show it.
fn generate(args: &KeyGenerate) -> Result<()> {
    let key = LocalKey::generate(&args.path).map_err(sealing::wrong)?;
    output::result(format!("{}\n", key.id()).as_bytes())?;
    output::say(&format!(
        "use it with --seal key-file:{}; without a copy of this file elsewhere, what is sealed is lost with it",
        args.path.display()
    ));
    Ok(())
}
