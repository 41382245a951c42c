//! Which nodes, and what is allowed.

use std::time::Duration;

use auth_core::store::{Operation, StoreError};

use crate::address::NodeAddress;
use crate::error::Fault;

const SCHEME: &str = "memcached://";
const OPTIONS: &str = "allow_volatile_refresh_tokens=true, plaintext=allow, namespace=NAME, \
                       largest_item=BYTES, connect_timeout=MS, answer_timeout=MS";
const LONGEST_NAMESPACE: usize = 64;
const LEAST_ITEM: usize = 8 * 1_024;
/// What an item holds besides the value: the server's own fields and the name.
pub(crate) const AROUND_VALUE: usize = 1_024;
/// What a value holds besides a record's body: key, version, end, hints.
pub(crate) const AROUND_BODY: usize = 4_096;

/// Which nodes, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemcachedConfig {
    pub(crate) nodes: Vec<NodeAddress>,
    pub(crate) namespace: String,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) largest_item: usize,
    pub(crate) plaintext: bool,
    pub(crate) volatile_refresh_tokens: bool,
}

impl MemcachedConfig {
    /// These nodes, each `HOST` or `HOST:PORT`. Their order does not matter.
    ///
    /// # Errors
    /// `Invalid` if there is none, one is no address, or one is named twice.
    pub fn new<N: AsRef<str>>(nodes: impl IntoIterator<Item = N>) -> Result<Self, StoreError> {
        let mut known: Vec<NodeAddress> = Vec::new();
        for (number, node) in (1..).zip(nodes) {
            // The text is not repeated: a password may stand in it.
            let node: NodeAddress = node
                .as_ref()
                .parse()
                .map_err(|error| invalid(format!("node {number}: {error}")))?;
            if known.contains(&node) {
                return Err(invalid(format!("node {node} is named twice")));
            }
            known.push(node);
        }
        if known.is_empty() {
            return Err(invalid("no node is named: memcached://HOST or memcached://HOST,HOST"));
        }
        Ok(Self {
            nodes: known,
            namespace: "tokenkeep".to_owned(),
            connect_timeout: Duration::from_millis(500),
            answer_timeout: Duration::from_secs(1),
            largest_item: 1 << 20,
            plaintext: false,
            volatile_refresh_tokens: false,
        })
    }

    /// From `memcached://NODE,NODE,…`, with options after a `?`, joined by `&`:
    ///
    /// - `plaintext=allow`: see [`allow_plaintext`](Self::allow_plaintext);
    /// - `allow_volatile_refresh_tokens=true`: see
    ///   [`allow_volatile_refresh_tokens`](Self::allow_volatile_refresh_tokens);
    /// - `namespace=NAME`, `largest_item=BYTES`, `connect_timeout=MS`, `answer_timeout=MS`.
    ///
    /// # Errors
    /// `Invalid` if it is no such URL, or an option is not known.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let rest = url
            .strip_prefix(SCHEME)
            .ok_or_else(|| invalid("a Memcached store is named memcached://HOST,HOST"))?;
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (nodes, path) = place.split_once('/').unwrap_or((place, ""));
        if nodes.contains('@') {
            return Err(invalid(
                "user and password are of no use: this store can't authenticate; leave them away",
            ));
        }
        if !path.is_empty() {
            return Err(invalid(
                "a path means nothing here; records are kept apart by ?namespace=NAME",
            ));
        }
        let config = Self::new(nodes.split(',').filter(|node| !node.is_empty()))?;
        let mut given = options.split('&').filter(|option| !option.is_empty());
        given.try_fold(config, Self::with_option)
    }

    /// The name by which these records are kept apart from others on the same nodes:
    /// 1 to 64 letters, digits, `.`, `_` and `-`. `tokenkeep`, unless said otherwise.
    ///
    /// # Errors
    /// `Invalid` if it is no such name.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Result<Self, StoreError> {
        self.namespace = namespace.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if self.namespace.is_empty()
            || self.namespace.len() > LONGEST_NAMESPACE
            || !self.namespace.bytes().all(is_plain)
        {
            return Err(invalid("a namespace has 1 to 64 letters, digits, `.`, `_` and `-`"));
        }
        Ok(self)
    }

    /// How long a connection may take to come about, name look-up included (500 ms).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// How long a node may take to answer (1 s).
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.answer_timeout = limit;
        self
    }

    /// The largest item that the nodes take, in bytes: their option `-I` (1 MiB), 8 KiB at
    /// least. What is larger is refused before it is sent.
    ///
    /// # Errors
    /// `Invalid` below 8 KiB, where no record fits.
    pub fn largest_item(mut self, bytes: usize) -> Result<Self, StoreError> {
        if bytes < LEAST_ITEM {
            return Err(invalid("largest_item is below 8192 bytes, where no record fits"));
        }
        self.largest_item = bytes;
        Ok(self)
    }

    /// Allows nodes that are not on this host. Everything is sent to them readable, and
    /// nobody proves who they are: for networks that are trusted, or where a seal around
    /// the store encrypts.
    pub fn allow_plaintext(mut self) -> Self {
        self.plaintext = true;
        self
    }

    /// Allows refresh tokens, which the nodes may forget at any time: then a person must
    /// log in again.
    pub fn allow_volatile_refresh_tokens(mut self) -> Self {
        self.volatile_refresh_tokens = true;
        self
    }

    /// The nodes.
    pub fn nodes(&self) -> &[NodeAddress] {
        &self.nodes
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.nodes.iter().find(|node| !node.is_loopback()) {
            Some(node) if !self.plaintext => Err(invalid(format!(
                "{node} is another host, and Memcached sends tokens readable over the network; \
                 say plaintext=allow if the network is trusted"
            ))),
            _ => Ok(()),
        }
    }

    /// How long a whole operation may take: it has one connection to make, mostly.
    pub(crate) fn limit(&self) -> Duration {
        2 * self.connect_timeout + 4 * self.answer_timeout
    }

    /// The longest value that an item holds.
    pub(crate) fn longest_value(&self) -> usize {
        self.largest_item - AROUND_VALUE
    }

    /// The longest body of a record.
    pub(crate) fn longest_body(&self) -> usize {
        self.longest_value() - AROUND_BODY
    }

    fn with_option(self, option: &str) -> Result<Self, StoreError> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match (name, value) {
            ("plaintext", "allow") => Ok(self.allow_plaintext()),
            ("allow_volatile_refresh_tokens", "true") => Ok(self.allow_volatile_refresh_tokens()),
            ("allow_volatile_refresh_tokens", "false") => Ok(self),
            ("namespace", namespace) => self.namespace(namespace),
            ("largest_item", bytes) => self.largest_item(number(name, bytes)?),
            ("connect_timeout", limit) => Ok(self.connect_timeout(milliseconds(name, limit)?)),
            ("answer_timeout", limit) => Ok(self.answer_timeout(milliseconds(name, limit)?)),
            _ => Err(unknown(name)),
        }
    }
}

