//! Versions: what compare-and-swap compares.

use std::fmt;
use std::str::FromStr;

/// The version of a record: a generation that only grows, and 8 random bytes, so
/// that a record deleted and made anew is never taken for the old one.
///
/// Chosen by core before the write. Text form: `GENERATION-HEX`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    generation: u64,
    nonce: [u8; 8],
}

/// More writes than any record sees in its life.
const FAR: u64 = 1 << 32;

impl Version {
    /// A new version, one generation after the one read.
    pub fn after(read: Option<Self>) -> Self {
        Self::of_generation(read.map_or(0, |version| version.generation).saturating_add(1))
    }

    /// A new version, one generation after the later of the one read and the one
    /// seen before.
    pub fn after_both(read: Option<Self>, seen: Option<Self>) -> Self {
        let generation = |version: Option<Self>| version.map_or(0, |v| v.generation);
        Self::of_generation(generation(read).max(generation(seen)).saturating_add(1))
    }

    /// A new version, later than any that others can have seen by now: for who
    /// declares an older state to be the right one.
    pub fn far_after(read: Option<Self>) -> Self {
        let generation = read.map_or(0, |version| version.generation);
        Self::of_generation(generation.saturating_add(FAR))
    }

    /// The generation: grows by one or more with every write.
    pub fn generation(self) -> u64 {
        self.generation
    }

    /// A version with given random bytes: for golden files and test vectors.
    pub fn from_raw(generation: u64, nonce: [u8; 8]) -> Self {
        Self { generation, nonce }
    }

    fn of_generation(generation: u64) -> Self {
        Self {
            generation,
            nonce: crate::random::bytes(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.generation, crate::text::hex(&self.nonce))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({self})")
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (generation, nonce) = text.split_once('-').ok_or(VersionError)?;
        if generation.starts_with('+') {
            return Err(VersionError);
        }
        Ok(Self {
            generation: generation.parse().map_err(|_| VersionError)?,
            nonce: crate::text::unhex(nonce).ok_or(VersionError)?,
        })
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text)
    }
}

/// Reads a version where its text is, without a copy.
struct Text;

impl serde::de::Visitor<'_> for Text {
    type Value = Version;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a version")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Version, E> {
        text.parse().map_err(E::custom)
    }
}

/// The text is not the text form of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a version: GENERATION-HEX")]
pub struct VersionError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_and_never_repeats() {
        let first = Version::after(None);
        let second = Version::after(Some(first));
        assert_eq!((first.generation(), second.generation()), (1, 2));
        assert_ne!(Version::after(None), first);
        assert_eq!(Version::after_both(Some(first), Some(second)).generation(), 3);
        assert_eq!(Version::after_both(Some(second), None).generation(), 3);
        assert!(Version::far_after(Some(first)).generation() > 1_000_000_000);
    }

    #[test]
    fn text_form_round_trips() {
        let version = Version::after(None);
        assert_eq!(version.to_string().parse(), Ok(version));
        for bad in [
            "",
            "1",
            "1-",
            "1-zz",
            "-1-0011223344556677",
            "+1-0011223344556677",
            "1-001122334455667788",
        ] {
            assert_eq!(bad.parse::<Version>(), Err(VersionError), "{bad}");
        }
    }
}
