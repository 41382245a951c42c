use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use tempfile::TempDir;

use super::{READY, Redis, is_of_process, program, until, wire};
use crate::folder::Medium;
use crate::port::on_free_ports;
use crate::{Server, ServiceError, free_port};

/// The name that the sentinel knows the primary by.
const NAME: &str = "main";

/// A primary, its replica, and a sentinel that makes the replica the primary when it is told to. By itself it does so
/// only after minutes: a machine that stood still for a while must not look like a dead server.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: Vec<Redis>,
    _sentinel: Server,
    port: u16,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts them, and waits until the replica has everything and the sentinel knows it.
    pub fn start() -> Result<Self, ServiceError> {
        let primary = Redis::start()?;
        let port = primary.address().port();
        let replica = Redis::builder()
            .option("replicaof", &format!("127.0.0.1 {port}"))
            .start()?;
        replica.wait_until_synced()?;
        let folder = Medium::default().folder("redis")?;
        let (sentinel, port) = on_free_ports(|| sentinel(folder.path(), port))?;
        let all = Self {
            servers: vec![primary, replica],
            _sentinel: sentinel,
            port,
            _folder: folder,
        };
        until("the sentinel of redis did not find the replica", || {
            all.ask(&["SENTINEL", "REPLICAS", NAME])
                .is_ok_and(|found| found.contains("slave") && found.contains("master-link-status ok"))
        })?;
        Ok(all)
    }

    /// `redis+sentinel://`, the sentinel and the name.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
    }

    /// Where the sentinel listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The primary's address, as the sentinel has it.
    pub fn primary(&self) -> Result<SocketAddr, ServiceError> {
        let answer = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME])?;
        answer
            .replace(' ', ":")
            .parse()
            .map_err(|_| ServiceError::new(format!("the sentinel names no primary: {answer}")))
    }

    /// Both servers; the first was the primary in the beginning.
    pub fn servers(&mut self) -> &mut [Redis] {
        &mut self.servers
    }

    /// The server that listens there.
    pub fn server_at(&mut self, address: SocketAddr) -> Option<&mut Redis> {
        self.servers.iter_mut().find(|server| server.address() == address)
    }

    /// Kills the server that is the primary now, and says which. Nobody takes over before
    /// [`fail_over`](Self::fail_over).
    pub fn kill_primary(&mut self) -> Result<SocketAddr, ServiceError> {
        let primary = self.primary()?;
        let server = self.server_at(primary);
        server
            .ok_or_else(|| ServiceError::new(format!("the sentinel names a stranger as the primary: {primary}")))?
            .kill();
        Ok(primary)
    }

    /// The sentinel makes the replica the primary, as it does when it has found the primary dead. Waits until it
    /// names the new one in all its answers, which takes writes, and says which it is.
    pub fn fail_over(&self) -> Result<SocketAddr, ServiceError> {
        let before = self.primary()?;
        let mut after = before;
        until("the sentinel made nobody else the primary", || {
            after = self.primary().unwrap_or(before);
            if after == before {
                // Refused while one is under way, or before it has heard of the replica anew.
                let _ = self.ask(&["SENTINEL", "FAILOVER", NAME]);
                return false;
            }
            // It answers by the address first, and has the old one in its list of primaries for a while: clients that
            // ask for that are sent there.
            let listed = self.ask(&["SENTINEL", "MASTER", NAME]);
            listed.is_ok_and(|listed| listed.contains(&format!("port {} ", after.port())))
                && wire::command(after, None, &["ROLE"]).is_ok_and(|role| role.starts_with("master"))
        })?;
        Ok(after)
    }

    fn ask(&self, words: &[&str]) -> Result<String, ServiceError> {
        ask(self.port, words)
    }
}

/// A sentinel that watches the server at a port, and where it listens itself.
fn sentinel(folder: &Path, watched: u16) -> Result<(Server, u16), ServiceError> {
    let configuration = format!(
        "sentinel monitor {NAME} 127.0.0.1 {watched} 1\nsentinel down-after-milliseconds {NAME} 600000\n\
         sentinel failover-timeout {NAME} 10000\n"
    );
    let port = free_port()?;
    let server = program(folder, port, &configuration)?.arguments(["--sentinel"]);
    let is_ready = |id| ask(port, &["INFO"]).is_ok_and(|info| is_of_process(&info, id));
    Ok((server.start(READY, is_ready)?, port))
}

fn ask(port: u16, words: &[&str]) -> Result<String, ServiceError> {
    wire::command((Ipv4Addr::LOCALHOST, port).into(), None, words)
}
