//! The steps of `cargo xtask test`.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bans;
use crate::conformance::Conformance;
use crate::console::{print, say};
use crate::examples::{self, Example};
use crate::parity;
use crate::plan::{Task, tasks};
use crate::run::{Failure, cargo, stream, succeed};
use crate::services::{Kind, Services};
use crate::sources;
use crate::tally::Tally;
use crate::tools;
use crate::workspace::{Member, Workspace};

/// Those that run to the end by themselves.
const EXAMPLES: [&str; 12] = [
    "custom_store",
    "from_alf",
    "from_globus",
    "from_palantir",
    "from_pancloud",
    "quickstart",
    "quickstart_blocking",
    "sealed_redis",
    "share_mongo",
    "share_redis",
    "web_app",
    "worker_fleet_memcached",
];

/// One step, in the order of a full run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Bans,
    Length,
    Parity,
    Clippy,
    Features,
    Doc,
    Services,
    Test,
    Examples,
}

impl Step {
    /// In order: what is quick comes first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Fmt,
        Self::Bans,
        Self::Length,
        Self::Parity,
        Self::Clippy,
        Self::Features,
        Self::Doc,
        Self::Services,
        Self::Test,
        Self::Examples,
    ];

    /// What `--only` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Bans => "bans",
            Self::Length => "length",
            Self::Parity => "parity",
            Self::Clippy => "clippy",
            Self::Features => "features",
            Self::Doc => "doc",
            Self::Services => "services",
            Self::Test => "test",
            Self::Examples => "examples",
        }
    }
}

/// Runs what was asked for and says whether all of it passed. The last line on standard output is the sum of all tests.
pub(crate) fn test(workspace: &Workspace, only: &[String], long: bool) -> Result<bool, Failure> {
    let tasks = tasks(workspace, only)?;
    let mut session = Session {
        workspace,
        long,
        services: Services::new(workspace),
        tally: Tally::default(),
        conformance: Conformance::default(),
    };
    let mut times = Vec::new();
    let mut failed = None;
    for task in &tasks {
        say(&format!("== {}", task.name()));
        let started = Instant::now();
        let result = session.run(task);
        times.push((task.name(), started.elapsed()));
        if let Err(failure) = result {
            say(&failure.to_string());
            failed = Some(task.name());
            break;
        }
    }
    let Session {
        services,
        tally,
        conformance,
        ..
    } = session;
    drop(services);
    summarize(&times);
    if let Some(name) = failed {
        say(&format!("{name} failed; again: cargo xtask test --only {name}"));
    }
    conformance.to_string().lines().for_each(print);
    if tally != Tally::default() {
        print(&tally.to_string());
    }
    Ok(failed.is_none())
}

fn summarize(times: &[(&str, Duration)]) {
    say("== times");
    for (name, time) in times {
        say(&format!("{name:>12} {:8.1} s", time.as_secs_f64()));
    }
}

struct Session<'w> {
    workspace: &'w Workspace,
    long: bool,
    services: Services<'w>,
    tally: Tally,
    conformance: Conformance,
}

