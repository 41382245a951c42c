//! What the conformance suite ran on each store, from the names of its tests: `MODULE::direct::GROUP::CASE` and the
//! same under `dynamic`.

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
    /// What did not run or did not pass.
    missing: u64,
}

impl Conformance {
    /// Adds a line if it tells of a case: `test redis::direct::cas::race_counter ... ok`.
    pub(crate) fn add(&mut self, line: &str) {
        let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... ")) else {
            return;
        };
        let words: Vec<&str> = name.split("::").collect();
        let [store @ .., way @ ("direct" | "dynamic"), group, _case] = &words[..] else {
            return;
        };
        if store.is_empty() || !GROUPS.contains(group) {
            return;
        }
        let cases = self.0.entry(store.join("::")).or_default();
        match (result.trim_end(), *way) {
            ("ok", "direct") => cases.direct += 1,
            ("ok", _) => cases.dynamic += 1,
            _ => cases.missing += 1,
        }
    }
}

impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (store, cases) in &self.0 {
            let Cases {
                direct,
                dynamic,
                missing,
            } = cases;
            writeln!(
                f,
                "conformance: {store}: {direct} cases by its type, {dynamic} as dyn TokenStore, {missing} skipped or failed"
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
        assert_eq!(
            conformance.to_string(),
            "conformance: standalone: 1 cases by its type, 1 as dyn TokenStore, 1 skipped or failed\n\
             conformance: suite::cluster: 0 cases by its type, 0 as dyn TokenStore, 1 skipped or failed\n"
        );
    }
}
