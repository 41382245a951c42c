//! What `--only` means.

use crate::run::Failure;
use crate::services::Kind;
use crate::steps::Step;
use crate::workspace::Workspace;

pub(crate) const HELP: &str = "\
Steps, in order: fmt bans length parity clippy features doc services test examples.
The services are started by `services`, and by `test` when that runs alone. Programs that tests
start (chromium, memcached, redis-server) are installed before, as root on Debian; else what is missing is said.

--only takes names of
  steps     --only fmt clippy
  services  --only oidc         starts it and runs the tests whose path contains `oidc`;
                                of `store-NAME`, all tests; others: kms memcached mongo packages redis. Variables that
                                are set already (TOKENKEEP_TEST_REDIS_…) stay: tests use those servers
  crates    --only auth-core    runs the tests of that crate (and starts the services that they name)

The last line says how many tests passed and failed, over all test binaries. An ignored test is a failure.";

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Step(Step),
    Service(&'static str),
    Crate(String),
}

impl Task {
    /// What `--only` calls it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Step(step) => step.name(),
            Self::Service(name) => name,
            Self::Crate(name) => name,
        }
    }
}

/// Everything in order, or what was asked for: steps first and in their order, then the rest as asked.
pub(crate) fn tasks(workspace: &Workspace, only: &[String]) -> Result<Vec<Task>, Failure> {
    if only.is_empty() {
        return Ok(Step::ALL.into_iter().map(Task::Step).collect());
    }
    let mut tasks = only
        .iter()
        .map(|name| task(workspace, name))
        .collect::<Result<Vec<_>, _>>()?;
    tasks.sort_by_key(|task| match task {
        Task::Step(step) => Step::ALL.iter().position(|other| other == step),
        Task::Service(_) | Task::Crate(_) => Some(Step::ALL.len()),
    });
    tasks.dedup();
    Ok(tasks)
}

fn task(workspace: &Workspace, name: &str) -> Result<Task, Failure> {
    if let Some(step) = Step::ALL.into_iter().find(|step| step.name() == name) {
        return Ok(Task::Step(step));
    }
    if let Some(service) = Kind::named(name).map(|kind| kind.name) {
        return Ok(Task::Service(service));
    }
    if workspace.member(name).is_some() {
        return Ok(Task::Crate(name.to_owned()));
    }
    Err(Failure(format!(
        "--only {name}: no step, service or crate of this name; see cargo xtask test --help"
    )))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{HELP, Task, tasks};
    use crate::services::KINDS;
    use crate::steps::Step;
    use crate::workspace::{Member, Workspace};

    fn workspace() -> Workspace {
        let member = Member {
            name: "auth-core".into(),
            folder: PathBuf::from("/w/crates/auth-core"),
            features: vec![],
            dependencies: vec![],
            examples: vec![],
        };
        Workspace {
            root: "/w".into(),
            target: "/t".into(),
            members: vec![member],
        }
    }

    fn names(only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(ToString::to_string).collect();
        tasks(&workspace(), &only)
            .unwrap()
            .iter()
            .map(|task| task.name().to_owned())
            .collect()
    }

    #[test]
    fn everything_is_every_step() {
        assert_eq!(names(&[]).len(), Step::ALL.len());
    }

    #[test]
    fn steps_keep_their_order_and_come_once() {
        assert_eq!(
            names(&["auth-core", "clippy", "fmt", "fmt", "oidc"]),
            ["fmt", "clippy", "auth-core", "oidc"]
        );
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!(tasks(&workspace(), &["nonsense".into()]).is_err());
    }

    #[test]
    fn the_help_names_every_step_and_service() {
        for name in Step::ALL
            .iter()
            .map(|step| step.name())
            .chain(KINDS.iter().map(|kind| kind.name))
        {
            assert!(HELP.contains(name), "{name}");
        }
    }

    #[test]
    fn a_task_knows_its_name() {
        assert_eq!(Task::Service("oidc").name(), "oidc");
    }
}
