//! Makes tokens that nobody can guess and that never repeat.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub(super) struct Mint {
    seed: [u8; 32],
    made: u64,
}

impl Mint {
    pub(super) fn new() -> io::Result<Self> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(Self { seed, made: 0 })
    }

    /// 256 unguessable bits behind a prefix that says what the token is.
    pub(super) fn opaque(&mut self, prefix: &str) -> String {
        self.made += 1;
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.made.to_be_bytes())
            .finalize();
        format!("{prefix}{}", URL_SAFE_NO_PAD.encode(digest))
    }

    /// Three parts as a signed JWT has them; the third is random.
    pub(super) fn jwt(&mut self, kind: &str, claims: &Value) -> String {
        let header = serde_json::json!({ "alg": "RS256", "typ": kind, "kid": "test" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.{}", part(&header), part(claims), self.opaque(""))
    }
}

/// The first 16 hexadecimal digits of the SHA-256 of a token: names it without telling it.
pub(super) fn hash_prefix(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    format!("{:016x}", u64::from_be_bytes(first))
}

/// The S256 transformation of RFC 7636 section 4.2.
pub(super) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}
