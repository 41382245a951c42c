//! A server process that cannot outlive us.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::run::Failure;

/// Far longer than it takes: a busy machine stands still for seconds.
const GRACE: Duration = Duration::from_secs(30);

/// A started server. It ends when its standard input ends: when this is dropped, and also when we are
/// killed, since the system then closes our end of the pipe.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Server {
    /// Starts it with its output in `log`, and waits for its first line of standard output.
    pub(crate) fn start(
        name: &'static str,
        command: &mut Command,
        log: &File,
        limit: Duration,
    ) -> Result<(Self, String), Failure> {
        let failed = |error: std::io::Error| Failure(format!("{name} cannot be started: {error}"));
        let errors = log.try_clone().map_err(failed)?;
        let output = log.try_clone().map_err(failed)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().map_err(failed)?;
        let lines = first_line(&mut child, output);
        let stdin = child.stdin.take();
        let server = Self { name, child, stdin };
        match lines.recv_timeout(limit) {
            Ok(line) => Ok((server, line)),
            Err(_) => Err(Failure(format!("{name} was not ready within {} s", limit.as_secs()))),
        }
    }

    /// Waits for its end, which nobody asked for.
    pub(crate) fn wait(&mut self) -> Result<(), Failure> {
        let status = self.child.wait();
        Err(Failure(match status {
            Ok(status) => format!("{} ended with {status}", self.name),
            Err(error) => format!("{} cannot be waited for: {error}", self.name),
        }))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line comes back; the rest goes to the log, so that the pipe never fills.
fn first_line(child: &mut Child, mut log: File) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            if let Some(line) = lines.next() {
                let _ = sender.send(line);
            }
            for line in lines {
                let _ = writeln!(log, "{line}");
            }
        });
    }
    receiver
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::Server;

    const LIMIT: Duration = Duration::from_secs(120);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn log() -> std::fs::File {
        std::fs::File::options().write(true).open("/dev/null").unwrap()
    }

    #[test]
    fn the_first_line_says_ready_and_the_end_of_input_stops_it() {
        let ended = std::env::temp_dir().join(format!("xtask-server-ended-{}", std::process::id()));
        let mut command = shell(&format!("echo ready; cat > /dev/null; touch {}", ended.display()));
        let (server, line) = Server::start("echo", &mut command, &log(), LIMIT).unwrap();
        assert_eq!(line, "ready");
        assert!(!ended.exists());
        drop(server);
        std::fs::remove_file(&ended).expect("it was killed");
    }

    #[test]
    fn one_that_ends_before_it_is_ready_is_a_failure() {
        let mut command = shell("exit 1");
        assert!(Server::start("short", &mut command, &log(), LIMIT).is_err());
    }
}
