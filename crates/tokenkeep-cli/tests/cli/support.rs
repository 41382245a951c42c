//! A server, a store of its own, and the command run with nothing else around it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use store_testkit::process::{Output, Process, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, AuthorizationServerBuilder, Client};

/// Far longer than anything takes: a busy machine stands still for seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// The client secret. Nothing but the store may ever show it.
pub(crate) const SECRET: &str = "canary-client-secret";
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_tokenkeep");
/// What the command says with `-v` once it has taken a signal.
pub(crate) const SIGNAL_TAKEN: &str = "a signal has come";

/// A server with a service client `app` and a person's client `desktop`, and an
/// empty home folder.
pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    home: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|server| server)
    }

    pub(crate) fn with(change: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder) -> Self {
        // A little less than two hours: "1h" whatever the clock's grain, and for an hour to come.
        let builder = AuthorizationServer::builder()
            .access_token_lifetime(Duration::from_secs(7190))
            .client(Client::confidential("app", SECRET))
            .client(Client::public("desktop"));
        let home = folder().unwrap();
        // Processes without our privileges come here too.
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            server: change(builder).start().unwrap(),
            home,
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// The file of the default store.
    pub(crate) fn store_file(&self) -> PathBuf {
        self.home().join("data/tokenkeep/tokens.json")
    }

    /// The command with these arguments: `"-p x token"`.
    pub(crate) fn command(&self, arguments: &str) -> ProcessBuilder {
        self.program(BIN).args(arguments.split_whitespace())
    }

    /// Another program, in the same home.
    pub(crate) fn program(&self, program: &str) -> ProcessBuilder {
        ProcessBuilder::new(program)
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.home().join("data"))
            .env("XDG_CONFIG_HOME", self.home().join("config"))
    }

    pub(crate) fn run(&self, arguments: &str) -> Output {
        end(self.command(arguments))
    }

    /// The command with this on its stdin.
    pub(crate) fn run_with(&self, arguments: &str, stdin: &str) -> Output {
        end(self.command(arguments).stdin(stdin))
    }

    /// Logs the service client in under a profile.
    pub(crate) fn log_in_service(&self, profile: &str) -> Output {
        let issuer = self.server.issuer();
        let login = format!(
            "-p {profile} login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin"
        );
        let output = self.run_with(&login, SECRET);
        assert_code(&output, 0);
        output
    }

    /// Keeps a login of a person's client under a profile, as made elsewhere.
    pub(crate) fn log_in_person(&self, profile: &str) -> store_testkit::server::Login {
        self.adopt_login(profile, 3600)
    }

    /// The same, but its access token is over: the refresh token must be spent.
    pub(crate) fn log_in_expired_person(&self, profile: &str) -> store_testkit::server::Login {
        self.adopt_login(profile, 0)
    }

    fn adopt_login(&self, profile: &str, expires_in: u64) -> store_testkit::server::Login {
        let login = self.server.log_in("desktop", "read");
        let tokens = serde_json::json!({
            "access_token": login.access_token,
            "refresh_token": login.refresh_token,
            "expires_in": expires_in,
            "token_type": "Bearer",
        });
        let issuer = self.server.issuer();
        let command = format!("-p {profile} login --flow token --issuer {issuer} --client-id desktop");
        assert_code(&self.run_with(&command, &tokens.to_string()), 0);
        login
    }

    pub(crate) fn write_config(&self, text: &str) {
        let folder = self.home().join("config/tokenkeep");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.toml"), text).unwrap();
    }
}

/// In memory where the system has such a place: a service's token that a busy disk takes two seconds to keep is asked
/// for again by the next command, and these tests count requests.
fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())
}

/// Waits until the process has said this on stderr.
#[track_caller]
pub(crate) fn hear(process: &Process, words: &str) {
    let begun = Instant::now();
    while !process.stderr_so_far().contains(words) {
        assert!(
            begun.elapsed() < LIMIT,
            "{words:?} is not in: {}",
            process.stderr_so_far()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn end(command: ProcessBuilder) -> Output {
    command.spawn().unwrap().wait(LIMIT).unwrap()
}

#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    assert_eq!(
        output.code(),
        Some(code),
        "stdout: {}\nstderr: {}",
        output.stdout(),
        output.stderr()
    );
}

/// It fails with this code and says all of this, and nothing on stdout.
#[track_caller]
pub(crate) fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    assert_code(output, code);
    assert_eq!(output.stdout(), "");
    for word in words {
        assert!(
            output.stderr().contains(word),
            "{word:?} is not in: {}",
            output.stderr()
        );
    }
}

pub(crate) fn json(output: &Output) -> Value {
    assert_code(output, 0);
    serde_json::from_slice(output.stdout_bytes()).unwrap()
}

/// What a browser does with the address: where the server sends it.
pub(crate) fn visit(url: &str) -> String {
    let answer = get(url);
    let location = answer.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    location.unwrap_or_else(|| panic!("no redirect: {answer}"))
}

/// The whole answer at the address.
pub(crate) fn get(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A login by paste, or by a browser that the test plays, that has printed its address.
pub(crate) struct PasteLogin {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
    pub(crate) address: String,
}

/// How a login by paste ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl PasteLogin {
    /// Begins one of the client `desktop`, with further arguments.
    pub(crate) fn begin(world: &World, arguments: &str) -> Self {
        let issuer = world.server.issuer();
        let command = format!("login --flow paste --issuer {issuer} --client-id desktop {arguments}");
        Self::begin_as(world, &command)
    }

    /// Begins one with these arguments alone.
    pub(crate) fn begin_as(world: &World, arguments: &str) -> Self {
        let mut child = Command::new(BIN)
            .args(arguments.split_whitespace())
            .env_clear()
            .env("HOME", world.home())
            .env("XDG_DATA_HOME", world.home().join("data"))
            .env("XDG_CONFIG_HOME", world.home().join("config"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut login = Self {
            child,
            stderr,
            said: String::new(),
            address: String::new(),
        };
        login.hear("press Enter");
        let address = login.said.lines().find(|line| line.trim().starts_with("http://"));
        login.address = address.unwrap().trim().to_owned();
        login
    }

    /// Waits until it has said this.
    pub(crate) fn hear(&mut self, words: &str) {
        while !self.said.contains(words) {
            let read = self.stderr.read_line(&mut self.said).unwrap();
            assert_ne!(read, 0, "ended early: {}", self.said);
        }
    }

    /// Where the server sends the browser.
    pub(crate) fn visit(&self) -> String {
        visit(&self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Pastes, and waits for the end.
    pub(crate) fn paste(mut self, text: &str) -> Ended {
        writeln!(self.child.stdin.take().unwrap(), "{text}").unwrap();
        self.end()
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        Ended {
            code: self.child.wait().unwrap().code(),
            stdout,
            stderr: self.said,
        }
    }
}
