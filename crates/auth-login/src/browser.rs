//! Opens a browser: never through a shell, and only at addresses that can mean
//! nothing else.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;
use url::{Host, Url};

/// Longer than any authorization URL; shorter than what systems refuse.
const URL_MAX: usize = 16 * 1024;

/// A browser, or its launcher, that can't start says so at once.
const EARLY_END: Duration = Duration::from_secs(1);

/// Settings of ours, which may be secrets, are not the browser's to know.
const OWN_VARIABLES: &str = "TOKENKEEP_";

/// Which browser to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Browser {
    /// The person's usual one.
    #[default]
    Usual,
    /// The first of these commands that starts.
    Commands(Vec<BrowserCommand>),
    /// None: the address is shown, and the person goes there.
    None,
}

/// A command: a program and its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserCommand {
    program: String,
    arguments: Vec<String>,
}

/// Why no browser was opened. The login goes on: the address can be opened by hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrowserError {
    /// The address is not https, nor http to this machine, or is far too long.
    #[error("no browser is opened at an address that is neither https nor on this machine")]
    Address,
    /// The command ended with a failure.
    #[error("the browser command {program} ended with {status}")]
    Ended {
        /// Its program.
        program: String,
        /// How.
        status: ExitStatus,
    },
    /// The command can't be started.
    #[error("the browser command {program} can't be started")]
    Start {
        /// Its program.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// No browser was found.
    #[error("no browser could be opened")]
    Usual(#[source] io::Error),
}

impl Browser {
    /// This command: words by white space, no quotes; `%s` stands for the address,
    /// which else comes last. Empty text is no browser at all.
    pub fn command(text: &str) -> Self {
        match BrowserCommand::parse(text) {
            Some(command) => Self::Commands(vec![command]),
            None => Self::None,
        }
    }

    /// What the variable `BROWSER` says: commands, with `:` between them, to be tried
    /// in order. Unset or empty: the usual browser.
    pub fn from_variable(value: Option<&OsStr>) -> Self {
        let text = value.and_then(OsStr::to_str).unwrap_or_default();
        let commands: Vec<_> = text.split(':').filter_map(BrowserCommand::parse).collect();
        if commands.is_empty() {
            return Self::Usual;
        }
        Self::Commands(commands)
    }

    /// Opens it at this address.
    ///
    /// # Errors
    /// [`BrowserError`]; of several commands, that of the last.
    pub async fn open(&self, url: &Url) -> Result<(), BrowserError> {
        if *self == Self::None {
            return Ok(());
        }
        let address = address(url).ok_or(BrowserError::Address)?;
        let browser = self.clone();
        let (sender, outcome) = oneshot::channel();
        // Not one of the runtime's threads: some browsers run in the terminal until they
        // are left, and the end of a runtime waits for its threads.
        std::thread::spawn(move || {
            let _ = sender.send(browser.open_at(&address, EARLY_END));
        });
        let broken = |_| BrowserError::Usual(io::Error::other("given up"));
        outcome.await.map_err(broken)?
    }

    /// A command that has not ended by `early` is taken for a browser that runs.
    fn open_at(&self, address: &str, early: Duration) -> Result<(), BrowserError> {
        match self {
            Self::None => Ok(()),
            Self::Usual => {
                let mut options = webbrowser::BrowserOptions::new();
                options.with_suppress_output(true);
                webbrowser::open_browser_with_options(webbrowser::Browser::Default, address, &options)
                    .map_err(BrowserError::Usual)
            }
            Self::Commands(commands) => {
                let mut outcome = Err(BrowserError::Usual(io::ErrorKind::NotFound.into()));
                for command in commands {
                    outcome = command.start(address, early);
                    if outcome.is_ok() {
                        break;
                    }
                }
                outcome
            }
        }
    }
}

impl BrowserCommand {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        Some(Self {
            program: words.next()?,
            arguments: words.collect(),
        })
    }

    fn start(&self, address: &str, early: Duration) -> Result<(), BrowserError> {
        let child = self.prepare(address).spawn().map_err(|source| BrowserError::Start {
            program: self.program.clone(),
            source,
        })?;
        match early_end(child, early) {
            Some(status) if !status.success() => Err(BrowserError::Ended {
                program: self.program.clone(),
                status,
            }),
            _ => Ok(()),
        }
    }

    fn prepare(&self, address: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|argument| argument.replace("%s", address)));
        if !self.arguments.iter().any(|argument| argument.contains("%s")) {
            command.arg(address);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with(OWN_VARIABLES)) {
                command.env_remove(name);
            }
        }
        // Ctrl-C in the terminal ends the login, not the browser.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// How it ended, if it does within this time. A thread of its own waits for it, so that it does
