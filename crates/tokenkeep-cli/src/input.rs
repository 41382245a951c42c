//! What comes from stdin, and from a person at a terminal.

use std::fs::File;
use std::io::{self, BufRead as _, ErrorKind, IsTerminal as _, Read};
use std::path::Path;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokenkeep::Secret;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;

// Far more than any secret, line or token answer; an endless input must end.
const INPUT_MAX: u64 = 1024 * 1024;
// Some ten thousand profiles.
const BUNDLE_MAX: u64 = 64 * 1024 * 1024;

/// One line of stdin, without its end; empty at the end of the input.
pub(crate) async fn line() -> Result<Secret> {
    let read = aside(|| {
        let mut line = String::new();
        io::stdin().lock().take(INPUT_MAX).read_line(&mut line)?;
        line.truncate(line.trim_end_matches(['\r', '\n']).len());
        Ok(Secret::new(line))
    });
    read.await
        .map_err(|error| Failure::caused(Exit::Failure, "stdin can't be read", error))
}

/// The lines of stdin as they come, without their ends, until there are no more or
/// nobody wants them.
pub(crate) fn lines() -> mpsc::Receiver<Secret> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        loop {
            let mut line = String::new();
            let read = io::stdin().lock().take(INPUT_MAX).read_line(&mut line);
            line.truncate(line.trim_end_matches(['\r', '\n']).len());
            if !matches!(read, Ok(1..)) || sender.blocking_send(Secret::new(line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// All of stdin.
pub(crate) async fn everything() -> Result<Vec<u8>> {
    let read = aside(|| {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    read.await
        .map_err(|error| Failure::caused(Exit::Failure, "stdin can't be read", error))
}

/// All of stdin as text, up to 1 MiB.
pub(crate) async fn text() -> Result<Secret> {
    let read = aside(|| {
        let mut text = String::new();
        io::stdin().lock().take(INPUT_MAX).read_to_string(&mut text)?;
        Ok(Secret::new(text))
    });
    read.await
        .map_err(|error| Failure::caused(Exit::Failure, "stdin can't be read", error))
}

/// Whether somebody is at the terminal: reads what we say, can answer.
pub(crate) fn is_a_person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// A secret in a file, for this; white space around it does not count.
pub(crate) fn secret_file(path: &Path, what: &str) -> Result<Secret> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(INPUT_MAX).read_to_string(&mut text));
    read.map_err(|error| {
        let message = format!("the {what} can't be read from file {}", path.display());
        Failure::caused(Exit::Configuration, message, error)
    })?;
    Ok(Secret::new(trimmed(text)))
}

/// All of a file that holds secrets, up to 1 MiB.
pub(crate) fn text_file(path: &Path) -> Result<Secret> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(INPUT_MAX).read_to_string(&mut text));
    read.map_err(|error| {
        Failure::caused(
            Exit::Configuration,
            format!("file {} can't be read", path.display()),
            error,
        )
    })?;
    Ok(Secret::new(text))
}

/// All of a file, or of stdin for `-`: a bundle.
pub(crate) async fn bundle(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let place = path.to_owned();
    let read = aside(move || {
        let mut bytes = Zeroizing::new(Vec::new());
        if place == Path::new("-") {
            io::stdin().lock().take(BUNDLE_MAX).read_to_end(&mut bytes)?;
        } else {
            File::open(place)?.take(BUNDLE_MAX).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    });
    read.await.map_err(|error| {
        Failure::caused(
            Exit::Failure,
            format!("the bundle {} can't be read", path.display()),
            error,
        )
    })
}

/// Asks a person at the terminal for something that is no secret; `None` if there is
/// nobody, or no answer.
pub(crate) async fn prompt(question: &str) -> Result<Option<String>> {
    if !is_a_person() {
        return Ok(None);
    }
    output::ask(&format!("{question}: "));
    let answer = line().await?;
    Ok(Some(answer.expose().trim().to_owned()).filter(|answer| !answer.is_empty()))
}

/// Asks a person at the terminal for a secret, unseen; `None` if there is nobody.
pub(crate) async fn prompt_secret(question: &str) -> Result<Option<Secret>> {
    if !is_a_person() {
        return Ok(None);
    }
    let _as_it_was = TerminalMode::keep();
    let question = format!("{question}: ");
    match aside(move || rpassword::prompt_password(question)).await {
        Ok(secret) => Ok(Some(Secret::new(trimmed(secret)))),
        // Ctrl-C at the prompt arrives as a key, not as a signal.
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(Failure::silent(Exit::Interrupted)),
        Err(error) => Err(Failure::caused(Exit::Failure, "the terminal can't be read", error)),
    }
}

/// Asks a person at the terminal whether to go on; `None` if there is nobody.
pub(crate) async fn confirm(question: &str) -> Result<Option<bool>> {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Ok(None);
    }
    output::ask(&format!("{question} [y/N] "));
    let answer = line().await?;
    let answer = answer.expose().trim();
    Ok(Some(
        answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"),
    ))
}

/// Gives the terminal its mode back when it is dropped: after a signal during a
/// prompt a person would else not see what they type next.
struct TerminalMode(Option<Termios>);

impl TerminalMode {
    fn keep() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        if let Some(mode) = &self.0 {
            // A terminal that is gone needs no mode.
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, mode);
        }
    }
}

// In place: no second copy of a secret stays behind.
fn trimmed(mut text: String) -> String {
    text.truncate(text.trim_end().len());
    let start = text.len() - text.trim_start().len();
    text.drain(..start);
    text
}

// On a thread of its own, not one of the runtime's: nothing ends a read of a
// terminal, and the runtime would wait for its threads.
async fn aside<T: Send + 'static>(read: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = sender.send(read());
    });
    match receiver.await {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::other("the reading thread ended")),
    }
}
