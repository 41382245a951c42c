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
    pub(crate) plain: DataKeyBytes,
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
        let plain = cipher::decrypt(&record_key, self.nonce, &aad, self.sealed).map_err(|_| Damage::Changed)?;
        let mut plain = plain;
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
