//! A commit met another version: what to do with the tokens in hand.

use crate::record::{GrantRecord, LoginId};
use crate::secret::{Secret, SecretHash};

/// What to do with the tokens in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnConflict {
    /// The stored refresh token is still the one that was spent, or nothing is
    /// stored: put ours over the current record.
    Rebase,
    /// Ours are stored already.
    Done,
    /// Another child of the same parent is stored: it stays.
    KeepStored,
    /// The profile was logged out meanwhile: ours must not live on.
    RevokeChild,
    /// Somebody logged in anew meanwhile: theirs stays.
    DropChild,
}

/// Decides between what is stored now and the child of `parent`.
pub(crate) fn on_conflict(
    stored: Option<&GrantRecord>,
    login: LoginId,
    parent: SecretHash,
    child: Option<&Secret>,
) -> OnConflict {
    let Some(stored) = stored else {
        return OnConflict::Rebase;
    };
    if stored.login_id != login {
        return OnConflict::DropChild;
    }
    if stored.ended.is_some() {
        return OnConflict::RevokeChild;
    }
    let stored_hash = stored.refresh_token.as_ref().map(Secret::hash);
    if stored_hash == Some(parent) {
        OnConflict::Rebase
    } else if stored_hash.is_some() && stored_hash == child.map(Secret::hash) {
        OnConflict::Done
    } else {
        OnConflict::KeepStored
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::record::{Binding, Recipe};
    use crate::target::Target;

    #[test]
    fn nothing_but_logout_login_and_a_sibling_drops_a_child() {
        let mut stored = GrantRecord::new(Recipe::new("authorization_code", Target::new()), Binding::new(None, None, "id"));
        let (login, parent, child) = (stored.login_id, Secret::new("parent"), Secret::new("child"));
        let mut decide = |change: &dyn Fn(&mut GrantRecord)| {
            let mut record = stored.clone();
            change(&mut record);
            on_conflict(Some(&record), login, parent.hash(), Some(&child))
        };
        assert_eq!(decide(&|r| r.refresh_token = Some("parent".into())), OnConflict::Rebase);
        assert_eq!(decide(&|r| r.refresh_token = Some("child".into())), OnConflict::Done);
        assert_eq!(decide(&|r| r.refresh_token = Some("sibling".into())), OnConflict::KeepStored);
        assert_eq!(decide(&|r| *r = r.tombstone(Timestamp::from_unix_seconds(1))), OnConflict::RevokeChild);
        assert_eq!(decide(&|r| r.login_id = LoginId::random()), OnConflict::DropChild);
        assert_eq!(on_conflict(None, login, parent.hash(), Some(&child)), OnConflict::Rebase);
        stored.refresh_token = None;
        assert_eq!(on_conflict(Some(&stored), login, parent.hash(), None), OnConflict::KeepStored);
    }
}
