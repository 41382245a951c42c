//! Real servers for the tests: installed under `target/services`, started on free loopback ports,
//! stopped by who started them.

mod kms;
mod memcached;
mod mongo;
mod oidc;
mod packages;
mod redis;
mod server;

use std::fmt;
use std::path::Path;

use crate::run::Failure;
use crate::workspace::Workspace;

use kms::Kms;
use memcached::MemcachedNodes;
use mongo::Mongo;
use oidc::Oidc;
use packages::Packages;
use redis::RedisServers;

/// A running server, or several that belong together; dropping it stops them.
pub(crate) trait Service: fmt::Debug {
    /// The variables that tests find it by.
    fn environment(&self) -> Vec<(&'static str, String)>;

    /// Waits until it ends, which is a failure.
    fn wait(&mut self) -> Result<(), Failure>;
}

/// A service that can be started.
pub(crate) struct Kind {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// The start of the names of its variables: a crate with a test that names one needs it.
    mark: &'static str,
    start: fn(&Workspace) -> Result<Box<dyn Service>, Failure>,
}

/// All of them; a new one is a file in `services/` and a line here.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "kms",
        mark: "TOKENKEEP_TEST_KMS",
        start: |workspace| Ok(Box::new(Kms::start(workspace)?)),
    },
    Kind {
        name: "memcached",
        mark: "TOKENKEEP_TEST_MEMCACHED",
        start: |_| Ok(Box::new(MemcachedNodes::start()?)),
    },
    Kind {
        name: "mongo",
        mark: "TOKENKEEP_TEST_MONGODB",
        start: |workspace| Ok(Box::new(Mongo::start(workspace)?)),
    },
    Kind {
        name: "oidc",
        mark: "TOKENKEEP_TEST_OIDC",
        start: |workspace| Ok(Box::new(Oidc::start(workspace)?)),
    },
    Kind {
        name: "packages",
        mark: "TOKENKEEP_TEST_PACKAGES",
        start: |workspace| Ok(Box::new(Packages::start(workspace)?)),
    },
    Kind {
        name: "redis",
        mark: "TOKENKEEP_TEST_REDIS",
        start: |_| Ok(Box::new(RedisServers::start()?)),
    },
];

/// The servers of one run; dropping it stops them.
#[derive(Debug)]
pub(crate) struct Services<'w> {
    workspace: &'w Workspace,
    running: Vec<(&'static str, Box<dyn Service>)>,
}

impl<'w> Services<'w> {
    /// None started yet.
    pub(crate) fn new(workspace: &'w Workspace) -> Self {
        Self {
            workspace,
            running: Vec::new(),
        }
    }

    /// Starts all that do not run yet.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        KINDS.iter().try_for_each(|kind| self.start_one(kind))
    }

    /// Starts those that this crate's tests name.
    pub(crate) fn start_for(&mut self, member: &str) -> Result<(), Failure> {
        KINDS
            .iter()
            .filter(|kind| kind.users(self.workspace).contains(&member))
            .try_for_each(|kind| self.start_one(kind))
    }

    /// Where the tests find them.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        self.running
            .iter()
            .flat_map(|(_, service)| service.environment())
            .collect()
    }

    /// Waits until the first of them ends, which is a failure.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        self.running.iter_mut().try_for_each(|(_, service)| service.wait())
    }

    fn start_one(&mut self, kind: &Kind) -> Result<(), Failure> {
        if self.running.iter().all(|(name, _)| *name != kind.name) {
            self.running.push((kind.name, (kind.start)(self.workspace)?));
        }
        Ok(())
    }
}

impl Kind {
    /// The service of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The crates with a test that names one of its variables.
    pub(crate) fn users<'w>(&self, workspace: &'w Workspace) -> Vec<&'w str> {
        let users = workspace.members.iter().filter(|member| {
            !matches!(&*member.name, "xtask" | "test-services") && mentions(&member.folder, self.mark)
        });
        users.map(|member| member.name.as_str()).collect()
    }
}

/// Whether a Rust file in there has this word.
pub(crate) fn mentions(folder: &Path, word: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return mentions(&path, word);
        }
        path.extension().is_some_and(|extension| extension == "rs")
            && std::fs::read_to_string(&path).is_ok_and(|text| text.contains(word))
    })
}
