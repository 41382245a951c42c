//! Other clients for OAuth 2.0, as their users install them, from `xtask/services/packages`. They serve nothing:
//! tests run them.

use test_services::{Packages as Installed, ServiceError};

use super::Service;
use crate::console::say;
use crate::run::Failure;
use crate::workspace::Workspace;

/// The Python that has them, or the one that the variable named before.
#[derive(Debug)]
pub(crate) struct Packages {
    python: String,
}

impl Packages {
    /// Installs them if what is wanted changed, unless the variable names a Python.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        if let Ok(python) = std::env::var(Installed::VARIABLE) {
            return Ok(Self { python });
        }
        let installed =
            Installed::SERVICE.install(&workspace.target, || say("installing the other clients for the tests"));
        let python = installed.map_err(|error| failure(&error))?;
        Ok(Self {
            python: python.display().to_string(),
        })
    }
}

impl Service for Packages {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(Installed::VARIABLE, self.python.clone())]
    }

    fn wait(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
