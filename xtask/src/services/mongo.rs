//! SecantusDB, which answers as MongoDB does, from `xtask/services/mongo`.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use test_services::{MongoDb, ServiceError};

use super::Service;
use crate::console::say;
use crate::run::{Failure, succeed};
use crate::workspace::Workspace;

const PLAIN: &str = "TOKENKEEP_TEST_MONGODB_URL";
const SECURED: &str = "TOKENKEEP_TEST_MONGODB_SECURED_URL";
const TOOLS: &str = "the MongoDB server for the tests needs Python 3.11 or later with venv: \
                     on Debian and Ubuntu, as root: apt-get install python3-venv";

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
        let folder = workspace.target.join("services").join("mongo");
        let requirements = workspace.root.join("xtask/services/mongo/requirements.txt");
        install(&requirements, &folder)?;
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

fn install(requirements: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("MongoDB for tests cannot be installed: {error}"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Two checkouts may share a target folder.
    let guard = File::create(folder.join("install.lock")).map_err(failed)?;
    guard.lock().map_err(failed)?;
    let wanted = std::fs::read_to_string(requirements).map_err(failed)?;
    let (venv, stamp) = (folder.join("venv"), folder.join("installed.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && venv.exists() {
        return Ok(());
    }
    say("installing the MongoDB server for the tests");
    let log = File::create(folder.join("install.log")).map_err(failed)?;
    let run = |program: &Path, arguments: &[&Path], advice: &str| {
        let log = || log.try_clone().map_err(failed);
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log()?)
            .stderr(log()?);
        succeed(&mut command).map_err(|failure| {
            let log = folder.join("install.log");
            Failure(format!("{failure}\n{advice}\n(its output: {})", log.display()))
        })
    };
    let venv_arguments = ["-m", "venv", "--clear"].map(Path::new);
    run(
        Path::new("python3"),
        &[&venv_arguments, &[venv.as_path()][..]].concat(),
        TOOLS,
    )?;
    let pip_arguments = ["-m", "pip", "install", "--quiet", "--requirement"].map(Path::new);
    run(
        &venv.join("bin/python"),
        &[&pip_arguments, &[requirements][..]].concat(),
        "pip could not install what xtask/services/mongo/requirements.txt names",
    )?;
    std::fs::write(stamp, wanted).map_err(failed)
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
