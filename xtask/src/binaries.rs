//! The test binaries of a run, two at a time: most of what they do is to wait, for servers and for time to pass.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::ScopedJoinHandle;

use serde_json::Value;

use crate::run::{Failure, stream, without_package};

/// These take about half of the time and keep a processor busy, so they run one after the other; the rest beside them.
const BUSY: [&str; 2] = ["e2e", "mongo"];
/// The busiest of the rest: not beside the first.
const LAST: &str = "kms";

/// A test binary, as `cargo test --no-run` built it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    name: String,
    program: PathBuf,
    /// Of its package: tests run in there.
    folder: PathBuf,
    source: PathBuf,
}

impl Binary {
    /// A line of cargo's messages; `None` if it tells of nothing that has tests.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(line).ok()?;
        let is_test = message["reason"] == "compiler-artifact" && message["profile"]["test"] == true;
        is_test.then_some(())?;
        Some(Self {
            name: message["target"]["name"].as_str()?.to_owned(),
            program: message["executable"].as_str()?.into(),
            folder: Path::new(message["manifest_path"].as_str()?).parent()?.to_owned(),
            source: message["target"]["src_path"].as_str()?.into(),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        without_package(&mut command);
        command.env("CARGO_MANIFEST_DIR", &self.folder);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    /// As cargo announces it.
    fn headline(&self) -> String {
        let source = self.source.strip_prefix(&self.folder).unwrap_or(&self.source);
        format!("\n     Running {} ({})", source.display(), self.program.display())
    }

    fn is_busy(&self) -> bool {
        BUSY.contains(&self.name.as_str())
    }
}

/// Those that run one after the other, and those that run beside them.
fn lanes(binaries: Vec<Binary>) -> [Vec<Binary>; 2] {
    let (mut busy, mut rest): (Vec<Binary>, Vec<Binary>) = binaries.into_iter().partition(Binary::is_busy);
    busy.sort_by_key(|binary| BUSY.iter().position(|name| *name == binary.name));
    rest.sort_by_key(|binary| binary.name == LAST);
    [busy, rest]
}

/// Runs all of them, whatever fails, and says which did. `prepare` completes the command of each and is told its lane,
/// 0 or 1; `show` gets what they print, that of each in one piece.
pub(crate) fn run(
    binaries: Vec<Binary>,
    prepare: impl Fn(&mut Command, usize) + Sync,
    show: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<String>, Failure> {
    let stage = Stage::new(show);
    let work = |lane, binaries: Vec<Binary>| -> Result<Vec<String>, Failure> {
        let mut failed = Vec::new();
        for binary in binaries {
            let mut command = binary.command();
            prepare(&mut command, lane);
            if !stage.perform(&binary.headline(), &mut command)? {
                failed.push(binary.program.display().to_string());
            }
        }
        Ok(failed)
    };
    let failed: Result<Vec<_>, Failure> = std::thread::scope(|scope| {
        let lanes = lanes(binaries).into_iter().enumerate();
        let workers: Vec<_> = lanes
            .map(|(lane, binaries)| scope.spawn(move || work(lane, binaries)))
            .collect();
        let results = workers.into_iter().map(ScopedJoinHandle::join);
        results
            .map(|result| result.unwrap_or_else(|_| Err(Failure("a thread that runs tests panicked".into()))))
            .collect()
    });
    stage.close();
    Ok(failed?.concat())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where lines are shown: one binary's as they come, while those of others wait until theirs can be shown together.
struct Stage<'s> {
    show: Mutex<&'s mut (dyn FnMut(&str) + Send)>,
    /// What binaries printed that ended while another was shown.
    ended: Mutex<Vec<String>>,
}

impl<'s> Stage<'s> {
    fn new(show: &'s mut (dyn FnMut(&str) + Send)) -> Self {
        Self {
            show: Mutex::new(show),
            ended: Mutex::default(),
        }
    }

    /// Runs the command to its end; whether it succeeded.
    fn perform(&self, headline: &str, command: &mut Command) -> Result<bool, Failure> {
        let mut kept: Vec<String> = headline.lines().map(str::to_owned).collect();
        let mut show = None;
        let success = stream(command, |line| {
            kept.push(line.to_owned());
            if show.is_none() {
                show = self.show.try_lock().ok();
            }
            if let Some(show) = &mut show {
                kept.drain(..).for_each(|line| show(&line));
            }
        });
        match show {
            Some(mut show) => locked(&self.ended).drain(..).for_each(|line| show(&line)),
            None => locked(&self.ended).append(&mut kept),
        }
        success
    }

    /// Shows what is left.
    fn close(self) {
        let mut show = locked(&self.show);
        locked(&self.ended).drain(..).for_each(|line| show(&line));
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::{Binary, lanes, run};

    fn shell(name: &str) -> Binary {
        Binary {
            name: name.into(),
            program: "/bin/sh".into(),
            folder: "/".into(),
            source: PathBuf::from("/tests").join(name),
        }
    }

    #[test]
    fn a_test_binary_is_read_from_cargos_messages() {
        let message = |test: bool| {
            json!({
                "reason": "compiler-artifact", "profile": {"test": test}, "executable": "/t/debug/deps/kms-1",
                "manifest_path": "/w/crates/store-kms/Cargo.toml",
                "target": {"name": "kms", "src_path": "/w/crates/store-kms/tests/kms/main.rs"},
            })
            .to_string()
        };
        let binary = Binary::parse(&message(true)).unwrap();
        assert_eq!(binary.folder, PathBuf::from("/w/crates/store-kms"));
        assert_eq!(
            binary.headline(),
            "\n     Running tests/kms/main.rs (/t/debug/deps/kms-1)"
        );
        assert_eq!(Binary::parse(&message(false)), None, "the command itself");
        assert_eq!(Binary::parse("   Compiling x v0.1.0"), None);
    }

    #[test]
    fn what_each_prints_stays_together_and_failures_are_told() {
        let binaries = ["e2e", "mongo", "kms", "redis", "json", "cli"].map(shell).to_vec();
        let mut shown = Vec::new();
        let failed = run(
            binaries,
            |command, _| {
                command.args(["-c", "for i in 1 2 3 4 5; do echo $$; sleep 0.01; done; exit 1"]);
            },
            &mut |line: &str| shown.push(line.to_owned()),
        );
        assert_eq!(failed.unwrap().len(), 6);
        let processes: Vec<&String> = shown.iter().filter(|line| line.parse::<u32>().is_ok()).collect();
        assert_eq!(processes.len(), 30);
        for lines in processes.chunks(5) {
            assert!(lines.iter().all(|line| *line == lines[0]), "{shown:?}");
        }
        assert_eq!(shown.iter().filter(|line| line.contains("Running")).count(), 6);
    }

    #[test]
    fn what_cannot_be_started_is_a_failure() {
        let missing = Binary {
            program: "/no/such/program".into(),
            ..shell("missing")
        };
        assert!(run(vec![missing], |_, _| (), &mut |_: &str| ()).is_err());
    }

    #[test]
    fn what_is_busy_runs_one_after_the_other() {
        let names = lanes(["kms", "mongo", "redis", "e2e", "json"].map(shell).to_vec())
            .map(|lane| lane.into_iter().map(|binary| binary.name).collect::<Vec<_>>());
        assert_eq!(names, [vec!["e2e", "mongo"], vec!["redis", "json", "kms"]]);
    }
}
