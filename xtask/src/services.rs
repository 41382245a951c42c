//! Real servers for the tests: installed under `target/services`, started on free loopback ports,
//! stopped by who started them.

mod oidc;
mod server;

use std::path::Path;

use crate::run::Failure;
use crate::workspace::Workspace;

use oidc::Oidc;

/// Names that `--only` takes.
pub(crate) const NAMES: [&str; 1] = ["oidc"];

/// What marks a test that needs a service: the start of the names of its variables.
const MARK: &str = "TOKENKEEP_TEST_";

/// The servers of one run; dropping it stops them.
#[derive(Debug)]
pub(crate) struct Services<'w> {
    workspace: &'w Workspace,
    oidc: Option<Oidc>,
}

impl<'w> Services<'w> {
    /// None started yet.
    pub(crate) fn new(workspace: &'w Workspace) -> Self {
        Self { workspace, oidc: None }
    }

    /// Starts those that do not run yet.
    pub(crate) fn start(&mut self) -> Result<(), Failure> {
        if self.oidc.is_none() {
            self.oidc = Some(Oidc::start(self.workspace)?);
        }
        Ok(())
    }

    /// Where the tests find them.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        self.oidc.iter().flat_map(Oidc::environment).collect()
    }

    /// Waits until one of them ends, which is a failure.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        match &mut self.oidc {
            Some(oidc) => oidc.wait(),
            None => Ok(()),
        }
    }
}

/// The crates with a test that names a variable of the services.
pub(crate) fn users(workspace: &Workspace) -> Vec<&str> {
    let users = workspace
        .members
        .iter()
        .filter(|member| member.name != "xtask" && mentions(&member.folder, MARK));
    users.map(|member| member.name.as_str()).collect()
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
