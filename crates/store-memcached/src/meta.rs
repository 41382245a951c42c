//! Under what name things are kept, and how a value is written.
//!
//! A name is `NAMESPACE:r:HEX` for a record and `NAMESPACE:l:HEX` for a lease, where
//! HEX is SHA-256 of the key's text form: 134 bytes at most of the 250 that there
//! are, no spaces, nothing that a user chose.
//!
//! A value begins with a line that says what it is, in full:
//!
//! ```text
//! tokenkeep 1 record NAMESPACE PROFILE#grant
//! ```
//!
//! After it comes the packed record, or the id of the lease's holder.

use std::time::Duration;

use auth_core::clock::{Clock as _, SystemClock, Timestamp};
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::secret::SecretBytes;
use auth_core::store::{LeaseId, StoreErrorKind};

use crate::error::Fault;

/// The number of the format that this version writes, and the newest it reads.
const FORMAT: u32 = 1;
const MARK: &str = "tokenkeep ";
/// From here on the protocol reads a number of seconds as a date.
const LONGEST_RELATIVE: u64 = 30 * 86_400;
/// The last date that a server reads: it keeps it in 31 bits.
const LAST_DATE: u64 = i32::MAX as u64;

/// Under what name something is kept.
#[derive(Debug)]
pub(crate) struct Name<'k> {
    /// What the server knows it by.
    pub(crate) stored: String,
    /// The first line of the value.
    line: String,
    key: &'k Key,
}

impl<'k> Name<'k> {
    pub(crate) fn of_record(namespace: &str, key: &'k Key) -> Self {
        Self::new(namespace, key, "record", "r")
    }

    pub(crate) fn of_lease(namespace: &str, key: &'k Key) -> Self {
        Self::new(namespace, key, "lease", "l")
    }

    pub(crate) fn with_record(&self, record: &Record) -> SecretBytes {
        self.with(record.pack().expose())
    }

    pub(crate) fn with_holder(&self, id: &LeaseId) -> SecretBytes {
        self.with(id.as_str().as_bytes())
    }

    /// The record in a value that was found under this name.
    pub(crate) fn record(&self, value: &SecretBytes) -> Result<Record, Fault> {
        Record::unpack_as(self.key, self.content(value)?).ok_or_else(|| self.foreign())
    }

    /// Whether the lease in a value that was found under this name is held under this id.
    pub(crate) fn is_held_by(&self, value: &SecretBytes, id: &LeaseId) -> Result<bool, Fault> {
        Ok(self.content(value)? == id.as_str().as_bytes())
    }

    fn new(namespace: &str, key: &'k Key, kind: &str, letter: &str) -> Self {
        Self {
            stored: [namespace, ":", letter, ":", &key.digest()].concat(),
            line: [
                MARK,
                &FORMAT.to_string(),
                " ",
                kind,
                " ",
                namespace,
                " ",
                &key.to_string(),
                "\n",
            ]
            .concat(),
            key,
        }
    }

    fn with(&self, content: &[u8]) -> SecretBytes {
        let mut value = Vec::with_capacity(self.line.len() + content.len());
        value.extend_from_slice(self.line.as_bytes());
        value.extend_from_slice(content);
        SecretBytes::new(value)
    }

    fn content<'v>(&self, value: &'v SecretBytes) -> Result<&'v [u8], Fault> {
        let value = value.expose();
        value.strip_prefix(self.line.as_bytes()).ok_or_else(|| {
            if format_of(value).is_some_and(|format| format > FORMAT) {
                return Fault::new(
                    StoreErrorKind::Unsupported,
                    format!(
                        "what is kept for {} was written by a newer version: update tokenkeep",
                        self.key
                    ),
                );
            }
            self.foreign()
        })
    }

    fn foreign(&self) -> Fault {
        Fault::new(
            StoreErrorKind::Corrupt,
            format!(
                "what is kept as {} is no record of {}; it was left there",
                self.stored, self.key
            ),
        )
    }
}

/// For how long the server is to keep something that ends then, as the protocol spells
/// it; `None`: for ever. Never shorter than asked: the server counts whole seconds, and
/// what is past its end is not shown, whether the server still has it or not.
pub(crate) fn time_to_live(end: Option<Timestamp>, now: Timestamp) -> Option<u32> {
    let date = u64::try_from(SystemClock.now().unix_seconds()).unwrap_or(0);
    end.and_then(|end| wire_seconds(end.since(now), date))
}

