//! Which address to listen on.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use auth_core::clock::{Clock, SystemClock};
use tokio::net::TcpListener;

/// Where to listen: any free port of 127.0.0.1, under a random path, unless it is
/// told otherwise.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    addresses: Vec<SocketAddr>,
    path: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
}

/// Why nothing listens.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The path can't be one.
    #[error(
        "the path of the redirect URI begins with a slash, has only printable characters and is none of ours \
         (/done, /failed, /unfinished, /favicon.ico)"
    )]
    Path,
    /// Neither 127.0.0.1 nor `[::1]`: others could come instead of the browser.
    #[error("{0} is neither 127.0.0.1 nor [::1]; a login is answered on this machine only")]
    NotLoopback(SocketAddr),
    /// The operating system gave no randomness for the path.
    #[error("the operating system gives no random bytes")]
    Random,
    /// No address could be had.
    #[error("none of the addresses can be listened on: {}", Listed(.0))]
    Taken(Vec<(SocketAddr, io::ErrorKind)>),
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            path: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl ListenerConfig {
    /// Tries this address, after those named before. Port 0 is any free one.
    ///
    /// The redirect URI has this very address; the other of 127.0.0.1 and `[::1]` is
    /// listened on as well, where it can be had.
    ///
    /// # Errors
    /// [`ListenError::NotLoopback`].
    pub fn address(mut self, address: SocketAddr) -> Result<Self, ListenError> {
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if !loopback.contains(&address.ip()) {
            return Err(ListenError::NotLoopback(address));
        }
        self.addresses.push(address);
        Ok(self)
    }

    /// The path of the redirect URI, for servers that want it as it was registered.
    ///
    /// # Errors
    /// [`ListenError::Path`].
    pub fn path(mut self, path: &str) -> Result<Self, ListenError> {
        let printable = path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&b));
        let ours = ["/done", "/failed", "/unfinished", "/favicon.ico"].contains(&path);
        if !path.starts_with('/') || !printable || ours {
            return Err(ListenError::Path);
        }
        self.path = Some(path.to_owned());
        Ok(self)
    }

    /// Reads this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    pub(super) fn path_or_random(&self) -> Result<String, ListenError> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        let random = [getrandom::u64(), getrandom::u64()];
        match random {
            [Ok(first), Ok(second)] => Ok(format!("/{first:016x}{second:016x}")),
            _ => Err(ListenError::Random),
        }
    }
}

/// The sockets, and the address in the redirect URI.
pub(super) async fn sockets(config: &ListenerConfig) -> Result<(Vec<TcpListener>, SocketAddr), ListenError> {
    let any = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ];
    let wanted = if config.addresses.is_empty() {
        &any
    } else {
        &*config.addresses
    };
    let mut taken = Vec::new();
    for address in wanted {
        match both(*address).await {
            Ok(bound) => return Ok(bound),
            Err(error) => taken.push((*address, error.kind())),
        }
    }
    Err(ListenError::Taken(taken))
}

// The other one is a courtesy: the browser goes to the literal in the redirect URI.
async fn both(address: SocketAddr) -> io::Result<(Vec<TcpListener>, SocketAddr)> {
    let first = TcpListener::bind(address).await?;
    let address = first.local_addr()?;
    let other = match address.ip() {
        IpAddr::V4(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let mut sockets = vec![first];
    sockets.extend(TcpListener::bind((other, address.port())).await);
    Ok((sockets, address))
}

struct Listed<'a>(&'a [(SocketAddr, io::ErrorKind)]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (address, kind)) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{address} ({kind})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for good in ["127.0.0.1:0", "[::1]:8080"] {
            assert!(
                ListenerConfig::default().address(good.parse().unwrap()).is_ok(),
                "{good}"
            );
        }
        for bad in [
            "0.0.0.0:0",
            "[::]:0",
            "192.0.2.1:80",
            "127.0.0.2:0",
            "[::ffff:127.0.0.1]:0",
        ] {
            let error = ListenerConfig::default().address(bad.parse().unwrap()).unwrap_err();
            assert!(matches!(error, ListenError::NotLoopback(_)), "{bad}");
        }
    }

    #[test]
    fn paths() {
        for good in ["/", "/callback", "/a/b.c~d%20e"] {
            assert!(ListenerConfig::default().path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "callback",
            "/a b",
            "/a?b",
            "/a#b",
            "/done",
            "/favicon.ico",
            "/é",
            "/a\r\nb",
        ] {
            assert!(
                matches!(ListenerConfig::default().path(bad), Err(ListenError::Path)),
                "{bad}"
            );
        }
    }

    #[test]
    fn random_paths_differ() {
        let path = || ListenerConfig::default().path_or_random().unwrap();
        assert_eq!(path().len(), 33);
        assert_ne!(path(), path());
    }
}
