//! Finds binaries of this workspace, built and up to date.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;

type Built = HashMap<(String, String), PathBuf>;

/// Builds the binary `name` of the workspace's package `package`, once per process, in the
/// profile of the running test, and returns where it is.
///
/// ```no_run
/// let command = store_testkit::process::workspace_binary("tokenkeep-cli", "tokenkeep")?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Where `STORE_TESTKIT_BINARIES` names a folder that has the binary, that one is taken: a run of the
/// whole workspace has built it already.
///
/// # Errors
/// When cargo can't be started, the build fails (cargo's messages go to standard error), or the
/// package has no such binary.
pub fn workspace_binary(package: &str, name: &str) -> io::Result<PathBuf> {
    static BUILT: OnceLock<Mutex<Built>> = OnceLock::new();
    // Held while building: tests that run in parallel wait for one build instead of starting two.
    let mut built = BUILT
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let key = (package.to_owned(), name.to_owned());
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let path = match built_before(name) {
        Some(path) => path,
        None => build(package, name)?,
    };
    built.insert(key, path.clone());
    Ok(path)
}

fn built_before(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("STORE_TESTKIT_BINARIES")?);
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    path.is_file().then_some(path)
}

fn build(package: &str, name: &str) -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--message-format=json"])
        .args(["--package", package, "--bin", name])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if is_release_build() {
        command.arg("--release");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("cargo could not build {package}")));
    }
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .find_map(|message| executable(&message, name))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no binary {name}")))
}

fn executable(message: &Value, name: &str) -> Option<PathBuf> {
    let is_it = message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
    is_it
        .then(|| message["executable"].as_str().map(PathBuf::from))
        .flatten()
}

/// Test and bench binaries of the release profile lie in `target/release/deps`, others one folder above.
fn is_release_build() -> bool {
    std::env::current_exe().is_ok_and(|path| {
        path.ancestors()
            .take(3)
            .any(|folder| folder.file_name().is_some_and(|name| name == "release"))
    })
}
