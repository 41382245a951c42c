use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ServiceError;

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/services");
const TOOLS: &str = "servers for tests need Python 3.11 or later with venv: \
                     on Debian and Ubuntu, as root: apt-get install python3-venv";

/// A server for tests that is written in Python: what it needs is pinned in
/// `xtask/services/NAME/requirements.txt`, and installed into a virtual environment of its own under the
/// target folder.
#[derive(Clone, Copy, Debug)]
pub struct PythonService {
    /// The name of its folder.
    pub name: &'static str,
}

impl PythonService {
    /// Installs it under this target folder, unless that was done; `announce` is called before it takes time.
    /// Returns its Python.
    pub fn install(self, target: &Path, announce: impl FnOnce()) -> Result<PathBuf, ServiceError> {
        let folder = target.join("services").join(self.name);
        let (venv, stamp) = (folder.join("venv"), folder.join("installed.txt"));
        let failed = |error: std::io::Error| ServiceError::io(&format!("{} cannot be installed", self.name), &error);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // Two checkouts may share a target folder.
        let guard = File::create(folder.join("install.lock")).map_err(failed)?;
        guard.lock().map_err(failed)?;
        let requirements = Path::new(SOURCES).join(self.name).join("requirements.txt");
        let wanted = std::fs::read_to_string(&requirements).map_err(failed)?;
        let python = venv.join("bin/python");
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) && python.exists() {
            return Ok(python);
        }
        announce();
        let log = folder.join("install.log");
        File::create(&log).map_err(failed)?;
        let arguments = ["-m", "venv", "--clear"].map(Path::new);
        run(
            Path::new("python3"),
            &[&arguments, &[venv.as_path()][..]].concat(),
            &log,
            TOOLS,
        )?;
        let arguments = ["-m", "pip", "install", "--quiet", "--requirement"].map(Path::new);
        let advice = format!("pip could not install what {} names", requirements.display());
        run(
            &python,
            &[&arguments, &[requirements.as_path()][..]].concat(),
            &log,
            &advice,
        )?;
        std::fs::write(stamp, wanted).map_err(failed)?;
        Ok(python)
    }

    /// Its Python, under the target folder that this program lies in; installed if it is not there yet.
    pub(crate) fn ready(self) -> Result<PathBuf, ServiceError> {
        let target = target_folder()
            .ok_or_else(|| ServiceError::new("this program lies in no target folder: set CARGO_TARGET_DIR"))?;
        self.install(&target, || ())
    }
}

/// Cargo marks its target folder, which is above what it built.
fn target_folder() -> Option<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let above = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    above
        .map(Path::to_path_buf)
        .or_else(|| std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from))
}

fn run(program: &Path, arguments: &[&Path], log: &Path, advice: &str) -> Result<(), ServiceError> {
    let failed = |what: &dyn std::fmt::Display| {
        let log = log.display();
        ServiceError::new(format!(
            "{} failed: {what}\n{advice}\n(its output: {log})",
            program.display()
        ))
    };
    let output = || File::options().append(true).open(log);
    let (one, other) = output()
        .and_then(|one| Ok((one, output()?)))
        .map_err(|error| failed(&error))?;
    let status = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(one)
        .stderr(other)
        .status()
        .map_err(|error| failed(&error))?;
    if status.success() { Ok(()) } else { Err(failed(&status)) }
}

#[cfg(test)]
mod tests {
    use super::{run, target_folder};

    #[test]
    fn a_test_finds_the_target_folder() {
        assert!(target_folder().unwrap().is_dir());
    }

    #[test]
    fn what_fails_says_what_to_do_and_where_its_output_is() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "").unwrap();
        let text = run("false".as_ref(), &[], &log, "try again").unwrap_err().to_string();
        assert!(text.contains("try again") && text.contains("log"), "{text}");
    }
}
