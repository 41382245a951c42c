//! Accepts the state that a store was put back to.

use tokenkeep::Profile;

use super::rewrap::sealed;
use crate::args::more::StoreAccept;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &StoreAccept) -> Result<()> {
    let profile = match &args.name {
        Some(name) => Profile::new(name).map_err(|error| Failure::of(Exit::Usage, error))?,
        None => session.profile().clone(),
    };
    if !sealed(session)?.accept(&profile).await? {
        return Err(session.unknown_profile(&profile).await);
    }
    session.notice(&format!(
        "profile {profile}: what is stored is accepted as it is; if its refresh token was spent since, a login is due"
    ));
    Ok(())
}
