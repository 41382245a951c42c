//! The command at a terminal of its own, which comes from util-linux.

use std::path::PathBuf;

use store_testkit::process::{Process, ProcessBuilder};

use super::support::{BIN, LIMIT, World};

const ENDED: &str = "--ended with ";
const OVER: &str = "--over";

/// A command that runs at a terminal.
pub(crate) struct AtTerminal {
    process: Process,
    /// Once this is there the terminal may close.
    leave: PathBuf,
}

/// How it ended, and all that the terminal has shown: its stdout, its stderr and what was typed ahead.
pub(crate) struct Seen {
    pub(crate) code: Option<i32>,
    pub(crate) text: String,
}

impl World {
    /// Starts the command with these arguments at a terminal, where somebody types these answers.
    pub(crate) fn at_terminal(&self, arguments: &str, variables: &[(&str, &str)], answers: &str) -> AtTerminal {
        let leave = self.home().join("left-the-terminal");
        // `script` closes the terminal 10 ms after its command has ended, which on a busy machine is before the last
        // words have come through. So a shell stays there until we have heard them.
        let command = format!(
            "{BIN} {arguments}; code=$?; echo \"{ENDED}$code{OVER}\"; until [ -e {} ]; do /bin/sleep 0.02; done; \
             exit $code",
            leave.display()
        );
        let script = ProcessBuilder::new("/usr/bin/script")
            .args(["-qec", &command, "/dev/null"])
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.home().join("data"));
        let script = variables
            .iter()
            .fold(script, |script, (name, value)| script.env(name, value));
        AtTerminal {
            process: script.stdin(answers).spawn().unwrap(),
            leave,
        }
    }
}

impl AtTerminal {
    /// Waits until the terminal has shown this.
    #[track_caller]
    pub(crate) fn hear(&self, words: &str) {
        let heard = self.process.wait_for_stdout(words, LIMIT);
        assert!(heard, "{words:?} is not in: {}", self.process.stdout_so_far());
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(self) -> Seen {
        self.hear(OVER);
        let shown = self.process.stdout_so_far();
        std::fs::write(&self.leave, "").unwrap();
        let output = self.process.wait(LIMIT).unwrap();
        std::fs::remove_file(&self.leave).unwrap();
        let (text, end) = shown.rsplit_once(ENDED).unwrap();
        let code: i32 = end.split(OVER).next().unwrap().parse().unwrap();
        assert_eq!(output.code(), Some(code), "{shown}");
        Seen {
            code: output.code(),
            text: text.to_owned(),
        }
    }
}
