//! `tokenkeep request`: calls an API with the token.

use crate::args::Request;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;

pub(super) async fn run(_session: &Session, _args: &Request) -> Result<()> {
    Err(Failure::new(Exit::Failure, "not there yet"))
}
