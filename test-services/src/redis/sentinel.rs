use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{READY, Redis, run, until, wire};
use crate::{Server, ServiceError, free_port};

/// The name that the sentinel knows the primary by.
const NAME: &str = "main";

/// A primary, its replica, and a sentinel that makes the replica the primary when the primary is gone for a
/// time.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: Vec<Redis>,
    sentinel: Server,
    port: u16,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts them, and waits until the replica has everything and the sentinel knows it.
    /// It takes the primary for gone after `patience`: a busy machine makes a short one see ghosts.
    pub fn start(patience: Duration) -> Result<Self, ServiceError> {
        let primary = Redis::start()?;
        let port = primary.address().port().to_string();
        let replica = Redis::builder()
            .option("replicaof", &format!("127.0.0.1 {port}"))
            .start()?;
        let folder = tempfile::tempdir().map_err(|error| ServiceError::io("no folder for redis", &error))?;
        let configuration = format!(
            "sentinel monitor {NAME} 127.0.0.1 {port} 1\nsentinel down-after-milliseconds {NAME} {}\n\
             sentinel failover-timeout {NAME} 2000\n",
            patience.as_millis()
        );
        let port = free_port()?;
        let sentinel = run(folder.path(), port, &configuration, &["--sentinel"])?;
        let mut all = Self {
            servers: vec![primary, replica],
            sentinel,
            port,
            _folder: folder,
        };
        all.wait_until_ready()?;
        Ok(all)
    }

    /// `redis+sentinel://`, the sentinel and the name.
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
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

    /// Kills the server that is the primary now.
    pub fn kill_primary(&mut self) {
        let primary = self.primary().ok();
        if let Some(server) = self.servers.iter_mut().find(|server| Some(server.address()) == primary) {
            server.kill();
        }
    }

    /// Waits until the sentinel names another primary than this one, and it takes writes.
    pub fn wait_for_other_primary(&self, before: SocketAddr) -> Result<(), ServiceError> {
        let deadline = Instant::now() + READY;
        let is_other = |primary| {
            primary != before && wire::command(primary, None, &["ROLE"]).is_ok_and(|role| role.starts_with("master"))
        };
        while !self.primary().is_ok_and(is_other) {
            if Instant::now() >= deadline {
                return Err(ServiceError::new("the sentinel made nobody else the primary in time"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn ask(&self, words: &[&str]) -> Result<String, ServiceError> {
        ask(self.port, words)
    }

    fn wait_until_ready(&mut self) -> Result<(), ServiceError> {
        let port = self.port;
        let replica = &self.servers[1];
        until(&mut self.sentinel, || {
            let is_synced = replica
                .command(&["INFO", "replication"])
                .is_ok_and(|info| info.contains("master_link_status:up"));
            is_synced && ask(port, &["SENTINEL", "REPLICAS", NAME]).is_ok_and(|found| found.contains("slave"))
        })
    }
}

fn ask(port: u16, words: &[&str]) -> Result<String, ServiceError> {
    wire::command((Ipv4Addr::LOCALHOST, port).into(), None, words)
}