fn milliseconds(name: &str, text: &str) -> Result<Duration, StoreError> {
    match number(name, text)? {
        0 => Err(unknown(name)),
        limit => Ok(Duration::from_millis(limit)),
    }
}

fn number<N: std::str::FromStr>(name: &str, text: &str) -> Result<N, StoreError> {
    text.parse().map_err(|_| unknown(name))
}

// Only the name is repeated: a value may be anything.
fn unknown(name: &str) -> StoreError {
    invalid(format!(
        "option {name:?} is not known with this value; there are {OPTIONS}"
    ))
}

fn invalid(message: impl Into<String>) -> StoreError {
    Fault::invalid(message).at(Operation::Open)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_nodes_and_options() {
        let parsed = |url| MemcachedConfig::from_url(url).unwrap();
        let plain = |nodes: &[&str]| MemcachedConfig::new(nodes).unwrap();
        assert_eq!(parsed("memcached://a,b:1"), plain(&["a:11211", "b:1"]));
        assert_eq!(
            parsed("memcached://[::1]/?plaintext=allow"),
            plain(&["[::1]"]).allow_plaintext()
        );
        let all = parsed(
            "memcached://a?namespace=n1&allow_volatile_refresh_tokens=true&largest_item=65536\
             &connect_timeout=50&answer_timeout=70",
        );
        let config = plain(&["a"]).namespace("n1").unwrap().largest_item(65_536).unwrap();
        let config = config.allow_volatile_refresh_tokens();
        let config = config.connect_timeout(Duration::from_millis(50));
        assert_eq!(all, config.answer_timeout(Duration::from_millis(70)));
    }

    #[test]
    fn other_urls_say_what_to_write_and_repeat_no_secret() {
        for (url, hint) in [
            ("redis://a", "memcached://HOST"),
            ("memcached://", "no node"),
            ("memcached://user:canary@a", "can't authenticate"),
            ("memcached://a,canary b", "node 2"),
            ("memcached://a,A:11211", "twice"),
            ("memcached://a/canary", "namespace"),
            ("memcached://a?plaintext=canary", "plaintext=allow"),
            ("memcached://a?tls=canary", "\"tls\""),
            ("memcached://a?namespace=canary%20", "letters"),
            ("memcached://a?answer_timeout=0", "answer_timeout=MS"),
            ("memcached://a?largest_item=100", "8192"),
        ] {
            let error = MemcachedConfig::from_url(url).unwrap_err();
            assert_eq!(error.kind(), auth_core::store::StoreErrorKind::Invalid);
            let text = error.to_string();
            assert!(text.contains(hint) && !text.contains("canary"), "{url}: {text}");
        }
    }

    #[test]
    fn other_hosts_are_named_and_need_a_word() {
        let config = |url| MemcachedConfig::from_url(url).unwrap().check();
        assert!(config("memcached://localhost,127.8.9.1:1,[::1]").is_ok());
        assert!(config("memcached://10.0.0.1?plaintext=allow").is_ok());
        let error = config("memcached://localhost,cache.internal").unwrap_err().to_string();
        assert!(
            error.contains("cache.internal:11211") && error.contains("plaintext=allow"),
            "{error}"
        );
    }
}
