//! The cryptography in one place: AES-256-GCM, HKDF, random bytes, and texts bound
//! together so that no two lists of them look alike.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use crate::provider::DataKeyBytes;

pub(crate) const NONCE: usize = 12;
pub(crate) const TAG: usize = 16;
pub(crate) const KEY: usize = 32;

/// Each part with its length before it: two lists are the same bytes only if they
/// are the same list.
pub(crate) fn bound(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// A new random key.
pub(crate) fn random_key() -> Result<DataKeyBytes, Unspecified> {
    let mut key = DataKeyBytes::default();
    rand::fill(&mut key[..])?;
    Ok(key)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Unspecified> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}

/// Appends the ciphertext of `plain` and its tag to `out`.
pub(crate) fn encrypt(
    key: &[u8; KEY],
    nonce: [u8; NONCE],
    aad: &[u8],
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let start = out.len();
    out.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let sealed = cipher(key).and_then(|cipher| {
        let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[start..])?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    });
    if sealed.is_err() {
        zeroize::Zeroize::zeroize(&mut out[start..]);
        out.truncate(start);
    }
    sealed
}

/// The plain text of what [`encrypt`] appended.
pub(crate) fn decrypt(
    key: &[u8; KEY],
    nonce: [u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let length = sealed.len().checked_sub(TAG).ok_or(Unspecified)?;
    let mut plain = Zeroizing::new(vec![0; length]);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let (text, tag) = sealed.split_at(length);
    cipher(key)?.open_separate_gather(nonce, Aad::from(aad), text, tag, &mut plain)?;
    Ok(plain)
}

/// One key for each use (RFC 5869, SHA-512).
pub(crate) fn derive(secret: &[u8; KEY], salt: &[u8], uses: [&[u8]; 2]) -> Result<[DataKeyBytes; 2], Unspecified> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, salt).extract(secret);
    let mut keys = [DataKeyBytes::default(), DataKeyBytes::default()];
    for (key, info) in keys.iter_mut().zip(uses) {
        prk.expand(&[info], Length)?.fill(&mut key[..])?;
    }
    Ok(keys)
}

struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY
    }
}

fn cipher(key: &[u8; KEY]) -> Result<LessSafeKey, Unspecified> {
    Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bound_has_one_reading() {
        for (one, other) in [
            (&[&b"ab"[..], b"c"][..], &[&b"a"[..], b"bc"][..]),
            (&[b"", b"a"], &[b"a", b""]),
            (&[b"a"], &[b"a", b""]),
            (&[], &[b""]),
        ] {
            assert_ne!(bound(one), bound(other));
        }
    }

    #[test]
    fn what_is_sealed_opens_as_it_was() {
        let mut out = b"head".to_vec();
        encrypt(&[1; KEY], [2; NONCE], b"a", b"plain", &mut out).unwrap();
        assert_eq!(out.len(), 4 + 5 + TAG);
        let open = |key, aad, sealed: &[u8]| decrypt(&[key; KEY], [2; NONCE], aad, sealed);
        assert_eq!(open(1, b"a", &out[4..]).unwrap().as_slice(), b"plain");
        assert!(open(3, b"a", &out[4..]).is_err());
        assert!(open(1, b"b", &out[4..]).is_err());
        assert!(open(1, b"a", &out[4..12]).is_err());
    }
}
