//! Keys of one's own: 32 bytes in a private file or in the environment, without any
//! service.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::cipher::{self, KEY, NONCE, TAG};
use crate::key_file;
use crate::provider::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};

const WRAP: &[u8] = b"tokenkeep local wrap 1";

/// A key of one's own: 32 random bytes.
///
/// Its name is `local:` and a fingerprint of which nothing about the key follows.
#[derive(Clone)]
pub struct LocalKey {
    id: KeyId,
    bytes: Arc<DataKeyBytes>,
}

impl LocalKey {
    /// From 32 random bytes.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] if they are all the same: that is no random key.
    pub fn from_bytes(bytes: DataKeyBytes) -> Result<Self, KeyError> {
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(config("32 equal bytes are no random key"));
        }
        // The key itself is pseudo-random, so what is derived from it tells nothing.
        let uses: [&[u8]; 2] = [b"tokenkeep local key name", b""];
        let [name, _] = cipher::derive(&bytes, b"", uses).map_err(|_| out_of_order())?;
        let name = u64::from_be_bytes(name.first_chunk().copied().unwrap_or_default());
        Ok(Self {
            id: KeyId::new(&format!("local:{name:016x}"))?,
            bytes: Arc::new(bytes),
        })
    }

    /// From a file with the 32 bytes, as they are or as base64 on one line.
    ///
    /// The file is kept as a store's file is: this user's own, plain, under one name,
    /// reached by no symbolic link; a mode looser than 0600 is repaired, with a warning.
    ///
    /// # Errors
    /// [`KeyErrorKind::NotFound`], [`KeyErrorKind::Denied`], or
    /// [`KeyErrorKind::Config`] if what is in it is no key.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let path = path.as_ref();
        let read = key_file::read(path)?;
        let found = Self::parse(&read);
        found.map_err(|error| config(format!("{} holds no key: {error}", path.display())))
    }

    /// From an environment variable with the 32 bytes as base64.
    ///
    /// # Errors
    /// [`KeyErrorKind::NotFound`] if it is not set, [`KeyErrorKind::Config`] if it
    /// holds no key.
    pub fn from_environment(variable: &str) -> Result<Self, KeyError> {
        let text = std::env::var_os(variable)
            .ok_or_else(|| KeyError::new(KeyErrorKind::NotFound, format!("{variable} is not set")))?;
        let text = Zeroizing::new(text.into_encoded_bytes());
        let found = Self::parse_base64(&text);
        found.map_err(|error| config(format!("{variable} holds no key: {error}")))
    }

    /// Makes a new key in a new file: base64 on one line, 0600, on the disk when the
    /// call returns. Nothing is ever overwritten.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] if there is such a file already,
    /// [`KeyErrorKind::Denied`], [`KeyErrorKind::Unavailable`].
    pub fn generate(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        let bytes = cipher::random_key().map_err(|_| out_of_order())?;
        let mut text = Zeroizing::new(STANDARD.encode(&bytes[..]));
        text.push('\n');
        key_file::create(path.as_ref(), text.as_bytes())?;
        Self::from_bytes(bytes)
    }

    /// Its name; no secret.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    fn parse(text: &[u8]) -> Result<Self, KeyError> {
        if text.len() == KEY {
            let mut bytes = DataKeyBytes::default();
            bytes.copy_from_slice(text);
            return Self::from_bytes(bytes);
        }
        Self::parse_base64(text)
    }

    fn parse_base64(text: &[u8]) -> Result<Self, KeyError> {
        let mut bytes = DataKeyBytes::default();
        match STANDARD.decode_slice(text.trim_ascii(), &mut bytes[..]) {
            Ok(KEY) => Self::from_bytes(bytes),
            _ => Err(config("it takes 32 bytes, as base64 44 characters")),
        }
    }

    fn wrap(&self, plain: &DataKeyBytes, context: &Context) -> Result<Vec<u8>, KeyError> {
        let nonce: [u8; NONCE] = cipher::random().map_err(|_| out_of_order())?;
        let mut wrapped = Vec::with_capacity(NONCE + KEY + TAG);
        wrapped.extend_from_slice(&nonce);
        cipher::encrypt(&self.bytes, nonce, &self.aad(context), &plain[..], &mut wrapped)
            .map_err(|_| out_of_order())?;
        Ok(wrapped)
    }

    fn unwrap(&self, wrapped: &[u8], context: &Context) -> Option<DataKeyBytes> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE>()?;
        let plain = cipher::decrypt(&self.bytes, *nonce, &self.aad(context), sealed).ok()?;
        let mut bytes = DataKeyBytes::default();
        if plain.len() != KEY {
            return None;
        }
        bytes.copy_from_slice(&plain);
        Some(bytes)
    }

    fn aad(&self, context: &Context) -> Vec<u8> {
        cipher::bound(&[
            WRAP,
            self.id.as_str().as_bytes(),
            context.namespace().as_bytes(),
            &context.partition().to_be_bytes(),
        ])
    }
}

