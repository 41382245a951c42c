use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use tempfile::TempDir;

use crate::folder::Medium;
use crate::port::{is_served_by, on_free_ports};
use crate::{Program, Server, ServerBuilder, ServiceError, free_port};

const PROGRAM: Program = Program {
    name: "memcached",
    package: "memcached",
};
const LIMIT: Duration = Duration::from_secs(120);

/// How a memcached is to be started.
#[derive(Clone, Debug, Default)]
pub struct MemcachedBuilder {
    arguments: Vec<String>,
    speaks_text: bool,
}

/// A running memcached on 127.0.0.1.
#[derive(Debug)]
pub struct Memcached {
    server: Server,
    address: SocketAddr,
    speaks_text: bool,
    _folder: TempDir,
}

impl MemcachedBuilder {
    /// As the program comes: 64 MiB, items of up to 1 MiB.
    pub fn new() -> Self {
        Self {
            speaks_text: true,
            ..Self::default()
        }
    }

    /// With this many MiB for all items, so that it forgets early.
    pub fn memory_mib(self, mib: u32) -> Self {
        self.argument("-m").argument(mib.to_string())
    }

    /// With a largest item of this many KiB, 512 at least: below, this program breaks.
    pub fn largest_item_kib(self, kib: u32) -> Self {
        self.argument("-I").argument(format!("{kib}k"))
    }

    /// It answers "out of memory" where it would forget something else.
    pub fn without_eviction(self) -> Self {
        self.argument("-M")
    }

    /// It demands a user and a password: of SASL (binary protocol), or of a file (text protocol).
    pub fn demanding_authentication(mut self, how: MemcachedAuthentication) -> Self {
        self.speaks_text = false;
        match how {
            MemcachedAuthentication::Sasl => self.argument("-S"),
            MemcachedAuthentication::File(path) => self.argument("-Y").argument(path.to_string_lossy()),
        }
    }

    /// Starts it on a free port.
    pub fn start(self) -> Result<Memcached, ServiceError> {
        on_free_ports(|| self.start_once())
    }

    fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    fn start_once(&self) -> Result<Memcached, ServiceError> {
        let program = PROGRAM.find()?;
        let folder = Medium::default().folder("memcached")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut server = ServerBuilder::new("memcached", program, folder.path().join("log"))
            .arguments([
                "-l",
                "127.0.0.1",
                "-U",
                "0",
                "-t",
                "2",
                "-p",
                &address.port().to_string(),
            ])
            .arguments(self.arguments.clone());
        if self.arguments.iter().any(|argument| argument == "-S") {
            server = server.variable("SASL_CONF_PATH", sasl_folder(&folder)?);
        }
        if rustix::process::geteuid().is_root() {
            server = server.arguments(["-u", "nobody"]);
        }
        let memcached = Memcached {
            server: server.start(LIMIT, |id| is_served_by(id, address))?,
            address,
            speaks_text: self.speaks_text,
            _folder: folder,
        };
        memcached.check_it_is_ours()?;
        Ok(memcached)
    }
}

/// Which kind of authentication a memcached demands.
#[derive(Clone, Debug)]
pub enum MemcachedAuthentication {
    /// `-S`.
    Sasl,
    /// `-Y`, with a file of lines `user:password`.
    File(std::path::PathBuf),
}

impl Memcached {
    /// As the program comes, on a free port.
    pub fn start() -> Result<Self, ServiceError> {
        MemcachedBuilder::new().start()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it: it forgets everything, and its port refuses connections.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again on the same port, with nothing in it.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        self.server.kill();
        let address = self.address;
        self.server.start(LIMIT, |id| is_served_by(id, address))?;
        self.check_it_is_ours()
    }

    /// It stays, takes connections, and answers nothing.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// It runs on.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Waits until it ends, which nobody asked for.
    pub fn wait(&mut self) -> ServiceError {
        self.server.wait()
    }

    /// One of its own counters, as `evictions` or `curr_items`.
    pub fn statistic(&self, name: &str) -> Option<u64> {
        let answer = ask(self.address, "stats\r\n", "END\r\n").ok()?;
        let mark = format!("STAT {name} ");
        answer.lines().find_map(|line| line.strip_prefix(&mark)?.parse().ok())
    }

    fn check_it_is_ours(&self) -> Result<(), ServiceError> {
        let id = self.server.id().map(u64::from);
        if !self.speaks_text || self.statistic("pid") == id {
            return Ok(());
        }
        Err(ServiceError::new(format!(
            "another program answers at {}",
            self.address
        )))
    }
}

/// Says that passwords come as they are; nobody has one.
fn sasl_folder(folder: &TempDir) -> Result<std::path::PathBuf, ServiceError> {
    use std::os::unix::fs::PermissionsExt as _;
    let failed = |error: std::io::Error| ServiceError::io("no configuration for SASL", &error);
    std::fs::write(folder.path().join("memcached.conf"), "mech_list: plain\n").map_err(failed)?;
    // It is read by a user without rights.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).map_err(failed)?;
    Ok(folder.path().to_owned())
}

fn ask(address: SocketAddr, request: &str, end: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(end.as_bytes()) {
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use super::{Memcached, MemcachedBuilder, ask};

    #[test]
    fn it_keeps_until_it_is_restarted() {
        let mut server = Memcached::start().unwrap();
        assert_eq!(
            ask(server.address(), "set a 0 0 1\r\nx\r\n", "\r\n").unwrap(),
            "STORED\r\n"
        );
        assert_eq!(server.statistic("curr_items"), Some(1));
        server.restart().unwrap();
        assert_eq!(server.statistic("curr_items"), Some(0));
        server.kill();
        assert_eq!(server.statistic("curr_items"), None);
    }

    #[test]
    fn its_limits_are_what_was_asked_for() {
        let server = MemcachedBuilder::new()
            .memory_mib(2)
            .largest_item_kib(512)
            .start()
            .unwrap();
        assert_eq!(server.statistic("limit_maxbytes"), Some(2 << 20));
    }
}
