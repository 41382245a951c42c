//! Names that are hashes: 16 bytes, shown as 32 hexadecimal digits.

use sha2::{Digest, Sha256};

/// A hash over lists of parts. Counts and lengths go in before the bytes, so that
/// parts can't run together.
#[derive(Default)]
pub(crate) struct NameDigest(Sha256);

impl NameDigest {
    pub(crate) fn parts<P: AsRef<[u8]>>(&mut self, parts: impl ExactSizeIterator<Item = P>) {
        self.0.update((parts.len() as u64).to_be_bytes());
        for part in parts {
            self.0.update((part.as_ref().len() as u64).to_be_bytes());
            self.0.update(part.as_ref());
        }
    }

    pub(crate) fn finish(self) -> [u8; 16] {
        let full: [u8; 32] = self.0.finalize().into();
        let mut name = [0; 16];
        name.copy_from_slice(&full[..16]);
        name
    }
}

macro_rules! digest_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            #[allow(dead_code, reason = "not every name is made of plain parts")]
            pub(crate) fn of(parts: &[&[u8]]) -> Self {
                let mut digest = $crate::digest_name::NameDigest::default();
                digest.parts(parts.iter());
                Self::of_digest(digest)
            }

            pub(crate) fn of_digest(digest: $crate::digest_name::NameDigest) -> Self {
                Self(digest.finish())
            }

            pub(crate) fn parse(text: &str) -> Option<Self> {
                $crate::text::unhex(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::text::hex(&self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}
pub(crate) use digest_name;