/// The same for a lease, which is never too long to count.
pub(crate) fn lease_time(ttl: Duration) -> u32 {
    let most = u32::try_from(LONGEST_RELATIVE).unwrap_or(u32::MAX);
    u32::try_from(whole_seconds(ttl)).map_or(most, |seconds| seconds.min(most))
}

fn wire_seconds(left: Duration, unix_seconds: u64) -> Option<u32> {
    let seconds = whole_seconds(left);
    if seconds <= LONGEST_RELATIVE {
        return u32::try_from(seconds).ok();
    }
    let date = unix_seconds.saturating_add(seconds);
    u32::try_from(date).ok().filter(|_| date <= LAST_DATE)
}

/// Rounded up, and one more: a server's second may be nearly over already.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0) + 1
}

fn format_of(value: &[u8]) -> Option<u32> {
    let rest = value.strip_prefix(MARK.as_bytes())?;
    let end = rest.iter().position(|byte| *byte == b' ')?;
    std::str::from_utf8(&rest[..end]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use auth_core::profile::Profile;
    use auth_core::record::{Hints, Version};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn key(name: &str) -> Key {
        Key::grant(&Profile::from_parts([name]))
    }

    fn name(key: &Key) -> Name<'_> {
        Name::of_record("space", key)
    }

    fn record(key: &Key) -> Record {
        let body = b"canary\n".to_vec().into();
        Record::from_parts(key.clone(), Version::after(None), None, Hints::default(), body)
    }

    #[test]
    fn names_are_short_and_say_nothing_of_the_profile() {
        let long = "n".repeat(64);
        let key = key(&"profile with spaces ".repeat(20));
        let name = Name::of_lease(&long, &key);
        assert_eq!(name.stored.len(), 64 + 3 + 64);
        assert!(
            name.stored.bytes().all(|byte| byte.is_ascii_graphic()),
            "{}",
            name.stored
        );
        assert!(!name.stored.contains("profile"));
    }

    #[test]
    fn values_come_back_under_their_own_name_alone() {
        let (ours, other) = (key("a"), key("b"));
        let value = name(&ours).with_record(&record(&ours));
        assert!(value.expose().starts_with(b"tokenkeep 1 record space a#grant\n"));
        assert_eq!(name(&ours).record(&value).unwrap().key(), &ours);
        for foreign in [
            name(&other),
            Name::of_record("other", &ours),
            Name::of_lease("space", &ours),
        ] {
            assert_eq!(foreign.record(&value).unwrap_err().kind(), StoreErrorKind::Corrupt);
        }
        // The record inside is checked too.
        let wrapped = name(&other).with(record(&ours).pack().expose());
        assert_eq!(
            name(&other).record(&wrapped).unwrap_err().kind(),
            StoreErrorKind::Corrupt
        );
    }

    #[test]
    fn damage_and_newer_formats_are_told_apart_and_quoted_never() {
        let ours = key("a");
        for (value, kind) in [
            (&b"canary"[..], StoreErrorKind::Corrupt),
            (b"", StoreErrorKind::Corrupt),
            (b"tokenkeep x record space a#grant\ncanary", StoreErrorKind::Corrupt),
            (b"tokenkeep 1 record space a#grant\ncanary", StoreErrorKind::Corrupt),
            (b"tokenkeep 2 anything canary", StoreErrorKind::Unsupported),
        ] {
            let fault = name(&ours).record(&SecretBytes::new(value.to_vec())).unwrap_err();
            assert_eq!(fault.kind(), kind);
            assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
        }
    }

    #[test]
    fn times_are_never_shorter_than_asked() {
        let wire = |left| wire_seconds(left, NOW);
        let days = |days: u64| Duration::from_secs(days * 86_400);
        assert_eq!(wire(Duration::ZERO), Some(1), "0 would be for ever");
        assert_eq!(wire(Duration::from_millis(1_001)), Some(3));
        assert_eq!(wire(days(29)), Some(29 * 86_400 + 1));
        assert_eq!(wire(days(31)), Some(1_800_000_000 + 31 * 86_400 + 1), "a date");
        assert_eq!(wire(days(20_000)), None, "past what the server can count");
        assert_eq!(wire(Duration::MAX.saturating_sub(days(1))), None);
        assert_eq!(lease_time(Duration::from_secs(15)), 16);
        assert_eq!(lease_time(days(100)), 30 * 86_400);
    }

    #[test]
    fn without_an_end_it_is_kept() {
        let now = Timestamp::from_unix_seconds(5);
        assert_eq!(time_to_live(None, now), None);
        assert_eq!(time_to_live(Some(Timestamp::from_unix_seconds(4)), now), Some(1));
    }
}
