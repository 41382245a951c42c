//! Secrets by type: redacted, zeroized, compared in constant time.
//!
//! A [`Secret`] has no `Display` and no `Serialize`; its `Debug` prints
//! `[redacted]`. The value leaves it only through [`Secret::expose`], so every
//! place where a secret is read can be found by that word.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A secret text: an access token, a refresh token, a client secret.
///
/// Cheap to clone (one shared allocation), zeroized when the last clone goes.
#[derive(Clone)]
pub struct Secret(Arc<Text>);

impl Secret {
    /// Takes the text over; the caller's `String` is not copied.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Text(text.into())))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    pub fn expose(&self) -> &str {
        &self.0.0
    }

    /// Whether there is no text: an empty refresh token is none.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// SHA-256 of the text: what logs, marks and comparisons across processes
    /// may keep in its place.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.expose().as_bytes()).into())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// Secret bytes: an encoded record, a request body. Zeroized on drop.
#[derive(Clone, Default)]
pub struct SecretBytes(Bytes);

impl SecretBytes {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Bytes(bytes))
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8] {
        &self.0.0
    }

    /// Room for so many bytes, to be [filled](Self::expose_mut).
    pub fn with_capacity(room: usize) -> Self {
        Self::new(Vec::with_capacity(room))
    }

    /// The bytes themselves, to be filled. What outgrows its room is moved, and leaves a copy behind in memory.
    pub fn expose_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0.0
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.expose().ct_eq(other.expose()).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted, {} bytes]", self.len())
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

/// SHA-256 of a secret. Not secret itself for tokens of full entropy.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The first 8 hexadecimal digits, enough to tell two apart in a log.
    pub fn short(&self) -> String {
        crate::text::hex(&self.0[..4])
    }

    pub(crate) fn to_text(self) -> String {
        crate::text::hex(&self.0)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        crate::text::unhex(text).map(Self)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretHash({}…)", self.short())
    }
}

/// A text that is wiped when it goes.
struct Text(String);

impl Drop for Text {
    fn drop(&mut self) {
        drop(Bytes(std::mem::take(&mut self.0).into_bytes()));
    }
}

/// Bytes that are wiped when they go.
#[derive(Clone, Default)]
struct Bytes(Vec<u8>);

impl Drop for Bytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Overwrites all of the allocation. At once, and not byte by byte as `Zeroizing` does: every load and save drops some
/// records, and that was most of what they cost.
fn wipe(bytes: &mut Vec<u8>) {
    bytes.clear();
    bytes.resize(bytes.capacity(), 0);
    zeroize::optimization_barrier(bytes.as_slice());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_an_allocation_is_wiped() {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(b"canary");
        let (place, room) = (bytes.as_ptr(), bytes.capacity());
        wipe(&mut bytes);
        assert_eq!((bytes.as_ptr(), bytes.len()), (place, room));
        assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("canary-value");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(format!("{:?}", SecretBytes::new(vec![7; 3])), "[redacted, 3 bytes]");
        assert!(!format!("{:?}", secret.hash()).contains("canary"));
    }

    #[test]
    fn equality_is_by_value() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
        assert_ne!(Secret::new("a").hash(), Secret::new("b").hash());
    }

    #[test]
    fn hash_text_round_trips() {
        let hash = Secret::new("x").hash();
        assert_eq!(SecretHash::parse(&hash.to_text()), Some(hash));
        assert_eq!(SecretHash::parse("abc"), None);
    }
}
