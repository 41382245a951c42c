//! What may be copied: client registrations and access tokens.

use std::collections::BTreeSet;

use super::grant::Plan;
use super::{GrantTransfer, Sides, TransferError, renamed};
use crate::key::Key;
use crate::record::Version;
use crate::target::TargetId;

impl Sides<'_> {
    /// Copies the client registration, where the target has none.
    pub(super) async fn client(&self, plan: &Plan) -> Result<Client, TransferError> {
        let (from, to) = (Key::client(self.from.profile), Key::client(self.to.profile));
        let Some(source) = self.from.find(&from).await? else {
            return Ok(Client::Absent);
        };
        let target = self.to.find(&to).await?;
        if target.as_ref().is_some_and(|target| target.contents == source.contents) {
            return Ok(Client::Same(source.version));
        }
        if target.is_some() && plan.leaves_client(self.transfer.options) {
            return Ok(Client::Differs);
        }
        if target.is_some() && !self.transfer.options.overwrite {
            return Err(self.to.occupied());
        }
        if !self.transfer.options.dry_run {
            let found = target.map(|target| target.version);
            let saved = self.to.put(&to, &source.contents, source.keep_until, found, None).await;
            saved.map_err(|error| self.to.failed(error))?;
            self.to.compare(&to, &source.contents).await?;
        }
        Ok(Client::Same(source.version))
    }

    /// Copies the access tokens of the login that goes, where there is none yet.
    pub(super) async fn tokens(&self, plan: &Plan, targets: &BTreeSet<TargetId>) -> Result<Tokens, TransferError> {
        let mut tokens = Tokens::default();
        for target in targets {
            let from = Key::token(self.from.profile, *target);
            let Some(source) = self.from.find(&from).await? else {
                continue;
            };
            tokens.read.push((from.clone(), source.version));
            let login = source.contents.clone().into_token().and_then(|token| token.login_id);
            if login.is_some() && login != plan.login_id() {
                continue;
            }
            let to = renamed(&from, self.to.profile);
            if self.to.find(&to).await?.is_none() {
                let saved = self.to.put(&to, &source.contents, source.keep_until, None, None).await;
                saved.map_err(|error| self.to.failed(error))?;
                tokens.copied += 1;
            }
        }
        Ok(tokens)
    }

    /// Removes from the source what is in the target now, if that is wanted, and the
    /// access tokens of a login that has gone in any case: as they were read. How many
    /// are not what the target has, and stay.
    pub(super) async fn clear(
        &self,
        plan: &Plan,
        grant: GrantTransfer,
        client: Client,
        tokens: Tokens,
    ) -> Result<usize, TransferError> {
        let delete = self.transfer.options.delete_source;
        let mut read = Vec::new();
        if delete || grant == GrantTransfer::Moved {
            read.extend(tokens.read);
        }
        if let (Client::Same(version), true) = (client, delete) {
            read.push((Key::client(self.from.profile), version));
        }
        if delete && grant != GrantTransfer::Moved {
            read.extend(
                plan.source_version()
                    .map(|version| (Key::grant(self.from.profile), version)),
            );
        }
        let mut kept = usize::from(client.differs());
        for (key, version) in read {
            kept += usize::from(!self.from.remove(&key, version).await?);
        }
        Ok(kept)
    }
}

/// The client registration of the source.
#[derive(Clone, Copy)]
pub(super) enum Client {
    Absent,
    /// As it was read; the target has the same now.
    Same(Version),
    /// The target has another, which stays.
    Differs,
}

impl Client {
    pub(super) fn is_same(self) -> bool {
        matches!(self, Self::Same(_))
    }

    pub(super) fn differs(self) -> bool {
        matches!(self, Self::Differs)
    }
}

/// The access tokens of the source.
#[derive(Default)]
pub(super) struct Tokens {
    /// How many were copied.
    pub(super) copied: usize,
    /// All of them.
    read: Vec<(Key, Version)>,
}
