//! The sealed form of a record, format 1.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | `FE 74 6B 73`: no text begins so |
//! | 1 | format: 1 |
//! | 1 | algorithm: 1, HKDF-SHA-512 with commitment, AES-256-GCM |
//! | 4 | partition, big-endian as all numbers |
//! | 2 + n | key id |
//! | 2 + n | data key, wrapped under that key |
//! | 32 | salt |
//! | 32 | commitment |
//! | 12 | nonce |
//! | n + 16 | ciphertext and tag |
//!
//! Each record has its own key, HKDF of the data key with the salt; so has the
//! commitment, which is compared before anything is decrypted: a ciphertext that
//! two keys open (AES-GCM has such) is opened by one of them only. What the tag
//! binds besides the plain text is in [`Bound`]. Golden files in `tests/golden/`
//! pin all of it.

use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use subtle::ConstantTimeEq as _;

use auth_core::record::Record;
use auth_core::secret::SecretBytes;

use crate::cipher::{self, KEY, NONCE, TAG};
use crate::provider::{Context, DataKeyBytes, KeyId};

/// The longest wrapped data key.
pub(crate) const WRAPPED_MAX: usize = 1_024;

const MAGIC: [u8; 4] = [0xFE, b't', b'k', b's'];
const FORMAT: u8 = 1;
/// The algorithms that are opened, whatever a record says.
const ALGORITHM: u8 = 1;
const SALT: usize = 32;
const COMMITMENT: usize = 32;
const RECORD_KEY: &[u8] = b"tokenkeep seal 1 record key";
const KEY_COMMITMENT: &[u8] = b"tokenkeep seal 1 commitment";

/// By how much a sealed body is longer than the plain one, at most, where no key id
/// is longer than this.
pub(crate) fn overhead(longest_key_id: usize) -> usize {
    MAGIC.len() + 1 + 1 + 4 + 2 + longest_key_id + 2 + WRAPPED_MAX + SALT + COMMITMENT + NONCE + TAG
}

/// Why bytes are no envelope that can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// They were not sealed.
    Plain,
    /// They end too early.
    Truncated,
    /// A newer version of the software made it.
    NewerFormat(u8),
    /// An algorithm that is not on the list.
    Algorithm(u8),
    /// The key id is none.
    KeyId,
    /// It was changed, moved from elsewhere, or sealed with another data key.
    Changed,
}

/// A data key, plain and wrapped, and what it is bound to.
pub(crate) struct SealKey {
    pub(crate) key: KeyId,
    pub(crate) context: Context,
    pub(crate) plain: Arc<DataKeyBytes>,
    pub(crate) wrapped: Vec<u8>,
}

/// What belongs to the plain text without being hidden.
pub(crate) enum Bound<'a> {
    /// A record: its name, version, end and hints.
    Record(&'a Record),
    /// What is put beside the store under a name.
    Spill(&'a str),
}

/// An envelope, taken apart; nothing in it is known to be true yet.
pub(crate) struct Envelope<'a> {
    pub(crate) partition: u32,
    pub(crate) key: KeyId,
    pub(crate) wrapped: &'a [u8],
    salt: [u8; SALT],
    commitment: [u8; COMMITMENT],
    nonce: [u8; NONCE],
    sealed: &'a [u8],
}

/// Seals bytes with a data key.
pub(crate) fn seal(key: &SealKey, bound: &Bound<'_>, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
    seal_with(key, bound, plain, cipher::random()?, cipher::random()?)
}

fn seal_with(
    key: &SealKey,
    bound: &Bound<'_>,
    plain: &[u8],
    salt: [u8; SALT],
    nonce: [u8; NONCE],
) -> Result<Vec<u8>, Unspecified> {
    let [record_key, commitment] = cipher::derive(&key.plain, &salt, [RECORD_KEY, KEY_COMMITMENT])?;
    let id = key.key.as_str();
    let mut out = Vec::with_capacity(overhead(id.len()) + plain.len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[FORMAT, ALGORITHM]);
    out.extend_from_slice(&key.context.partition().to_be_bytes());
    put_short(&mut out, id.as_bytes())?;
    put_short(&mut out, &key.wrapped)?;
    out.extend_from_slice(&salt);
    out.extend_from_slice(&commitment[..]);
    out.extend_from_slice(&nonce);
    cipher::encrypt(&record_key, nonce, &bound.aad(&key.context, &key.key), plain, &mut out)?;
    Ok(out)
}

