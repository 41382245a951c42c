//! A refresh token from arguments or environment: has it been used already?

use super::end_of;
use crate::error::{ConfigError, TokenErrorKind};
use crate::provider::Rotation;
use crate::record::GrantRecord;
use crate::secret::{Secret, SecretHash};

/// What to do with a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeedStep {
    /// What is stored descends from it, and wins.
    Keep,
    /// It is what is stored, which does not say so yet.
    Note,
    /// It begins a new login in place of what is stored.
    Plant,
    /// It must not be used.
    Refuse(TokenErrorKind),
}

/// Decides what a seed is to the record of its profile.
pub(crate) fn before_seed(record: Option<&GrantRecord>, seed: SecretHash, rotation: Rotation) -> SeedStep {
    let Some(record) = record else {
        return SeedStep::Plant;
    };
    if record.seed == Some(seed) {
        return match record.ended {
            Some(_) => SeedStep::Refuse(TokenErrorKind::ReauthRequired(end_of(record))),
            None => SeedStep::Keep,
        };
    }
    if record.refresh_token.as_ref().map(Secret::hash) == Some(seed) {
        return SeedStep::Note;
    }
    // Its login was replaced: it may be spent, and what replaced it would be lost.
    if rotation != Rotation::NonRotating && record.past_seeds.contains(&seed) {
        return SeedStep::Refuse(TokenErrorKind::Config(ConfigError::SupersededRefreshToken));
    }
    SeedStep::Plant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::error::ReauthReason;
    use crate::record::{Binding, Departure, PAST_SEEDS_LENGTH, Recipe};
    use crate::target::Target;

    fn hash(text: &str) -> SecretHash {
        Secret::new(text).hash()
    }

    fn record(seed: Option<&str>, token: &str) -> GrantRecord {
        let mut record = GrantRecord::new(
            Recipe::new("refresh_token", Target::new()),
            Binding::new(None, None, "app"),
        );
        record.seed = seed.map(hash);
        record.refresh_token = Some(token.into());
        record
    }

    fn decide(record: &GrantRecord) -> SeedStep {
        before_seed(Some(record), hash("seed"), Rotation::Strict)
    }

    #[test]
    fn descendants_win_and_others_are_replaced() {
        assert_eq!(before_seed(None, hash("seed"), Rotation::Strict), SeedStep::Plant);
        assert_eq!(decide(&record(Some("seed"), "seed")), SeedStep::Keep);
        assert_eq!(decide(&record(Some("seed"), "descendant")), SeedStep::Keep);
        assert_eq!(decide(&record(Some("other"), "descendant")), SeedStep::Plant);
        assert_eq!(decide(&record(None, "descendant")), SeedStep::Plant);
        assert_eq!(decide(&record(None, "seed")), SeedStep::Note);
        assert_eq!(decide(&record(Some("parent"), "seed")), SeedStep::Note);
    }

    #[test]
    fn a_logout_holds_against_its_own_seed_only() {
        let at = Timestamp::from_unix_seconds(9);
        let logged_out = TokenErrorKind::ReauthRequired(ReauthReason::LoggedOut);
        let own = record(Some("seed"), "descendant").tombstone(at);
        assert_eq!(decide(&own), SeedStep::Refuse(logged_out));
        let mut leaving = record(Some("seed"), "descendant");
        leaving.departure = Some(Departure::new("elsewhere", at));
        let moved = TokenErrorKind::ReauthRequired(ReauthReason::Moved { to: "elsewhere".into() });
        assert_eq!(decide(&leaving.moved(at)), SeedStep::Refuse(moved));
        assert_eq!(decide(&record(Some("other"), "x").tombstone(at)), SeedStep::Plant);
        assert_eq!(decide(&record(None, "seed").tombstone(at)), SeedStep::Plant);
    }

    #[test]
    fn what_was_replaced_does_not_come_back_where_it_may_be_spent() {
        let mut newer = record(Some("newer"), "x");
        newer.replaces(&record(Some("seed"), "descendant"));
        let superseded = TokenErrorKind::Config(ConfigError::SupersededRefreshToken);
        assert_eq!(decide(&newer), SeedStep::Refuse(superseded.clone()));
        let mut by_hand = record(None, "x");
        by_hand.replaces(&newer);
        assert_eq!(decide(&by_hand), SeedStep::Refuse(superseded));
        assert_eq!(
            before_seed(Some(&newer), hash("seed"), Rotation::NonRotating),
            SeedStep::Plant
        );
    }

    #[test]
    fn past_seeds_are_few_and_never_the_present_one() {
        let mut latest = record(Some("0"), "x");
        for round in 1..20 {
            let mut next = record(Some(&(round % 12).to_string()), "x");
            next.replaces(&latest);
            assert!(!next.past_seeds.contains(&next.seed.unwrap()), "{round}");
            latest = next;
        }
        assert_eq!(latest.past_seeds.len(), PAST_SEEDS_LENGTH);
    }
}
