//! The packages that are really built on this host. Cargo.lock is no witness: it also lists optional
//! packages that nothing turns on.

use std::collections::{BTreeMap, BTreeSet};

use super::licence;
use crate::run::{Failure, capture, cargo};
use crate::workspace::Workspace;

const BANNED: [&str; 4] = ["native-tls", "openssl", "openssl-sys", "ring"];
const ONE_VERSION: [&str; 5] = ["h2", "http", "hyper", "reqwest", "rustls"];
const NOT_IN_CORE: [&str; 6] = ["hyper", "memcache", "mongodb", "redis", "reqwest", "rusqlite"];
const NOT_IN_QUICK_START: [&str; 5] = ["aws-sdk-kms", "memcache", "mongodb", "redis", "rusqlite"];

/// Name, version and licence of each package.
#[derive(Debug)]
pub(crate) struct Graph {
    packages: BTreeSet<Package>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    licence: String,
}

impl Graph {
    /// Asks `cargo tree`, with all features, without what only tests use.
    pub(crate) fn of(workspace: &Workspace, packages: &[&str]) -> Result<Self, Failure> {
        let arguments = ["--all-features", "--edges", "normal,build"];
        Self::ask(workspace, &[&arguments[..], packages].concat())
    }

    /// What `cargo run --example quickstart` is built with: the features of all default members
    /// together, and what examples alone use.
    pub(crate) fn of_quick_start(workspace: &Workspace) -> Result<Self, Failure> {
        Self::ask(workspace, &["--edges", "normal,build,dev"])
    }

    fn ask(workspace: &Workspace, arguments: &[&str]) -> Result<Self, Failure> {
        let text = capture(
            cargo(&workspace.root)
                .args([
                    "tree",
                    "--locked",
                    "--prefix",
                    "none",
                    "--no-dedupe",
                    "--format",
                    "{p}|{l}",
                ])
                .args(arguments),
        )?;
        Self::parse(&text).ok_or_else(|| Failure("cargo tree: a line is not understood".into()))
    }

    fn parse(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.is_empty());
        let packages: Option<BTreeSet<Package>> = lines.map(Package::parse).collect();
        Some(Self {
            packages: packages.filter(|packages| !packages.is_empty())?,
        })
    }

    /// A second TLS or crypto stack.
    pub(crate) fn banned(&self) -> Vec<String> {
        self.among(&BANNED)
            .map(|package| format!("{} {} is banned", package.name, package.version))
            .collect()
    }

    /// Packages of which one version is enough, in more.
    pub(crate) fn duplicates(&self) -> Vec<String> {
        let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for package in self.among(&ONE_VERSION) {
            versions.entry(&package.name).or_default().push(&package.version);
        }
        let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
        several
            .map(|(name, versions)| format!("{name} in several versions: {}", versions.join(", ")))
            .collect()
    }

    /// Packages whose licence is not on the list.
    pub(crate) fn licence_faults(&self) -> Vec<String> {
        let faults = self
            .packages
            .iter()
            .filter(|package| !licence::allowed(&package.licence));
        faults
            .map(|package| format!("{} {}: licence {:?}", package.name, package.version, package.licence))
            .collect()
    }

    /// What auth-core must do without: HTTP clients and database drivers.
    pub(crate) fn beyond_core(&self) -> Vec<String> {
        self.among(&NOT_IN_CORE)
            .map(|package| format!("auth-core depends on {}", package.name))
            .collect()
    }

    /// Drivers that only other examples need: each costs minutes before the first line is printed.
    pub(crate) fn beyond_quick_start(&self) -> Vec<String> {
        self.among(&NOT_IN_QUICK_START)
            .map(|package| format!("the quick start is built with {}", package.name))
            .collect()
    }

    fn among(&self, names: &'static [&'static str]) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| names.contains(&package.name.as_str()))
    }
}

impl Package {
    /// `name v1.2.3 (proc-macro)|MIT OR Apache-2.0`
    fn parse(line: &str) -> Option<Self> {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split_whitespace();
        Some(Self {
            name: words.next()?.to_owned(),
            version: words.next()?.strip_prefix('v')?.to_owned(),
            licence: licence.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;

    const TREE: &str = "\
app v0.1.0 (/w/app)|MIT
hyper v1.2.0|MIT

serde_derive v1.0.0 (proc-macro)|MIT OR Apache-2.0
hyper v0.14.1|MIT
hyper v1.2.0|MIT
redis v1.8.0|BSD-3-Clause
ring v0.17.0|Apache-2.0 AND ISC
viral v1.0.0|GPL-3.0-only
nameless v1.0.0|
";

    #[test]
    fn faults_are_found_in_a_tree() {
        let graph = Graph::parse(TREE).unwrap();
        assert_eq!(graph.banned(), ["ring 0.17.0 is banned"]);
        assert_eq!(graph.duplicates(), ["hyper in several versions: 0.14.1, 1.2.0"]);
        assert_eq!(
            graph.licence_faults(),
            ["nameless 1.0.0: licence \"\"", "viral 1.0.0: licence \"GPL-3.0-only\""]
        );
        assert_eq!(graph.beyond_core().len(), 3);
        assert_eq!(graph.beyond_quick_start(), ["the quick start is built with redis"]);
    }

    #[test]
    fn a_tree_without_faults_has_none() {
        let graph = Graph::parse("app v0.1.0 (/w/app)|MIT\nrustls v0.23.1|Apache-2.0 OR ISC OR MIT\n").unwrap();
        assert!(
            [
                graph.banned(),
                graph.duplicates(),
                graph.licence_faults(),
                graph.beyond_core(),
                graph.beyond_quick_start(),
            ]
            .concat()
            .is_empty()
        );
    }

    #[test]
    fn what_is_not_understood_is_no_empty_tree() {
        assert!(Graph::parse("").is_none());
        assert!(Graph::parse("something else\n").is_none());
    }
}
