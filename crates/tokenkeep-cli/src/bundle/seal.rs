//! A key from a passphrase (Argon2id, RFC 9106), and AES-256-GCM under it.

use argon2::{Algorithm, Argon2, Params};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tokenkeep::Secret;
use zeroize::Zeroizing;

use super::broken;
use crate::error::{Failure, Result};
use crate::exit::Exit;

/// The second choice of RFC 9106 section 4: also for machines with little memory.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// A bundle from elsewhere may not make us work for ever.
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES_MAX: u32 = 16;
const LANES_MAX: u32 = 16;

const DERIVATION: &str = "argon2id";
const CIPHER: &str = "aes-256-gcm";

/// What must be known, besides the passphrase, to open a bundle.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    derivation: String,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    /// 16 random bytes.
    salt: String,
    cipher: String,
    /// 12 random bytes.
    nonce: String,
}

impl Header {
    /// One for a new bundle: salt and nonce are never used again.
    pub(super) fn random() -> Result<Self> {
        Ok(Self {
            derivation: DERIVATION.to_owned(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: LANES,
            salt: STANDARD.encode(random::<16>()?),
            cipher: CIPHER.to_owned(),
            nonce: STANDARD.encode(random::<12>()?),
        })
    }

    /// Its texts, to be authenticated.
    pub(super) fn words(&self) -> [&str; 4] {
        [&self.derivation, &self.salt, &self.cipher, &self.nonce]
    }

    /// Its numbers, to be authenticated.
    pub(super) fn numbers(&self) -> [String; 3] {
        [self.memory_kib, self.passes, self.lanes].map(|number| number.to_string())
    }

    fn nonce(&self) -> Result<Nonce> {
        let bytes = STANDARD
            .decode(&self.nonce)
            .map_err(|_| broken("its nonce is no Base64"))?;
        Nonce::try_assume_unique_for_key(&bytes).map_err(|_| broken("its nonce has not 12 bytes"))
    }

    fn key(&self, passphrase: &Secret) -> Result<LessSafeKey> {
        if self.derivation != DERIVATION || self.cipher != CIPHER {
            return Err(broken("it is protected in a way that this version does not know"));
        }
        if self.memory_kib > MEMORY_KIB_MAX || self.passes > PASSES_MAX || self.lanes > LANES_MAX {
            return Err(broken("its passphrase was made more costly than any bundle's of ours"));
        }
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32));
        let params = params.map_err(|_| broken("its Argon2 parameters make no sense"))?;
        let salt = STANDARD
            .decode(&self.salt)
            .map_err(|_| broken("its salt is no Base64"))?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password_into(passphrase.expose().as_bytes(), &salt, &mut *key)
            .map_err(|_| broken("its salt is too short"))?;
        let key = UnboundKey::new(&AES_256_GCM, &*key).map_err(|_| out_of_order())?;
        Ok(LessSafeKey::new(key))
    }
}

/// Encrypts the content in place; the tag is its end.
pub(super) fn seal(
    header: &Header,
    associated: &[u8],
    passphrase: &Secret,
    mut content: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>> {
    let key = header.key(passphrase)?;
    let tag = key.seal_in_place_separate_tag(header.nonce()?, Aad::from(associated), &mut content);
    let mut sealed = std::mem::take(&mut *content);
    sealed.extend_from_slice(tag.map_err(|_| out_of_order())?.as_ref());
    Ok(sealed)
}

/// Decrypts it.
pub(super) fn open(
    header: &Header,
    associated: &[u8],
    passphrase: &Secret,
    sealed: Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>> {
    let key = header.key(passphrase)?;
    let mut bytes = Zeroizing::new(sealed);
    let opened = key.open_in_place(header.nonce()?, Aad::from(associated), &mut bytes);
    let length = opened.map_err(|_| does_not_open())?.len();
    bytes.truncate(length);
    Ok(bytes)
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| out_of_order())?;
    Ok(bytes)
}

fn does_not_open() -> Failure {
    let message = "the bundle does not open: the passphrase is wrong, or the bundle was changed; nothing was imported";
    Failure::new(Exit::Failure, message)
}

fn out_of_order() -> Failure {
    Failure::new(
        Exit::Failure,
        "the operating system gives no random numbers, or encryption failed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_associated_is_authenticated() {
        let (header, passphrase) = (Header::random().unwrap(), Secret::new("p"));
        let sealed = seal(&header, b"one", &passphrase, Zeroizing::new(b"content".to_vec())).unwrap();
        assert_eq!(sealed.len(), b"content".len() + 16);
        assert_eq!(
            **open(&header, b"one", &passphrase, sealed.clone()).unwrap(),
            *b"content"
        );
        assert!(open(&header, b"two", &passphrase, sealed).is_err());
    }
}
