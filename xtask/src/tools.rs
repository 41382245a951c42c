//! Programs that tests run: installed where we may, else said.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::console::say;
use crate::run::{Failure, capture, succeed};
use crate::services::mentions;
use crate::workspace::Workspace;

/// A program that tests start, and the Debian package that it is in.
struct Tool {
    program: &'static str,
    package: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool {
        program: "chromium",
        package: "chromium",
    },
    Tool {
        program: "memcached",
        package: "memcached",
    },
    Tool {
        program: "redis-server",
        package: "redis-server",
    },
];

/// Sees to it that the programs are there that the tests of these crates name; of all
/// crates where none is named.
pub(crate) fn require(workspace: &Workspace, crates: &[&str]) -> Result<(), Failure> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    for tool in &TOOLS {
        let is_used = workspace.members.iter().any(|member| {
            let asked = crates.is_empty() || crates.contains(&&*member.name);
            asked && member.name != "xtask" && mentions(&member.folder, tool.program)
        });
        if is_used && !is_installed(&path, tool.program) {
            install(tool)?;
        }
    }
    Ok(())
}

fn is_installed(path: &std::ffi::OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

fn install(tool: &Tool) -> Result<(), Failure> {
    if !is_root() || !Path::new("/usr/bin/apt-get").is_file() {
        return Err(missing(tool));
    }
    say(&format!("installing the Debian package {}", tool.package));
    let install = || {
        succeed(&mut apt_get(&[
            "install",
            "--yes",
            "--no-install-recommends",
            tool.package,
        ]))
    };
    // The lists of a fresh system are empty, or old.
    install()
        .or_else(|_| succeed(&mut apt_get(&["update"])).and_then(|()| install()))
        .map_err(|failure| Failure(format!("{failure}\n{}", missing(tool))))
}

fn missing(tool: &Tool) -> Failure {
    Failure(format!(
        "the tests need the program {}; on Debian, as root: apt-get install {}",
        tool.program, tool.package
    ))
}

fn apt_get(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    // Standard output is for the results of the tests.
    command
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(std::io::stderr());
    command
}

fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::{TOOLS, is_installed, missing};

    #[test]
    fn programs_are_looked_for_in_every_folder_of_the_path() {
        let path = std::env::join_paths(["/nowhere", "/usr/bin", "/bin"]).unwrap();
        assert!(is_installed(&path, "env"));
        assert!(!is_installed(&path, "no-such-program-anywhere"));
        assert!(!is_installed("".as_ref(), "env"));
    }

    #[test]
    fn what_is_missing_is_said_with_the_way_to_get_it() {
        for tool in &TOOLS {
            let text = missing(tool).to_string();
            assert!(text.contains(&format!("apt-get install {}", tool.package)), "{text}");
        }
    }
}
