//! Looking at a record behind the users of a good token: has somebody logged in or
//! out, is there a newer token? Nothing is asked of the server.

use super::Demand;
use super::core::Core;
use super::demand::Want;
use super::policy::{Freshness, freshness};
use super::slot::Slot;
use super::{cache, ledger};
use crate::key::Key;
use crate::record::GrantRecord;
use crate::store::TokenStoreExt as _;
use crate::token::AccessToken;

pub(crate) async fn look(core: &Core, slot: &Slot) {
    let (clock, policy) = (&*core.options.clock, &core.options.policy);
    let epoch = slot.epoch();
    let look = match core.direct_grant() {
        Some(_) => Look::Same,
        None => login_of(core, slot).await,
    };
    match look {
        Look::Unknown => {}
        Look::Over => slot.follow(epoch, None, clock, policy),
        Look::New => slot.follow(epoch, stored(core, slot).await.as_ref(), clock, policy),
        Look::Same => {
            if let Some(token) = stored(core, slot).await.filter(|token| is_newer(core, slot, token)) {
                slot.hold_of(epoch, &token, clock, policy);
            }
        }
    }
}

async fn stored(core: &Core, slot: &Slot) -> Option<AccessToken> {
    let mut demand = Demand::new(slot.profile.clone(), slot.target.clone());
    demand.want = Want::Stored;
    let landing = match core.direct_grant() {
        Some(grant) => cache::renew(core, grant, &demand).await,
        None => ledger::renew(core, &demand, &super::Reporter::unheard()).await,
    };
    landing.ok()
}

enum Look {
    /// The record can't be read now: nothing follows from that.
    Unknown,
    /// Logged out.
    Over,
    /// Logged in anew.
    New,
    Same,
}

async fn login_of(core: &Core, slot: &Slot) -> Look {
    let held = slot.peek(&*core.options.clock).and_then(|held| held.login_id());
    match core.store.load_contents(&Key::grant(&slot.profile)).await {
        Err(_) => Look::Unknown,
        Ok(stored) => match stored.and_then(|(_, contents)| contents.into_grant()) {
            Some(GrantRecord {
                login_id, ended: None, ..
            }) if held.is_some_and(|held| held != login_id) => Look::New,
            Some(GrantRecord { ended: None, .. }) => Look::Same,
            _ => Look::Over,
        },
    }
}

/// Whether a stored token is better than the held one.
fn is_newer(core: &Core, slot: &Slot, token: &AccessToken) -> bool {
    let clock = &*core.options.clock;
    let held = slot.peek(clock);
    let newer = held.is_none_or(|held| *held != *token && held.issued_at() <= token.issued_at());
    newer && freshness(token.entry(), clock.now(), &core.options.policy, 0.0) != Freshness::Due
}
