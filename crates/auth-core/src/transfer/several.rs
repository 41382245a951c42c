//! Several moves at a time: told in order, and made again where a store did not keep up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::ControlFlow;
use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinSet};

use super::pace::{Begun, Pace};
use super::{Outcome, Transfer, TransferError, TransferReport};
use crate::error::{TokenError, TokenErrorKind};
use crate::profile::Profile;
use crate::store::StoreErrorKind;
use crate::target::TargetId;

/// How often one profile is tried at most.
const TRIES: u32 = 8;

impl Transfer {
    pub(super) async fn each(
        &self,
        profiles: BTreeMap<Profile, BTreeSet<TargetId>>,
        mut done: impl FnMut(&Profile, Result<Option<&TransferReport>, &TransferError>) -> ControlFlow<()> + Send,
    ) -> Result<(), TransferError> {
        if profiles.keys().any(|profile| self.is_same(profile, profile)) {
            return Err(TransferError::SamePlace);
        }
        let mut several = Several::new(self, profiles);
        loop {
            several.begin();
            let Some(joined) = several.under_way.join_next().await else {
                return Ok(());
            };
            several.end(joined.map_err(ended)?);
            while let Some((profile, outcome)) = several.next_to_tell() {
                if done(&profile, outcome.as_ref().map(Option::as_ref)).is_break() {
                    several.break_off();
                }
            }
        }
    }

    async fn tried(self, task: Task, begun: Begun) -> (Task, Begun, Outcome) {
        let outcome = self.one(&task.profile, &task.profile, &task.tokens).await;
        (task, begun, outcome)
    }
}

/// One profile to move.
struct Task {
    number: usize,
    profile: Profile,
    tokens: BTreeSet<TargetId>,
    tries: u32,
}

struct Several<'a> {
    transfer: &'a Transfer,
    pace: Pace,
    waiting: VecDeque<Task>,
    /// To be tried again, with what the last try failed by, by number. They come first: they may be half-way, and
    /// those after them are not told before.
    again: BTreeMap<usize, (Task, TransferError)>,
    under_way: JoinSet<(Task, Begun, Outcome)>,
    finished: BTreeMap<usize, (Profile, Outcome)>,
    told: usize,
    breaks_off: bool,
}

impl<'a> Several<'a> {
    fn new(transfer: &'a Transfer, profiles: BTreeMap<Profile, BTreeSet<TargetId>>) -> Self {
        let task = |(number, (profile, tokens))| Task {
            number,
            profile,
            tokens,
            tries: 0,
        };
        Self {
            transfer,
            pace: Pace::new(transfer.at_once),
            waiting: profiles.into_iter().enumerate().map(task).collect(),
            again: BTreeMap::new(),
            under_way: JoinSet::new(),
            finished: BTreeMap::new(),
            told: 0,
            breaks_off: false,
        }
    }

    /// As many as may be on their way now.
    fn begin(&mut self) {
        while self.pace.allows(self.under_way.len()) {
            let again = self.again.pop_first().map(|(_, (task, _))| task);
            let Some(task) = again.or_else(|| self.waiting.pop_front()) else {
                return;
            };
            self.under_way
                .spawn(self.transfer.clone().tried(task, self.pace.begin()));
        }
    }

    fn end(&mut self, (mut task, begun, outcome): (Task, Begun, Outcome)) {
        task.tries += 1;
        match outcome {
            Err(error) if is_too_much(&error) => {
                let may_help = self.pace.failed(begun) && task.tries < TRIES;
                if may_help && !self.breaks_off {
                    tracing::debug!(target: "tokenkeep", profile = %task.profile, %error, "tried again, with fewer at a time");
                    self.again.insert(task.number, (task, error));
                } else {
                    self.finish(task, Err(error));
                }
            }
            outcome => {
                self.pace.went_well(begun);
                self.finish(task, outcome);
            }
        }
    }

    fn finish(&mut self, task: Task, outcome: Outcome) {
        self.finished.insert(task.number, (task.profile, outcome));
    }

    /// In the order of their names.
    fn next_to_tell(&mut self) -> Option<(Profile, Outcome)> {
        let next = self.finished.remove(&self.told)?;
        self.told += 1;
        Some(next)
    }

    /// No other is begun; what was tried has failed.
    fn break_off(&mut self) {
        self.breaks_off = true;
        self.waiting.clear();
        for (task, error) in std::mem::take(&mut self.again).into_values() {
            self.finish(task, Err(error));
        }
    }
}

/// Whether it may be that the store had too much to do at a time. A conflict is a write that came late.
fn is_too_much(error: &TransferError) -> bool {
    let TransferError::Store { source, .. } = error else {
        return false;
    };
    matches!(
        source.kind(),
        StoreErrorKind::Unavailable | StoreErrorKind::Ambiguous | StoreErrorKind::Conflict
    )
}

/// A panic goes on here; else the runtime has ended.
fn ended(error: JoinError) -> TransferError {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => TransferError::Other(TokenError::new(TokenErrorKind::Shutdown, "transfer")),
    }
}
