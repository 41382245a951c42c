//! SecantusDB, which answers as MongoDB does, from `xtask/services/mongo`.

use test_services::{MongoDb, PythonService, ServiceError};

use super::Service;
use crate::console::say;
use crate::run::Failure;
use crate::workspace::Workspace;

const PLAIN: &str = "TOKENKEEP_TEST_MONGODB_URL";
const SECURED: &str = "TOKENKEEP_TEST_MONGODB_SECURED_URL";

/// A server for everybody and one with SCRAM and TLS, or those that the variables named before.
#[derive(Debug)]
pub(crate) struct Mongo {
    servers: Vec<MongoDb>,
    environment: Vec<(&'static str, String)>,
}

impl Mongo {
    /// Installs it if what it needs changed, and starts those that no variable names. Tests that stop
    /// their servers start their own, so it is installed in any case.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        PythonService { name: "mongo" }
            .install(&workspace.target, || say("installing the MongoDB server for the tests"))
            .map_err(|error| failure(&error))?;
        let mut mongo = Self {
            servers: Vec::new(),
            environment: Vec::new(),
        };
        for (name, builder) in [
            (PLAIN, MongoDb::builder()),
            (SECURED, MongoDb::builder().with_user().with_tls()),
        ] {
            let url = if let Ok(given) = std::env::var(name) {
                given
            } else {
                let server = builder.start().map_err(|error| failure(&error))?;
                let url = server.url();
                mongo.servers.push(server);
                url
            };
            mongo.environment.push((name, url));
        }
        Ok(mongo)
    }
}

impl Service for Mongo {
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment.clone()
    }

    fn wait(&mut self) -> Result<(), Failure> {
        match self.servers.first_mut() {
            Some(server) => Err(failure(&server.wait())),
            None => Ok(()),
        }
    }
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
