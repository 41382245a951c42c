//! A profile under another name.

use super::TokenManager;
use crate::error::{TokenError, TokenErrorKind};
use crate::profile::Profile;
use crate::refresh;
use crate::transfer::{Place, Transfer, TransferError, TransferReport};

impl TokenManager {
    /// Gives a profile another name in the same store, under the leases of both
    /// names; `None` if there is nothing of it. A tombstone stays under the old name.
    ///
    /// Breaks off nowhere harmfully: run again, it is finished.
    ///
    /// # Errors
    /// `Occupied` if there is something under the new name, and the others of
    /// [`TransferError`].
    pub async fn rename(&self, from: &Profile, to: &Profile) -> Result<Option<TransferReport>, TransferError> {
        let core = self.held.core.clone();
        let place = Place::new(core.store.clone(), core.store.name());
        let transfer = Transfer::new(place.clone(), place)
            .delete_source(true)
            .allow_volatile_refresh_tokens(true)
            .timing(core.options.timing)
            .clock(core.options.clock.clone());
        let (from, to) = (from.clone(), to.clone());
        let work = Box::pin(async move {
            let renamed = transfer.profile(&from, &to).await;
            core.start_anew(&from);
            core.start_anew(&to);
            renamed
        });
        refresh::to_its_end(work).await.map_err(no_thread)?
    }
}

fn no_thread(_: TokenError) -> TransferError {
    TransferError::Other(TokenError::new(TokenErrorKind::Shutdown, "rename"))
}
