//! What may be copied: client registrations and access tokens.

use std::collections::BTreeSet;

use super::grant::Plan;
use super::{GrantTransfer, Sides, TransferError, renamed};
use crate::key::Key;
use crate::target::TargetId;

impl Sides<'_> {
    /// Whether there is a client registration, in both places now.
    pub(super) async fn client(&self, plan: &Plan) -> Result<bool, TransferError> {
        let (from, to) = (Key::client(self.from.profile), Key::client(self.to.profile));
        let Some(source) = self.from.find(&from).await? else {
            return Ok(false);
        };
        let target = self.to.find(&to).await?;
        if target.as_ref().is_some_and(|target| target.contents == source.contents) {
            return Ok(true);
        }
        if target.is_some() && !plan.resumes() && !self.transfer.options.overwrite {
            return Err(self.to.occupied());
        }
        if !self.transfer.options.dry_run {
            let found = target.map(|target| target.version);
            let saved = self.to.put(&to, &source.contents, source.keep_until, found, None).await;
            saved.map_err(|error| self.to.failed(error))?;
            self.to.compare(&to, &source.contents).await?;
        }
        Ok(true)
    }

    /// Copies the access tokens of the login that goes, where there is none yet; how
    /// many.
    pub(super) async fn tokens(&self, plan: &Plan, targets: &BTreeSet<TargetId>) -> Result<usize, TransferError> {
        let mut copied = 0;
        for target in targets {
            let from = Key::token(self.from.profile, *target);
            let Some(source) = self.from.find(&from).await? else {
                continue;
            };
            let login = source.contents.clone().into_token().and_then(|token| token.login_id);
            if login.is_some() && login != plan.login_id() {
                continue;
            }
            let to = renamed(&from, self.to.profile);
            if self.to.find(&to).await?.is_none() {
                let saved = self.to.put(&to, &source.contents, source.keep_until, None, None).await;
                saved.map_err(|error| self.to.failed(error))?;
                copied += 1;
            }
        }
        Ok(copied)
    }

    /// Removes from the source what is in the target now, if that is wanted, and the
    /// access tokens of a login that has gone in any case.
    pub(super) async fn clear(
        &self,
        plan: &Plan,
        grant: GrantTransfer,
        targets: &BTreeSet<TargetId>,
    ) -> Result<(), TransferError> {
        let delete = self.transfer.options.delete_source;
        let mut keys = Vec::new();
        if delete || grant == GrantTransfer::Moved {
            keys.extend(targets.iter().map(|target| Key::token(self.from.profile, *target)));
        }
        if delete {
            keys.push(Key::client(self.from.profile));
        }
        if delete && grant != GrantTransfer::Moved && plan.is_login() {
            keys.push(Key::grant(self.from.profile));
        }
        for key in keys {
            if let Some(found) = self.from.find(&key).await? {
                self.from.remove(&key, found.version).await?;
            }
        }
        Ok(())
    }
}
