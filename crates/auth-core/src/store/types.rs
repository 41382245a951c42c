//! Conditions, leases and lists.

use std::fmt;
use std::time::Duration;

use crate::key::Key;
use crate::record::{Hints, Version};

/// When a write may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteIf {
    /// Only if no record is stored under the key.
    Absent,
    /// Only if this version is stored (compare-and-swap).
    Matches(Version),
}

impl WriteIf {
    /// What to demand after reading: the version read, or absence.
    pub fn unchanged(read: Option<Version>) -> Self {
        read.map_or(Self::Absent, Self::Matches)
    }

    /// Whether the condition holds for what is stored.
    pub fn holds(self, stored: Option<Version>) -> bool {
        stored == self.expected()
    }

    /// The version demanded; `None` for absence.
    pub fn expected(self) -> Option<Version> {
        match self {
            Self::Absent => None,
            Self::Matches(version) => Some(version),
        }
    }
}

/// When a removal may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoveIf {
    /// Whatever is stored.
    Any,
    /// Only if this version is stored.
    Matches(Version),
}

impl RemoveIf {
    /// Whether the condition holds for what is stored.
    pub fn holds(self, stored: Version) -> bool {
        match self {
            Self::Any => true,
            Self::Matches(version) => version == stored,
        }
    }
}

/// Whether the lease was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lease {
    /// It is held under the id given.
    Granted,
    /// Somebody else holds it.
    HeldElsewhere {
        /// When asking again makes sense.
        retry_after: Duration,
    },
}

/// The name under which a lease is held: random per attempt, so that two
/// attempts of one process exclude each other too.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseId(String);

impl LeaseId {
    /// A new id: 160 random bits.
    pub fn random() -> Self {
        Self(crate::text::hex(&crate::random::bytes::<20>()))
    }

    /// The id as 40 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseId({}…)", &self.0[..8])
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Where to go on; `None` for the beginning. From [`Listing::next`].
    pub cursor: Option<String>,
    /// How many entries at most; a store may give fewer.
    pub limit: usize,
}

impl Page {
    /// The first page.
    pub fn first() -> Self {
        Self {
            cursor: None,
            limit: 1_000,
        }
    }

    /// The page after this cursor.
    pub fn after(cursor: impl Into<String>) -> Self {
        Self {
            cursor: Some(cursor.into()),
            ..Self::first()
        }
    }

    /// With at most this many entries.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(1);
        self
    }
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The entries.
    pub entries: Vec<Listed>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
}

impl Listing {
    /// A page.
    pub fn new(entries: Vec<Listed>, next: Option<String>) -> Self {
        Self { entries, next }
    }

    /// The page of `sorted` entries that `page` asks for, where the cursor is the
    /// last key of the page before.
    pub fn of_sorted(sorted: impl Iterator<Item = Listed>, page: &Page) -> Self {
        let mut rest = sorted.skip_while(|listed| {
            page.cursor
                .as_ref()
                .is_some_and(|after| listed.key.to_string() <= *after)
        });
        let entries: Vec<Listed> = rest.by_ref().take(page.limit).collect();
        let next = rest
            .next()
            .and_then(|_| entries.last())
            .map(|last| last.key.to_string());
        Self { entries, next }
    }
}

/// One entry of a list. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// The stored version; `None` if the record is damaged.
    pub version: Option<Version>,
    /// What may be known without reading the record; nothing if it is damaged.
    pub hints: Hints,
}

impl Listed {
    /// The entry of a record.
    pub fn new(key: Key, version: Version, hints: Hints) -> Self {
        Self {
            key,
            version: Some(version),
            hints,
        }
    }

    /// The entry of something under this key that can't be read.
    pub fn damaged(key: Key) -> Self {
        Self {
            key,
            version: None,
            hints: Hints::default(),
        }
    }
}
