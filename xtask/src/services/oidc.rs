//! node-oidc-provider, a certified authorization server, from `xtask/services/oidc`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::Service;
use super::server::Server;
use crate::run::{Failure, succeed};
use crate::workspace::Workspace;

const OLDEST_NODE: u32 = 20;
/// Far longer than it takes: a busy machine stands still for seconds.
const READY: Duration = Duration::from_secs(120);
const TOOLS: &str = "the authorization server for the tests needs Node.js 20 or later with npm: \
                     https://nodejs.org, or on Debian and Ubuntu: apt-get install nodejs npm";

/// The running server and its addresses.
#[derive(Debug)]
pub(crate) struct Oidc {
    server: Server,
    url: String,
    control_url: String,
}

impl Oidc {
    /// Installs it if its lock file changed, starts it and checks that it behaves.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self, Failure> {
        require_tools()?;
        let folder = workspace.target.join("services").join("oidc");
        install(&workspace.root.join("xtask/services/oidc"), &folder).map_err(|failure| context(&folder, &failure))?;
        let oidc = Self::launch(&folder).map_err(|failure| context(&folder, &failure))?;
        let mut check = Command::new("node");
        check
            .current_dir(&folder)
            .args(["check.mjs", &oidc.url])
            .stdin(Stdio::null());
        succeed(&mut check).map_err(|failure| context(&folder, &failure))?;
        Ok(oidc)
    }

    fn launch(folder: &Path) -> Result<Self, Failure> {
        let log = File::create(folder.join("log")).map_err(|error| Failure(format!("no log file: {error}")))?;
        let mut command = Command::new("node");
        command.current_dir(folder).arg("server.mjs");
        let (server, line) = Server::start("oidc", &mut command, &log, READY)?;
        let ready: Value = serde_json::from_str(&line).unwrap_or_default();
        match (ready["url"].as_str(), ready["control_url"].as_str()) {
            (Some(url), Some(control_url)) => Ok(Self {
                server,
                url: url.to_owned(),
                control_url: control_url.to_owned(),
            }),
            _ => Err(Failure("oidc did not say where it listens".into())),
        }
    }
}

impl Service for Oidc {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TOKENKEEP_TEST_OIDC_URL", self.url.clone()),
            ("TOKENKEEP_TEST_OIDC_CONTROL_URL", self.control_url.clone()),
        ]
    }

    fn wait(&mut self) -> Result<(), Failure> {
        self.server.wait()
    }
}

fn require_tools() -> Result<(), Failure> {
    let node = version("node").ok_or_else(|| Failure(format!("node was not found; {TOOLS}")))?;
    if node < OLDEST_NODE {
        return Err(Failure(format!("node is version {node}; {TOOLS}")));
    }
    version("npm")
        .map(|_| ())
        .ok_or_else(|| Failure(format!("npm was not found; {TOOLS}")))
}

fn version(program: &str) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    parse_major(&String::from_utf8(output.stdout).ok()?)
}

fn parse_major(version: &str) -> Option<u32> {
    version.trim().trim_start_matches('v').split('.').next()?.parse().ok()
}

fn install(source: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("cannot be installed: {error}"));
    std::fs::create_dir_all(folder).map_err(failed)?;
    // Two checkouts may share a target folder.
    let guard = File::create(folder.join("install.lock")).map_err(failed)?;
    guard.lock().map_err(failed)?;
    copy_sources(source, folder).map_err(failed)?;
    let lock = std::fs::read_to_string(source.join("package-lock.json")).map_err(failed)?;
    let stamp = folder.join("node_modules").join("installed-lock.json");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    npm_ci(folder)?;
    std::fs::write(stamp, lock).map_err(failed)
}

fn copy_sources(source: &Path, folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(source)? {
        let path: PathBuf = entry?.path();
        if let Some(name) = path.file_name()
            && path.is_file()
        {
            std::fs::copy(&path, folder.join(name))?;
        }
    }
    Ok(())
}

fn npm_ci(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure(format!("npm's output cannot be kept: {error}"));
    let log = File::create(folder.join("npm.log")).map_err(failed)?;
    let mut npm = Command::new("npm");
    npm.current_dir(folder)
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .args(["--fetch-retries=5"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log);
    succeed(&mut npm).map_err(|failure| Failure(format!("{failure}\n{}", tail(&folder.join("npm.log")))))
}

fn context(folder: &Path, failure: &Failure) -> Failure {
    Failure(format!(
        "{failure}\n{}\n(the whole of it: {}/log)",
        tail(&folder.join("log")),
        folder.display()
    ))
}

fn tail(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::parse_major;

    #[test]
    fn versions_of_node_and_npm_are_read() {
        assert_eq!(parse_major("v22.4.1\n"), Some(22));
        assert_eq!(parse_major("11.19.1"), Some(11));
        assert_eq!(parse_major("nonsense"), None);
    }
}
