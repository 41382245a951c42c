//! AWS KMS as moto answers for it, from `xtask/services/kms`.

use test_services::{Kms as Server, PythonService, ServiceError};

use super::Service;
use crate::console::say;
use crate::run::Failure;
use crate::workspace::Workspace;

const URL: &str = "TOKENKEEP_TEST_KMS_URL";

/// One server for everybody, or the one that the variable named before.
#[derive(Debug)]
pub(crate) struct Kms {
    server: Option<Server>,
    url: String,
}

impl Kms {
    /// Installs it if what it needs changed, and starts one if the variable names none. Tests that stop it
    /// start their own, so it is installed in any case.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        PythonService { name: "kms" }
            .install(&workspace.target, || say("installing AWS KMS for the tests"))
            .map_err(|error| failure(&error))?;
        if let Ok(url) = std::env::var(URL) {
            return Ok(Self { server: None, url });
        }
        let server = Server::start().map_err(|error| failure(&error))?;
        let url = server.url();
        Ok(Self {
            server: Some(server),
            url,
        })
    }
}

impl Service for Kms {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![(URL, self.url.clone())]
    }

    fn wait(&mut self) -> Result<(), Failure> {
        match &mut self.server {
            Some(server) => Err(failure(&server.wait())),
            None => Ok(()),
        }
    }
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