impl<'a> Envelope<'a> {
    /// Takes bytes apart.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Damage> {
        // One byte tells: what begins so is sealed, whatever became of the rest.
        if bytes.first() != Some(&MAGIC[0]) {
            return Err(Damage::Plain);
        }
        let mut rest = Reader(bytes);
        if rest.array()? != MAGIC {
            return Err(Damage::Changed);
        }
        match rest.array()? {
            [FORMAT] => {}
            [format] => return Err(Damage::NewerFormat(format)),
        }
        match rest.array()? {
            [ALGORITHM] => {}
            [algorithm] => return Err(Damage::Algorithm(algorithm)),
        }
        let partition = u32::from_be_bytes(rest.array()?);
        let key = std::str::from_utf8(rest.short()?).map_err(|_| Damage::KeyId)?;
        Ok(Self {
            partition,
            key: KeyId::new(key).map_err(|_| Damage::KeyId)?,
            wrapped: rest.short()?,
            salt: rest.array()?,
            commitment: rest.array()?,
            nonce: rest.array()?,
            sealed: rest.0,
        })
    }

    /// The plain text, if this data key sealed it for what is bound here.
    pub(crate) fn open(&self, data_key: &[u8; KEY], namespace: &str, bound: &Bound<'_>) -> Result<SecretBytes, Damage> {
        let derived = cipher::derive(data_key, &self.salt, [RECORD_KEY, KEY_COMMITMENT]);
        let [record_key, commitment] = derived.map_err(|_| Damage::Changed)?;
        if !bool::from(commitment.as_slice().ct_eq(&self.commitment)) {
            return Err(Damage::Changed);
        }
        let aad = bound.aad(&Context::new(namespace, self.partition), &self.key);
        let mut plain = cipher::decrypt(&record_key, self.nonce, &aad, self.sealed).map_err(|_| Damage::Changed)?;
        Ok(SecretBytes::new(std::mem::take(&mut *plain)))
    }
}

impl Bound<'_> {
    /// What the tag covers, each part with its length.
    fn aad(&self, context: &Context, key: &KeyId) -> Vec<u8> {
        let partition = context.partition().to_be_bytes();
        let seal = [FORMAT, ALGORITHM];
        let (namespace, key) = (context.namespace().as_bytes(), key.as_str().as_bytes());
        match self {
            Self::Spill(name) => {
                cipher::bound(&[b"tokenkeep spill", &seal, namespace, &partition, key, name.as_bytes()])
            }
            Self::Record(record) => cipher::bound(&[
                b"tokenkeep record",
                &seal,
                namespace,
                &partition,
                key,
                record.key().to_string().as_bytes(),
                record.version().to_string().as_bytes(),
                &end_of(record),
                &serde_json::to_vec(record.hints()).unwrap_or_default(),
            ]),
        }
    }
}

/// No bytes without an end; else its milliseconds.
fn end_of(record: &Record) -> Vec<u8> {
    record
        .keep_until()
        .map(|until| until.unix_millis().to_be_bytes().to_vec())
        .unwrap_or_default()
}