impl fmt::Debug for LocalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalKey").field(&self.id).finish()
    }
}

/// Data keys wrapped by keys of one's own: one for writing, others for reading what
/// was written before a rotation.
#[derive(Clone, Debug)]
pub struct LocalKeys {
    keys: Vec<LocalKey>,
    ids: Vec<KeyId>,
}

impl LocalKeys {
    /// This key for writing and reading.
    pub fn new(writing: LocalKey) -> Self {
        Self {
            ids: vec![writing.id.clone()],
            keys: vec![writing],
        }
    }

    /// And this one for reading.
    pub fn reading(mut self, key: LocalKey) -> Self {
        if !self.ids.contains(&key.id) {
            self.ids.push(key.id.clone());
            self.keys.push(key);
        }
        self
    }
}

#[async_trait]
impl KeyProvider for LocalKeys {
    fn name(&self) -> &'static str {
        "local"
    }

    fn keys(&self) -> &[KeyId] {
        &self.ids
    }

    async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError> {
        let writing = &self.keys[0];
        let plain = cipher::random_key().map_err(|_| out_of_order())?;
        Ok(GeneratedKey {
            key: writing.id.clone(),
            wrapped: writing.wrap(&plain, context)?,
            plain,
        })
    }

    async fn unwrap_key(&self, key: &KeyId, wrapped: &[u8], context: &Context) -> Result<DataKeyBytes, KeyError> {
        let found = self.keys.iter().find(|known| known.id == *key);
        let known = found.ok_or_else(|| KeyError::new(KeyErrorKind::NotFound, format!("there is no key {key}")))?;
        known.unwrap(wrapped, context).ok_or_else(|| {
            KeyError::new(
                KeyErrorKind::Invalid,
                format!("what was wrapped under {key} was changed, or belongs to another namespace or partition"),
            )
        })
    }
}

fn config(message: impl Into<String>) -> KeyError {
    KeyError::new(KeyErrorKind::Config, message)
}

