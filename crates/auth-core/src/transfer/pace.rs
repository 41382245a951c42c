//! How many moves are on their way at a time: fewer where a store does not keep up.

/// Halved by the first that fails, as by a store that has too much to do; one by one where none went well; more
/// again, slowly, while all go well.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    now: usize,
    /// Half of what was too many last.
    ceiling: usize,
    round: u32,
    well: usize,
    any_went_well: bool,
}

/// The circumstances in which a move was begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    round: u32,
    is_alone: bool,
}

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            now: most,
            ceiling: most,
            round: 0,
            well: 0,
            any_went_well: false,
        }
    }

    /// Whether one more may be begun while so many are on their way.
    pub(super) fn allows(&self, under_way: usize) -> bool {
        under_way < self.now
    }

    pub(super) fn begin(&self) -> Begun {
        Begun {
            round: self.round,
            is_alone: self.now == 1,
        }
    }

    /// A store answered all the way. After as many as are on their way now, there may be more.
    pub(super) fn went_well(&mut self, begun: Begun) {
        if begun.round != self.round {
            return;
        }
        self.any_went_well = true;
        self.well += 1;
        if self.well >= self.now {
            self.well = 0;
            let doubled = self.now * 2;
            let next = if doubled <= self.ceiling { doubled } else { self.now + 1 };
            self.now = next.min(self.most);
        }
    }

    /// A store did not answer. Whether fewer at a time may help: not if there was but this one. Of those that were on
    /// their way together, the first says so for all.
    pub(super) fn failed(&mut self, begun: Begun) -> bool {
        if begun.is_alone {
            return false;
        }
        if begun.round == self.round {
            self.ceiling = (self.now / 2).max(1);
            // A store that has answered none may be away, which one finds out as well as many.
            self.now = if self.any_went_well { self.ceiling } else { 1 };
            self.round += 1;
            self.well = 0;
            self.any_went_well = false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_go_well(pace: &mut Pace, moves: usize) {
        for _ in 0..moves {
            pace.went_well(pace.begin());
        }
    }

    #[test]
    fn the_first_of_those_together_halves_it() {
        let mut pace = Pace::new(32);
        all_go_well(&mut pace, 5);
        let together = pace.begin();
        for _ in 0..20 {
            assert!(pace.failed(together));
        }
        assert!(pace.allows(15) && !pace.allows(16));
        // What was begun before says nothing of how it goes now.
        pace.went_well(together);
        assert!(pace.failed(pace.begin()));
        assert!(pace.allows(0) && !pace.allows(1), "none of sixteen went well");
    }

    #[test]
    fn it_grows_quickly_to_half_of_what_was_too_many_then_one_by_one() {
        let mut pace = Pace::new(32);
        assert!(pace.failed(pace.begin()));
        for (moves, allowed) in [(1, 2), (2, 4), (4, 8), (8, 16), (16, 17), (17, 18)] {
            all_go_well(&mut pace, moves);
            assert!(pace.allows(allowed - 1) && !pace.allows(allowed), "{allowed}");
        }
        all_go_well(&mut pace, 10_000);
        assert!(pace.allows(31) && !pace.allows(32), "more than at most");
    }

    #[test]
    fn one_that_fails_alone_has_failed() {
        let mut pace = Pace::new(32);
        assert!(pace.failed(pace.begin()));
        assert!(!pace.failed(pace.begin()));
        assert!(!Pace::new(1).failed(Pace::new(1).begin()));
    }
}