fn put_short(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Unspecified> {
    let length = u16::try_from(bytes.len()).map_err(|_| Unspecified)?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damage::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.take(N)?.try_into().map_err(|_| Damage::Truncated)
    }

    fn short(&mut self) -> Result<&'a [u8], Damage> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    use auth_core::clock::Timestamp;
    use auth_core::key::Key;
    use auth_core::profile::Profile;
    use auth_core::record::{Hints, RecordState, Version};
    use zeroize::Zeroizing;

    use super::*;

    // Made by another implementation (Python, `cryptography`), not by this one.
    const RECORD: &str = include_str!("../tests/golden/record.hex");
    const BARE: &str = include_str!("../tests/golden/record-bare.hex");
    const SPILL: &str = include_str!("../tests/golden/spill.hex");
    const TWO_KEYS: &str = include_str!("../tests/golden/two-keys.hex");
    const TWO_KEYS_OTHER: &str = include_str!("../tests/golden/two-keys-other.hex");
    const PLAIN: &[u8] = br#"{"format":1,"golden":"record"}"#;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn counted<const N: usize>(from: u8) -> [u8; N] {
        std::array::from_fn(|index| from + u8::try_from(index).unwrap())
    }

    fn seal_key() -> SealKey {
        SealKey {
            key: KeyId::new("local:0011223344556677").unwrap(),
            context: Context::new("golden", 7),
            plain: Arc::new(Box::new(Zeroizing::new(counted(0)))),
            wrapped: vec![0xAA; 60],
        }
    }

    fn full() -> Record {
        let mut hints = Hints::default();
        hints.access_expires_at = Some(Timestamp::from_unix_millis(1_800_003_600_000));
        hints.grant = Some("authorization_code".into());
        hints.refreshable = true;
        hints.state = Some(RecordState::Marked);
        Record::from_parts(
            Key::grant(&Profile::from_parts(["acme", "ana"])),
            Version::from_raw(3, [0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]),
            Some(Timestamp::from_unix_millis(1_800_600_000_123)),
            hints,
            PLAIN.to_vec().into(),
        )
    }

    fn bare() -> Record {
        let key = Key::client(&Profile::default());
        Record::from_parts(
            key,
            Version::from_raw(1, [0; 8]),
            None,
            Hints::default(),
            SecretBytes::default(),
        )
    }

    fn open(bytes: &[u8], data_key: [u8; KEY], bound: &Bound<'_>) -> Result<Vec<u8>, Damage> {
        let opened = Envelope::parse(bytes)?.open(&data_key, "golden", bound)?;
        Ok(opened.expose().to_vec())
    }

    #[test]
    fn the_format_is_pinned() {
        let (full, bare) = (full(), bare());
        for (golden, bound, plain) in [
            (RECORD, Bound::Record(&full), PLAIN),
            (BARE, Bound::Record(&bare), b""),
            (SPILL, Bound::Spill("some-name.0011"), PLAIN),
        ] {
            let golden = unhex(golden);
            let made = seal_with(&seal_key(), &bound, plain, counted(100), counted(200)).unwrap();
            assert_eq!(made, golden);
            assert_eq!(open(&golden, counted(0), &bound).unwrap(), plain);
            assert_eq!(open(&golden, counted(1), &bound), Err(Damage::Changed));
        }
    }

    #[test]
    fn a_ciphertext_that_two_keys_open_is_opened_by_one() {
        let (first, other, bare) = (unhex(TWO_KEYS), unhex(TWO_KEYS_OTHER), bare());
        let start = first.len() - 64;
        assert_eq!(first[start..], other[start..], "one ciphertext");
        // AES-GCM alone opens it with both.
        let aad = Bound::Record(&bare).aad(&Context::new("golden", 7), &seal_key().key);
        let plain = |data_key: u8| {
            let derived = cipher::derive(&counted(data_key), &counted::<32>(100), [RECORD_KEY, KEY_COMMITMENT]);
            cipher::decrypt(&derived.unwrap()[0], counted(200), &aad, &first[start..]).unwrap()
        };
        assert_ne!(plain(0), plain(32));
        let bound = Bound::Record(&bare);
        assert_eq!(open(&first, counted(0), &bound).unwrap(), plain(0).to_vec());
        assert_eq!(open(&other, counted(32), &bound).unwrap(), plain(32).to_vec());
        assert_eq!(open(&first, counted(32), &bound), Err(Damage::Changed));
        assert_eq!(open(&other, counted(0), &bound), Err(Damage::Changed));
    }

    #[test]
    fn nothing_bound_may_differ() {
        let (full, golden) = (full(), unhex(RECORD));
        let with = |key: &Key, version, until, hints: &Hints| {
            let other = Record::from_parts(key.clone(), version, until, hints.clone(), SecretBytes::default());
            open(&golden, counted(0), &Bound::Record(&other))
        };
        let (key, version, until, hints) = (full.key(), full.version(), full.keep_until(), full.hints());
        assert!(with(key, version, until, hints).is_ok());
        let ben = Key::grant(&Profile::from_parts(["acme", "ben"]));
        let mut active = hints.clone();
        active.state = Some(RecordState::Active);
        for other in [
            with(&ben, version, until, hints),
            with(&Key::client(full.key().profile()), version, until, hints),
            with(key, Version::after(Some(version)), until, hints),
            with(key, version, None, hints),
            with(
                key,
                version,
                until.map(|at| at.plus(std::time::Duration::from_millis(1))),
                hints,
            ),
            with(key, version, until, &active),
        ] {
            assert_eq!(other, Err(Damage::Changed));
        }
        let elsewhere = Envelope::parse(&golden).unwrap();
        let opened = elsewhere.open(&counted(0), "golder", &Bound::Record(&full));
        assert_eq!(opened, Err(Damage::Changed));
    }

    #[test]
    fn other_formats_and_algorithms_are_refused_whatever_the_record_says() {
        let changed = |at: usize, byte: u8| {
            let mut golden = unhex(RECORD);
            golden[at] = byte;
            open(&golden, counted(0), &Bound::Record(&full()))
        };
        assert_eq!(changed(4, 2), Err(Damage::NewerFormat(2)));
        for algorithm in [0, 2, 255] {
            assert_eq!(changed(5, algorithm), Err(Damage::Algorithm(algorithm)));
        }
        assert_eq!(changed(0, b'{'), Err(Damage::Plain));
        assert_eq!(changed(1, b'x'), Err(Damage::Changed));
        assert_eq!(changed(12, b' '), Err(Damage::KeyId));
        assert_eq!(open(b"", counted(0), &Bound::Record(&full())), Err(Damage::Plain));
    }

    #[test]
    fn an_envelope_is_never_longer_than_said() {
        let mut key = seal_key();
        key.wrapped = vec![1; WRAPPED_MAX];
        let sealed = seal(&key, &Bound::Record(&full()), PLAIN).unwrap();
        assert_eq!(sealed.len(), overhead(key.key.as_str().len()) + PLAIN.len());
    }
}