fn out_of_order() -> KeyError {
    KeyError::new(KeyErrorKind::Unavailable, "the cryptographic library gives nothing")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn key(byte: u8) -> LocalKey {
        let mut bytes = [byte; KEY];
        bytes[0] = 0xFF;
        LocalKey::from_bytes(Box::new(Zeroizing::new(bytes))).unwrap()
    }

    #[test]
    fn a_generated_file_is_private_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/store.key");
        let made = LocalKey::generate(&path).unwrap();
        let bits = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((bits, made.id()), (0o600, LocalKey::from_file(&path).unwrap().id()));
        let before = std::fs::read(&path).unwrap();
        assert_eq!(LocalKey::generate(&path).unwrap_err().kind(), KeyErrorKind::Config);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    #[test]
    fn a_key_file_is_kept_as_a_store_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let missing = LocalKey::from_file(&path).unwrap_err();
        assert_eq!(missing.kind(), KeyErrorKind::NotFound);
        LocalKey::generate(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        LocalKey::from_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(LocalKey::from_file(&link).unwrap_err().kind(), KeyErrorKind::Denied);
        assert_eq!(LocalKey::generate(&link).unwrap_err().kind(), KeyErrorKind::Denied);
        std::fs::hard_link(&path, folder.path().join("second")).unwrap();
        assert_eq!(LocalKey::from_file(&path).unwrap_err().kind(), KeyErrorKind::Denied);
    }

    #[test]
    fn files_hold_bytes_or_base64_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.key");
        let id = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            LocalKey::from_file(&path).map(|key| key.id().clone())
        };
        let raw: Vec<u8> = (0..32).collect();
        let text = STANDARD.encode(&raw);
        let own = id(&raw).unwrap();
        assert_eq!(id(text.as_bytes()).unwrap(), own);
        assert_eq!(id(format!(" {text}\r\n").as_bytes()).unwrap(), own);
        for bad in [&[0; 32][..], &raw[..31], b"", &text.as_bytes()[..40], &[b'A'; 64]] {
            let error = id(bad).unwrap_err();
            assert_eq!(error.kind(), KeyErrorKind::Config);
            assert!(!error.to_string().contains("AAAA"), "{error}");
        }
        assert!(!own.as_str().contains("0001"), "{own}");
    }

    #[tokio::test]
    async fn the_wrapped_form_is_pinned() {
        // Made by another implementation, as those of the envelope.
        let golden = include_str!("../tests/golden/local-wrap.hex");
        let digits: Vec<u8> = golden.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let wrapped: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        let counted = |from: u8| -> DataKeyBytes {
            Box::new(Zeroizing::new(std::array::from_fn(|index| {
                from + u8::try_from(index).unwrap()
            })))
        };
        let key = LocalKey::from_bytes(counted(64)).unwrap();
        assert_eq!(key.id().as_str(), "local:6069ff8a61e9dfa7");
        let keys = LocalKeys::new(key.clone());
        let opened = keys.unwrap_key(key.id(), &wrapped, &Context::new("golden", 7)).await;
        assert_eq!(opened.unwrap(), counted(0));
    }

    #[tokio::test]
    async fn a_wrapped_key_opens_under_its_key_and_context_only() {
        let (context, old, new) = (Context::new("n", 3), key(1), key(2));
        let before = LocalKeys::new(old.clone());
        let made = before.generate(&context).await.unwrap();
        let rotated = LocalKeys::new(new.clone()).reading(old.clone());
        assert_eq!(rotated.keys(), [new.id().clone(), old.id().clone()]);
        assert_eq!(rotated.generate(&context).await.unwrap().key, *new.id());
        let open = async |key: &KeyId, wrapped: &[u8], context: &Context| {
            rotated
                .unwrap_key(key, wrapped, context)
                .await
                .map_err(|error| error.kind())
        };
        assert_eq!(open(old.id(), &made.wrapped, &context).await.unwrap(), made.plain);
        for (key, other) in [
            (new.id(), context.clone()),
            (old.id(), Context::new("n", 4)),
            (old.id(), Context::new("m", 3)),
        ] {
            assert_eq!(
                open(key, &made.wrapped, &other).await.unwrap_err(),
                KeyErrorKind::Invalid
            );
        }
        for at in 0..made.wrapped.len() {
            let mut changed = made.wrapped.clone();
            changed[at] ^= 1;
            assert_eq!(
                open(old.id(), &changed, &context).await.unwrap_err(),
                KeyErrorKind::Invalid
            );
            assert!(open(old.id(), &made.wrapped[..at], &context).await.is_err());
        }
        let alone = LocalKeys::new(new);
        let unknown = alone.unwrap_key(old.id(), &made.wrapped, &context).await;
        assert_eq!(unknown.unwrap_err().kind(), KeyErrorKind::NotFound);
    }
}