/// not stay behind as a zombie.
fn early_end(mut child: Child, early: Duration) -> Option<ExitStatus> {
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = sender.send(child.wait());
    });
    ended.recv_timeout(early).ok()?.ok()
}

/// The address as it may be handed to a program: parsed and written anew, printable,
/// and with everything encoded that a shell or a launcher behind us could take for more
/// than text.
fn address(url: &Url) -> Option<String> {
    let here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && here);
    let bare = url.username().is_empty() && url.password().is_none();
    if !scheme || !bare || !url.has_host() {
        return None;
    }
    let mut text = String::new();
    for c in url.as_str().chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => text.push(c),
            _ if "-._~:/?#[]@&+,=%".contains(c) => text.push(c),
            // Writing to a String does not fail.
            '!'..='~' => drop(write!(text, "%{:02X}", u32::from(c))),
            _ => return None,
        }
    }
    (text.len() <= URL_MAX && (text.starts_with("https://") || text.starts_with("http://"))).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        address(&Url::parse(text).ok()?)
    }

    #[test]
    fn usual_addresses_stay_as_they_are() {
        for text in [
            "https://as.example/authorize?client_id=a&state=x-_~.&scope=a+b&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb",
            "http://127.0.0.1:8080/authorize?a=b",
            "http://[::1]:8080/",
        ] {
            assert_eq!(written(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_a_shell_could_read_is_encoded() {
        let hostile = written("https://as.example/$(touch$IFS/tmp/x)`id`;'a'|b!?q='$(id)';\"<>{}^*").unwrap();
        assert!(
            hostile.starts_with("https://as.example/%24%28touch%24IFS/tmp/x%29%60id%60%3B"),
            "{hostile}"
        );
        assert!(
            !hostile.contains(|c: char| "$()`;'|!\"<>{}^*\\ ".contains(c)),
            "{hostile}"
        );
    }

    #[test]
    fn commands_are_words() {
        let parsed = |text: &str| match Browser::from_variable(Some(OsStr::new(text))) {
            Browser::Commands(commands) => commands
                .iter()
                .map(|command| {
                    let prepared = command.prepare("URL");
                    let words = std::iter::once(prepared.get_program()).chain(prepared.get_args());
                    words.map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join("|")
                })
                .collect(),
            other => vec![format!("{other:?}")],
        };
        assert_eq!(parsed("firefox"), ["firefox|URL"]);
        assert_eq!(parsed("a --new=%s -x:b 'c'"), ["a|--new=URL|-x", "b|'c'|URL"]);
        assert_eq!(parsed(" : "), ["Usual"]);
        assert_eq!(Browser::from_variable(None), Browser::Usual);
        assert_eq!(Browser::command("  "), Browser::None);
    }

    /// However slow the machine is: these commands end by themselves.
    const ENOUGH: Duration = Duration::from_secs(120);

    #[test]
    fn the_next_command_where_one_fails() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("record");
        let list = format!("no-such-program-anywhere:false:touch {} %s", record.display());
        let browser = Browser::from_variable(Some(OsStr::new(&list)));
        let address = folder.path().join("address");
        browser.open_at(address.to_str().unwrap(), ENOUGH).unwrap();
        assert!(record.exists() && address.exists());
        let error = Browser::command("false").open_at("x", ENOUGH).unwrap_err();
        assert!(matches!(error, BrowserError::Ended { .. }), "{error}");
        let error = Browser::command("no-such-program-anywhere")
            .open_at("x", ENOUGH)
            .unwrap_err();
        assert!(matches!(error, BrowserError::Start { .. }), "{error}");
    }

    #[test]
    fn a_command_that_goes_on_is_a_browser_that_runs() {
        let running = Browser::command("sleep 2 %s").open_at("2", Duration::from_millis(1));
        running.unwrap();
    }
}
