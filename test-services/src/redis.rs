//! Redis: one server, a cluster, a primary with a replica and a sentinel.

mod certificates;
mod cluster;
mod sentinel;
mod wire;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::folder::Medium;
use crate::port::on_free_ports;
use crate::{Program, Server, ServerBuilder, ServiceError, free_port};

pub use certificates::Certificates;
pub use cluster::RedisCluster;
pub use sentinel::RedisSentinel;

const PROGRAM: Program = Program {
    name: "redis-server",
    package: "redis-server",
};
/// For what must come about, however busy the machine.
const READY: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(5);
const ADMIN: (&str, &str) = ("admin", "admin-password");

/// A Redis server. Dropping it ends it and removes its files.
#[derive(Debug)]
pub struct Redis {
    server: Server,
    port: u16,
    tls_port: Option<u16>,
    certificates: Option<Certificates>,
    login: Option<(String, String)>,
    folder: TempDir,
}

/// How a [`Redis`] shall be.
#[derive(Clone, Debug, Default)]
pub struct RedisBuilder {
    configuration: String,
    tls: bool,
    login: Option<(String, String)>,
    medium: Medium,
}

impl Redis {
    /// A server that keeps everything in memory.
    pub fn start() -> Result<Self, ServiceError> {
        Self::builder().start()
    }

    /// A server with options.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    /// Where it listens without TLS.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// `redis://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `rediss://127.0.0.1:PORT`, where TLS was asked for: it wants a client certificate.
    pub fn tls_url(&self) -> Option<String> {
        self.tls_port.map(|port| format!("rediss://127.0.0.1:{port}"))
    }

    /// The files for TLS, where it was asked for.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// Its folder, which a test may put files into.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Sends a command as its administrator; the answer as text, lists joined by spaces. A refusal is the
    /// error.
    pub fn command(&self, words: &[&str]) -> Result<String, ServiceError> {
        let login = self
            .login
            .as_ref()
            .map(|(user, password)| (user.as_str(), password.as_str()));
        wire::command(self.address(), login, words)
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Asks it to end, and waits.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Starts it again at the same port with the same files.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        let (address, login) = (self.address(), self.login.clone());
        self.server.start(READY, |id| is_ready(id, address, login.as_ref()))
    }

    /// Waits until it has all that its primary has, and is told what is written there.
    pub fn wait_until_synced(&self) -> Result<(), ServiceError> {
        until("the replica of redis was not synced", || {
            self.command(&["INFO", "replication"])
                .is_ok_and(|info| info.contains("master_link_status:up"))
        })
    }

    /// It stands still.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Waits until it ends, which nobody asked for.
    pub fn wait(&mut self) -> ServiceError {
        self.server.wait()
    }
}

impl RedisBuilder {
    /// One more line of its configuration file.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        let _ = writeln!(self.configuration, "{name} {value}");
        self
    }

    /// With an append-only file, synced with each write.
    pub fn durable(self) -> Self {
        self.option("appendonly", "yes").option("appendfsync", "always")
    }

    /// Its files lie on a real disk, for who measures: else in memory, where the system has a place there.
    pub fn on_disk(mut self) -> Self {
        self.medium = Medium::Disk;
        self
    }

    /// With this password for everybody.
    pub fn password(mut self, password: &str) -> Self {
        self.login = Some(("default".into(), password.into()));
        self.option("requirepass", password)
    }

    /// With this user, by rules as of `ACL SETUSER`; who names no user gets in no more.
    pub fn user(mut self, name: &str, password: &str, rules: &str) -> Self {
        if self.login.is_none() {
            let (admin, secret) = ADMIN;
            self.login = Some((admin.into(), secret.into()));
            self = self
                .option("user", "default off")
                .option("user", &format!("{admin} on >{secret} ~* &* +@all"));
        }
        self.option("user", &format!("{name} on >{password} {rules}"))
    }

    /// With a TLS port too, that wants a client certificate.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Starts it.
    pub fn start(self) -> Result<Redis, ServiceError> {
        on_free_ports(|| self.clone().start_once())
    }

    fn start_once(mut self) -> Result<Redis, ServiceError> {
        let folder = self.medium.folder("redis")?;
        let port = free_port()?;
        let tls = self.tls.then(|| free_port().map(|tls_port| (tls_port, folder.path())));
        let tls = match tls.transpose()? {
            Some((tls_port, folder)) => {
                let certificates = Certificates::make(folder)?;
                self = self
                    .option("tls-port", &tls_port.to_string())
                    .option("tls-ca-cert-file", &text(&certificates.authority))
                    .option("tls-cert-file", &text(&certificates.server))
                    .option("tls-key-file", &text(&certificates.server_key));
                Some((tls_port, certificates))
            }
            None => None,
        };
        let server = program(folder.path(), port, &self.configuration)?;
        let (address, login) = ((Ipv4Addr::LOCALHOST, port).into(), self.login.as_ref());
        let server = server.start(READY, |id| is_ready(id, address, login))?;
        let (tls_port, certificates) = tls.unzip();
        Ok(Redis {
            server,
            port,
            tls_port,
            certificates,
            login: self.login,
            folder,
        })
    }
}

