//! A cold start of `tokenkeep token` on a token that is stored, beside a process that
//! does nothing.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::measure::{Pairs, Unit, head, time};

const ROUNDS: usize = 61;

pub(crate) fn run() {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    build(&folder);
    let home = tempfile::tempdir().unwrap();
    store_a_token(&folder.join("tokenkeep"), home.path());
    head("empty process", Unit::Milliseconds);
    let pairs = Pairs::measure(
        ROUNDS,
        || time(|| succeed(tokenkeep(&folder.join("tokenkeep"), home.path()).arg("token"))),
        || time(|| succeed(&mut quiet(&folder.join("empty-process")))),
    );
    pairs.row("`tokenkeep token`, stored", 1.0, Unit::Milliseconds);
}

/// The command and the empty process, in the profile that this bench has.
fn build(folder: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "-p", "tokenkeep-cli", "-p", "benches"]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    succeed(&mut cargo);
}

fn store_a_token(program: &Path, home: &Path) {
    let mut command = tokenkeep(program, home);
    let login = command.args(["login", "--flow", "token"]).stdin(Stdio::piped());
    let mut child = login.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"an-access-token-0123456789\n").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    std::thread::sleep(Duration::from_millis(10));
}

fn tokenkeep(program: &Path, home: &Path) -> Command {
    let mut command = quiet(program);
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
    command
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn succeed(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
