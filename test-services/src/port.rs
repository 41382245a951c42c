//! Ports that nobody else takes.
//!
//! One that the system gives for nothing, and that is let go until the server starts, is soon an outgoing
//! connection's of another test: a busy machine makes "soon" likely. So ports come from below those that the system
//! gives to such connections, and stay ours while a server is away.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Mutex, PoisonError};

use crate::ServiceError;

/// Below are those of well-known servers.
const LOWEST: u16 = 10_000;
/// Where outgoing connections begin, if the system does not say.
const USUAL_EPHEMERAL: u16 = 32_768;
/// How many others may take a port before our server does.
const TRIES: usize = 10;

/// Each with what keeps other processes of ours from it: the port of the same number in the other protocol, which
/// the system lets go when we end.
static GIVEN: Mutex<BTreeMap<u16, UdpSocket>> = Mutex::new(BTreeMap::new());

/// A port of 127.0.0.1 that nobody listens on now, and that no outgoing connection gets. No two calls get the same
/// one, in whatever processes that use this: it is ours until the process ends.
pub fn free_port() -> Result<u16, ServiceError> {
    let (first, count) = range(ephemeral_begin());
    let start = RandomState::new().hash_one(std::process::id()) % u64::from(count);
    for step in 0..count {
        let offset = (start + u64::from(step)) % u64::from(count);
        let port = first + u16::try_from(offset).unwrap_or_default();
        if is_taken_by_us(port) {
            return Ok(port);
        }
    }
    Err(ServiceError::new("no free port on 127.0.0.1"))
}

/// Does this, which chooses ports; once more with others when somebody took one between choice and start.
pub(crate) fn on_free_ports<T>(mut start: impl FnMut() -> Result<T, ServiceError>) -> Result<T, ServiceError> {
    for _ in 1..TRIES {
        match start() {
            Err(error) if error.is_of_a_taken_port() => {}
            outcome => return outcome,
        }
    }
    start()
}

/// Whether this process, and no other program, takes connections there. Where the system does not tell who does,
/// it is enough that somebody does.
pub(crate) fn is_served_by(process: u32, address: SocketAddr) -> bool {
    if TcpStream::connect(address).is_err() {
        return false;
    }
    let Ok(table) = std::fs::read_to_string("/proc/net/tcp") else {
        return true;
    };
    let sockets: Vec<String> = listeners(&table, address.port()).collect();
    // One that gave its rights away shows them to nobody.
    let open: Vec<_> = std::fs::read_dir(format!("/proc/{process}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .collect();
    open.is_empty()
        || open
            .iter()
            .any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))
}

/// What `/proc/PROCESS/fd` calls the sockets that listen on a port, from `/proc/net/tcp`.
fn listeners(table: &str, port: u16) -> impl Iterator<Item = String> {
    const LISTENING: &str = "0A";
    let mark = format!(":{port:04X}");
    table.lines().filter_map(move |line| {
        let mut words = line.split_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let inode = words.nth(5)?;
        (local.ends_with(&mark) && state == LISTENING).then(|| format!("socket:[{inode}]"))
    })
}

/// The first port and how many there are.
fn range(ephemeral_begin: u16) -> (u16, u16) {
    let end = if ephemeral_begin > LOWEST + 1_000 {
        ephemeral_begin
    } else {
        // Everything is given to outgoing connections here: then nothing is better than the rest.
        USUAL_EPHEMERAL
    };
    (LOWEST, end - LOWEST)
}

fn ephemeral_begin() -> u16 {
    let said = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = said.split_whitespace().next().and_then(|number| number.parse().ok());
    first.unwrap_or(USUAL_EPHEMERAL)
}

fn is_taken_by_us(port: u16) -> bool {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    if given.contains_key(&port) {
        return false;
    }
    let Ok(guard) = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    if is_free {
        given.insert(port, guard);
    }
    is_free
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};
    use std::process::Command;

    use super::{LOWEST, ephemeral_begin, free_port, is_served_by, listeners, on_free_ports, range};
    use crate::ServiceError;

    #[test]
    fn no_port_is_given_twice_and_none_is_one_of_outgoing_connections() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free_port().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        let (first, count) = range(ephemeral_begin());
        assert!(
            ports.iter().all(|port| (first..first + count).contains(port)),
            "{ports:?}"
        );
        for port in ports {
            assert!(
                UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_err(),
                "{port} is let go"
            );
        }
    }

    #[test]
    fn the_range_ends_where_outgoing_connections_begin() {
        assert_eq!(range(32_768), (LOWEST, 22_768));
        assert_eq!(range(49_152), (LOWEST, 39_152));
        assert_eq!(range(1_024), (LOWEST, 22_768));
    }

    #[test]
    fn who_listens_is_told_from_who_does_not() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        assert!(is_served_by(std::process::id(), address));
        if cfg!(target_os = "linux") {
            let mut other = Command::new("sleep").arg("600").spawn().unwrap();
            assert!(!is_served_by(other.id(), address));
            other.kill().unwrap();
            other.wait().unwrap();
        }
        drop(listener);
        assert!(!is_served_by(std::process::id(), address));
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                        0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n\
                        1: 0100007F:1F90 0100007F:8000 01 00000000:00000000 00:00000000 00000000     0        0 78 1 0\n";
        assert_eq!(listeners(table, 8_080).collect::<Vec<_>>(), ["socket:[77]"]);
    }

    #[test]
    fn a_taken_port_is_another_try_and_nothing_else_is() {
        let mut tries = 0;
        let mut fails_with = |text: &str, so_often: usize| {
            tries = 0;
            let outcome = on_free_ports(|| {
                tries += 1;
                if tries > so_often {
                    Ok(tries)
                } else {
                    Err(ServiceError::new(text))
                }
            });
            outcome.ok()
        };
        assert_eq!(fails_with("bind: Address already in use", 2), Some(3));
        assert_eq!(fails_with("no such option", 2), None);
    }
}
