//! Where a node is.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

const PORT: u16 = 11_211;

/// Where a node is: `HOST` or `HOST:PORT`, an IPv6 address in brackets. Without a
/// port it is 11211.
///
/// Its text form, in lower case and always with the port, decides which keys the
/// node gets: processes that share nodes must write them alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeAddress {
    host: String,
    port: u16,
}

impl NodeAddress {
    /// The host: a name, or an address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether what is sent there stays on this host.
    pub fn is_loopback(&self) -> bool {
        let address = self.host.parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or(AddressError)?;
            let host: Ipv6Addr = host.parse().map_err(|_| AddressError)?;
            (host.to_string(), port)
        } else {
            let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (host_name(host)?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => PORT,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(AddressError)?
            }
            _ => return Err(AddressError),
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The text names no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressError;

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a node: HOST, HOST:PORT or [IPV6]:PORT")
    }
}

impl std::error::Error for AddressError {}

fn host_name(text: &str) -> Result<String, AddressError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if text.is_empty() || text.len() > 253 || !text.bytes().all(is_plain) {
        return Err(AddressError);
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_spelling() {
        for (text, spelled, is_loopback) in [
            ("Cache-1.Example", "cache-1.example:11211", false),
            ("10.0.0.7:11300", "10.0.0.7:11300", false),
            ("127.0.0.1", "127.0.0.1:11211", true),
            ("localhost:1", "localhost:1", true),
            ("[::1]:9", "[::1]:9", true),
            ("[2001:DB8::1]", "[2001:db8::1]:11211", false),
        ] {
            let address: NodeAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), spelled);
            assert_eq!(address.is_loopback(), is_loopback, "{text}");
            assert_eq!(address.to_string().parse(), Ok(address));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", ":1", "a:", "a:0", "a:x", "a:+1", "a:70000", "a b", "a/b", "::1", "[::1", "[a]:1", "[::1]1", "u@h",
        ] {
            assert_eq!(text.parse::<NodeAddress>(), Err(AddressError), "{text}");
        }
    }
}
