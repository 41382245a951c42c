//! What the conformance suite ran on each store, from the names of its tests: `MODULE::direct::GROUP::CASE` and the
//! same under `dynamic`; and how many refusals they asserted, as they wrote it themselves.

use std::collections::BTreeMap;
use std::fmt;

/// The groups of cases of store-testkit.
const GROUPS: [&str; 9] = [
    "bytes", "cancel", "cas", "crud", "errors", "expiry", "lease", "limits", "list",
];

/// How many cases passed on each store.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Conformance(BTreeMap<String, Cases>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Cases {
    direct: u64,
    dynamic: u64,
    /// How often a store had to refuse something, and did.
    refusals: u64,
    /// What did not run or did not pass.
    missing: u64,
}

impl Conformance {
    /// Adds a line if it tells of a case: `test redis::direct::cas::race_counter ... ok`.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            return;
        };
        let Some((cases, way)) = self.cases_of(name) else {
            return;
        };
        match (result.trim_end(), way) {
            ("ok", "direct") => cases.direct += 1,
            ("ok", _) => cases.dynamic += 1,
            _ => cases.missing += 1,
        }
    }

    /// Adds what the cases wrote of the refusals that they asserted: `redis::direct::cas::create_once 1`.
    pub(crate) fn add_refusals(&mut self, lines: &str) {
        for (name, count) in lines.lines().filter_map(|line| line.rsplit_once(' ')) {
            if let Some((cases, _)) = self.cases_of(name) {
                cases.refusals += count.parse::<u64>().unwrap_or(0);
            }
        }
    }

    /// The store's cases among which this one is, and whether by its type or not; `None` if it is none.
    fn cases_of<'n>(&mut self, name: &'n str) -> Option<(&mut Cases, &'n str)> {
        let words: Vec<&str> = name.split("::").collect();
        let [store @ .., way @ ("direct" | "dynamic"), group, _case] = &words[..] else {
            return None;
        };
        if store.is_empty() || !GROUPS.contains(group) {
            return None;
        }
        Some((self.0.entry(store.join("::")).or_default(), way))
    }
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (store, cases) in &self.0 {
            let Cases {
                direct,
                dynamic,
                refusals,
                missing,
            } = cases;
            writeln!(
                f,
                "conformance: {store}: {direct} cases by its type, {dynamic} as dyn TokenStore, {refusals} refusals \
                 asserted, {missing} skipped or failed"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Conformance;

    #[test]
    fn cases_are_counted_by_store() {
        let mut conformance = Conformance::default();
        for line in [
            "test standalone::direct::cas::race_counter ... ok",
            "test standalone::direct::crud::overwrite ... FAILED",
            "test standalone::dynamic::cas::race_counter ... ok",
            "test suite::cluster::direct::list::after_remove ... ignored",
            "test direct::cas::race_counter ... ok",
            "test standalone::direct::other::thing ... ok",
            "test something::else ... ok",
            "standalone::direct::cas::race_counter ... ok",
        ] {
            conformance.add(line);
        }
        conformance.add_refusals(
            "standalone::direct::cas::create_once 2\n\
             standalone::dynamic::cas::create_once 1\n\
             something::else 5\n",
        );
        assert_eq!(
            conformance.to_string(),
            "conformance: standalone: 1 cases by its type, 1 as dyn TokenStore, 3 refusals asserted, \
             1 skipped or failed\n\
             conformance: suite::cluster: 0 cases by its type, 0 as dyn TokenStore, 0 refusals asserted, \
             1 skipped or failed\n"
        );
    }
}
