//! What a store can do and promises: only true differences, no quality marks.

use std::fmt;

/// What a store can do and promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether [`list`](super::TokenStore::list) works.
    pub lists: bool,
    /// What a saved record survives.
    pub persistence: Persistence,
    /// Who is kept out by a lease.
    pub lease_scope: LeaseScope,
    /// What ends a lease whose holder is gone.
    pub lease_end: LeaseEnd,
    /// The largest body of a record in bytes, where there is a limit.
    pub largest_record: Option<usize>,
    /// Whether whoever opened an [evictable](Persistence::Evictable) store allowed by
    /// name that it holds refresh tokens.
    pub volatile_refresh_tokens: bool,
    /// Whether what is kept is sealed: then a manager needs its
    /// [sealer](super::TokenStore::sealer).
    pub sealed: bool,
}

impl Capabilities {
    /// A store that lists, without a limit of size.
    pub const fn new(persistence: Persistence, lease_scope: LeaseScope, lease_end: LeaseEnd) -> Self {
        Self {
            lists: true,
            persistence,
            lease_scope,
            lease_end,
            largest_record: None,
            volatile_refresh_tokens: false,
            sealed: false,
        }
    }

    /// The same, not able to list.
    pub const fn without_list(mut self) -> Self {
        self.lists = false;
        self
    }

    /// The same, with a largest record in bytes.
    pub const fn with_largest_record(mut self, bytes: usize) -> Self {
        self.largest_record = Some(bytes);
        self
    }

    /// The same, sealed.
    pub const fn sealed(mut self) -> Self {
        self.sealed = true;
        self
    }

    /// Whether refresh tokens are refused here unless their owner allows it by name:
    /// what is forgotten can't be asked for again.
    pub fn refuses_refresh_tokens(&self) -> bool {
        self.persistence == Persistence::Evictable && !self.volatile_refresh_tokens
    }

    /// The same, with refresh tokens allowed by name though they may be forgotten.
    pub const fn with_volatile_refresh_tokens(mut self) -> Self {
        self.volatile_refresh_tokens = true;
        self
    }
}

/// What a saved record survives. Ordered from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Persistence {
    /// Nothing: it ends with this process.
    Memory,
    /// It may be forgotten at any time, to make room.
    Evictable,
    /// It survives until the server restarts.
    UntilRestart,
    /// On return of `save` it survives loss of power of this node.
    DurableNode,
    /// On return of `save` it survives the loss of one node.
    DurableReplicated,
}

impl fmt::Display for Persistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "ends with the process",
            Self::Evictable => "may be forgotten at any time",
            Self::UntilRestart => "until the server restarts",
            Self::DurableNode => "durable on this node",
            Self::DurableReplicated => "durable on several nodes",
        })
    }
}

/// Who is kept out by a lease. Ordered from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LeaseScope {
    /// Users of this store object's memory in this process.
    Process,
    /// All processes of this host.
    Host,
    /// All servers that use the store.
    Shared,
}

impl fmt::Display for LeaseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Process => "this process",
            Self::Host => "this host",
            Self::Shared => "all servers",
        })
    }
}

/// What ends a lease whose holder is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseEnd {
    /// The end of its holder: exact, also when the holder is killed or paused.
    ByHolder,
    /// Its time to live.
    ByTime,
}