impl Session<'_> {
    fn run(&mut self, task: &Task) -> Result<(), Failure> {
        match task {
            Task::Step(step) => self.step(*step),
            Task::Service(name) => self.service(name),
            Task::Crate(name) => self.krate(name),
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Failure> {
        match step {
            Step::Fmt => succeed(self.cargo().args(["fmt", "--all", "--check"])),
            Step::Bans => bans::check(self.workspace),
            Step::Length => sources::check(self.workspace),
            Step::Parity => parity::check(self.workspace),
            Step::Clippy => succeed(self.cargo().args(CLIPPY)),
            Step::Features => self.features(),
            Step::Doc => succeed(self.cargo().args(DOC).env("RUSTDOCFLAGS", "-D warnings")),
            Step::Services => self.start_services(),
            Step::Test => self.tests(&WORKSPACE, &[]),
            Step::Examples => self.examples(),
        }
    }

    /// The tests of the service's store, and in the other crates that use it those whose path contains its name.
    fn service(&mut self, name: &str) -> Result<(), Failure> {
        let users = Kind::named(name)
            .map(|kind| kind.users(self.workspace))
            .unwrap_or_default();
        let adapter = format!("store-{name}");
        if users.is_empty() {
            return Err(Failure(format!("no crate has a test that uses {name}")));
        }
        let (own, others): (Vec<&str>, Vec<&str>) = users.into_iter().partition(|user| *user == adapter);
        users_tests(&own).map_or(Ok(()), |packages| self.tests(&packages, &[]))?;
        users_tests(&others).map_or(Ok(()), |packages| self.tests(&packages, &[name]))
    }

    fn krate(&mut self, name: &str) -> Result<(), Failure> {
        self.tests(&["-p", name], &[])
    }

    /// Some services are themselves programs that are installed.
    fn start_services(&mut self) -> Result<(), Failure> {
        tools::require(self.workspace, &[])?;
        self.services.start()
    }

    fn tests(&mut self, packages: &[&str], filter: &[&str]) -> Result<(), Failure> {
        let crates: Vec<&str> = packages.iter().copied().filter(|word| !word.starts_with('-')).collect();
        if packages == WORKSPACE {
            self.start_services()?;
        } else {
            tools::require(self.workspace, &crates)?;
            crates.iter().try_for_each(|package| self.services.start_for(package))?;
        }
        self.cargo_test(packages, filter)
    }

    fn cargo_test(&mut self, packages: &[&str], filter: &[&str]) -> Result<(), Failure> {
        let refusals = self.workspace.target.join("refusals");
        // Of an earlier run.
        let _ = std::fs::remove_file(&refusals);
        let mut command = self.cargo();
        command.args(TEST).args(packages).args(filter);
        command.envs(self.services.environment());
        command.env("RUST_TEST_THREADS", TEST_THREADS);
        command.env("STORE_TESTKIT_REFUSALS", &refusals);
        if self.long {
            command.env("STORE_TESTKIT_LONG", "1");
        }
        if packages == WORKSPACE {
            // Built with the tests; built again by itself, each would compile all it needs anew.
            command.env("STORE_TESTKIT_BINARIES", self.workspace.target.join("debug"));
        }
        let mut tally = Tally::default();
        let success = stream(&mut command, |line| {
            tally.add(line);
            self.conformance.add(line);
            print(line);
        })?;
        // No case of a store ran if there is none.
        self.conformance
            .add_refusals(&std::fs::read_to_string(&refusals).unwrap_or_default());
        self.tally = self.tally.plus(tally);
        match tally {
            _ if !success => Err(Failure("cargo test failed".into())),
            Tally { ignored: 1.., .. } => Err(Failure(format!("{} tests were ignored; none may be", tally.ignored))),
            Tally { passed: 0, .. } => Err(Failure("no test ran".into())),
            _ => Ok(()),
        }
    }

    /// Built with everything, as the tests are; whether they build by themselves `features` has seen.
    fn examples(&self) -> Result<(), Failure> {
        examples::check(self.workspace)?;
        succeed(self.cargo().args(EVERY_EXAMPLE))?;
        let folder = self.workspace.target.join("debug/examples");
        EXAMPLES.iter().try_for_each(|example| {
            say(&format!("-- {example}"));
            let mut command = Command::new(folder.join(example));
            succeed(command.current_dir(&self.workspace.root).stdin(Stdio::null()))
        })
    }

    /// Each crate builds alone, and so does each of its features: in the workspace they hide what the
    /// others are missing.
    fn features(&self) -> Result<(), Failure> {
        let sets = self.workspace.libraries().flat_map(feature_sets);
        sets.chain(example_sets(self.workspace)).try_for_each(|arguments| {
            say(&format!("-- {}", arguments.join(" ")));
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            succeed(self.cargo().args(["check", "--quiet", "--locked"]).args(arguments))
        })
    }

    fn cargo(&self) -> Command {
        cargo(&self.workspace.root)
    }
}

/// Most tests wait, for servers and for time to pass.
const TEST_THREADS: &str = "4";

const TEST: [&str; 4] = ["test", "--all-features", "--locked", "--no-fail-fast"];
const WORKSPACE: [&str; 1] = ["--workspace"];

const CLIPPY: [&str; 8] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--all-features",
    "--locked",
    "--",
    "-D",
    "warnings",
];
const EVERY_EXAMPLE: [&str; 5] = ["build", "--workspace", "--all-features", "--examples", "--locked"];
/// With an example, what it depends on has the features that `clippy` has checked it with; without, each would be
/// checked once more.
const DOC: [&str; 9] = [
    "doc",
    "--workspace",
    "--all-features",
    "--no-deps",
    "--locked",
    "--lib",
    "--bins",
    "--example",
    "quickstart",
];

/// `-p` for each, unless there is none.
fn users_tests<'a>(users: &[&'a str]) -> Option<Vec<&'a str>> {
    (!users.is_empty()).then(|| users.iter().flat_map(|user| ["-p", user]).collect())
}

fn feature_sets(member: &Member) -> Vec<Vec<String>> {
    let package = || vec!["-p".to_owned(), member.name.clone()];
    let bare = || [package(), vec!["--no-default-features".to_owned()]].concat();
    if member.features.is_empty() {
        return vec![package()];
    }
    let single = member
        .features
        .iter()
        .map(|feature| [bare(), vec!["--features".to_owned(), feature.clone()]].concat());
    std::iter::once(bare()).chain(single).collect()
}

/// What users run by one command, with no more than it asks for.
fn example_sets(workspace: &Workspace) -> Vec<Vec<String>> {
    let with_features = |member: &Member| member.examples.iter().filter_map(Example::check).collect::<Vec<_>>();
    let sets = workspace.members.iter().flat_map(with_features);
    std::iter::once(vec!["--examples".to_owned()]).chain(sets).collect()
}

#[cfg(test)]
mod tests {
    use super::feature_sets;
    use crate::workspace::Member;

    fn sets(features: &[&str]) -> Vec<String> {
        let member = Member {
            name: "x".into(),
            folder: "/w/crates/x".into(),
            features: features.iter().map(ToString::to_string).collect(),
            dependencies: vec![],
            examples: vec![],
        };
        feature_sets(&member)
            .iter()
            .map(|arguments| arguments.join(" "))
            .collect()
    }

    #[test]
    fn a_crate_is_built_bare_and_with_each_feature_alone() {
        assert_eq!(
            sets(&["json", "redis"]),
            [
                "-p x --no-default-features",
                "-p x --no-default-features --features json",
                "-p x --no-default-features --features redis",
            ]
        );
        assert_eq!(sets(&[]), ["-p x"]);
    }
}