/// The program with this configuration.
fn program(folder: &Path, port: u16, configuration: &str) -> Result<ServerBuilder, ServiceError> {
    let file: PathBuf = folder.join(format!("redis-{port}.conf"));
    let usual = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\ndbfilename dump-{port}.rdb\nappenddirname aof-{port}\n",
        folder.display()
    );
    std::fs::write(&file, format!("{usual}save \"\"\n{configuration}"))
        .map_err(|error| ServiceError::io("the configuration of redis can't be written", &error))?;
    Ok(ServerBuilder::new("redis", PROGRAM.find()?, folder.join("log")).arguments([file.into_os_string()]))
}

/// Waits for this, which is to come about by itself.
fn until(what_was_not: &str, mut is_so: impl FnMut() -> bool) -> Result<(), ServiceError> {
    let deadline = Instant::now() + READY;
    while !is_so() {
        if Instant::now() >= deadline {
            return Err(ServiceError::new(format!(
                "{what_was_not} within {} s",
                READY.as_secs()
            )));
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether it is this process that answers, and it has read its files.
fn is_ready(id: u32, address: SocketAddr, login: Option<&(String, String)>) -> bool {
    let login = login.map(|(user, password)| (user.as_str(), password.as_str()));
    wire::command(address, login, &["INFO"])
        .is_ok_and(|info| is_of_process(&info, id) && info.lines().any(|line| line.trim_end() == "loading:0"))
}

fn is_of_process(info: &str, id: u32) -> bool {
    let mark = format!("process_id:{id}");
    info.lines().any(|line| line.trim_end() == mark)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Redis, RedisCluster, RedisSentinel};

    #[test]
    fn one_that_is_durable_keeps_what_it_has_when_it_is_killed() {
        let mut redis = Redis::builder().durable().password("p w").start();
        assert!(redis.is_err(), "a password with a blank is no configuration");
        redis = Redis::builder().durable().password("pw").start();
        let mut redis = redis.unwrap();
        redis.command(&["SET", "a", "1"]).unwrap();
        redis.kill();
        assert!(redis.command(&["PING"]).is_err());
        redis.restart().unwrap();
        assert_eq!(redis.command(&["GET", "a"]).unwrap(), "1");
    }

    #[test]
    fn users_and_certificates() {
        let redis = Redis::builder()
            .user("app", "secret", "~a:* +get")
            .tls()
            .start()
            .unwrap();
        assert_eq!(redis.command(&["ACL", "WHOAMI"]).unwrap(), "admin");
        assert!(redis.command(&["NONSENSE"]).is_err());
        assert!(redis.certificates().unwrap().client_key.is_file());
        assert!(redis.tls_url().unwrap().starts_with("rediss://"));
    }

    #[test]
    fn a_cluster_takes_keys_on_every_node() {
        let cluster = RedisCluster::start().unwrap();
        assert_eq!(cluster.addresses().len(), 3);
        assert!(cluster.url().starts_with("redis+cluster://127.0.0.1:"));
    }

    #[test]
    fn a_sentinel_makes_the_replica_the_primary() {
        let mut servers = RedisSentinel::start().unwrap();
        let first = servers.primary().unwrap();
        let killed = servers.kill_primary().unwrap();
        assert_eq!(killed, first);
        assert_eq!(servers.primary().unwrap(), first, "nobody was told to fail over");
        let second = servers.fail_over().unwrap();
        assert_ne!(second, first);
        assert_eq!(servers.primary().unwrap(), second);
        assert!(servers.server_at(killed).unwrap().command(&["PING"]).is_err());
        assert!(servers.server_at(second).unwrap().command(&["PING"]).is_ok());
        assert_eq!(servers.kill_primary().unwrap(), second);
    }

    #[test]
    fn the_process_is_told_from_others() {
        let info = "# Server\r\nprocess_id:123\r\nrun_id:x\r\n";
        assert!(super::is_of_process(info, 123));
        assert!(!super::is_of_process(info, 12));
    }
}
