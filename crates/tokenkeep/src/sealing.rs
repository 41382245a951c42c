//! Seals by the names of their keys: `key-file:PATH`, `key-env:VARIABLE`, `aws-kms:KEY`.

use std::path::PathBuf;
use std::sync::Arc;

use store_kms::{KeyError, KeyErrorKind, KmsStore, KmsStoreBuilder, LocalKey, LocalKeys};

use crate::TokenStore;

/// How the records of a store are sealed, as a setting says it. Holds names of keys, no
/// key.
///
/// | name | key |
/// |---|---|
/// | `key-file:PATH` | 32 bytes in a file that is yours alone ([`LocalKey::generate`]) |
/// | `key-env:VARIABLE` | 32 bytes as Base64 in an environment variable |
/// | `aws-kms:KEY` | a key of AWS KMS: its ARN, its id, `alias/NAME` (feature `kms`) |
///
/// Local keys and those of AWS KMS don't go together in one seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealing {
    writing: Key,
    reading: Vec<Key>,
    namespace: Option<String>,
    #[cfg(feature = "kms")]
    endpoint_url: Option<String>,
    accept_plaintext: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    File(PathBuf),
    Environment(String),
    #[cfg(feature = "kms")]
    Aws(String),
}

impl Sealing {
    /// Seals under this key.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] if it is no name of a key, or one whose feature is not
    /// compiled in.
    pub fn new(writing: &str) -> Result<Self, KeyError> {
        Ok(Self {
            writing: Key::parse(writing)?,
            reading: Vec::new(),
            namespace: None,
            #[cfg(feature = "kms")]
            endpoint_url: None,
            accept_plaintext: false,
        })
    }

    /// Also opens what this key sealed.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if one key is local and the other is not.
    pub fn reading(mut self, key: &str) -> Result<Self, KeyError> {
        let key = Key::parse(key)?;
        if key.is_local() != self.writing.is_local() {
            return Err(config(
                "local keys and keys of AWS KMS don't go together in one seal; move the records to a store with the \
                 other seal",
            ));
        }
        self.reading.push(key);
        Ok(self)
    }

    /// Binds the records to this name; `tokenkeep` unless said otherwise.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// Asks AWS KMS at this URL, https or of this machine: for an endpoint in a network
    /// of one's own.
    #[cfg(feature = "kms")]
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Takes records that are not sealed as they are: for the time in which a store that
    /// was plain is sealed.
    pub fn accept_plaintext(mut self) -> Self {
        self.accept_plaintext = true;
        self
    }

    /// The store, sealed.
    ///
    /// # Errors
    /// What reading the keys, or asking the key service for their names, gives.
    pub async fn wrap(&self, store: Arc<dyn TokenStore>) -> Result<KmsStore, KeyError> {
        let builder = self.builder(store).await?;
        let builder = match &self.namespace {
            Some(name) => builder.namespace(name),
            None => builder,
        };
        let builder = if self.accept_plaintext {
            builder.accept_plaintext()
        } else {
            builder
        };
        Ok(builder.build())
    }

    #[cfg_attr(
        not(feature = "kms"),
        expect(clippy::unused_async, reason = "other keys are asked for over the network")
    )]
    async fn builder(&self, store: Arc<dyn TokenStore>) -> Result<KmsStoreBuilder, KeyError> {
        #[cfg(feature = "kms")]
        if let Key::Aws(writing) = &self.writing {
            let reading = self.reading.iter().filter_map(|key| match key {
                Key::Aws(name) => Some(name),
                Key::File(_) | Key::Environment(_) => None,
            });
            let keys = reading.fold(
                store_kms::AwsKms::builder(writing),
                store_kms::AwsKmsBuilder::reading_key,
            );
            let keys = match &self.endpoint_url {
                Some(url) => keys.endpoint_url(url),
                None => keys,
            };
            return Ok(KmsStore::builder(store, keys.connect().await?));
        }
        let keys = LocalKeys::new(self.writing.local()?);
        let reading = self.reading.iter().map(Key::local);
        let keys = reading
            .into_iter()
            .try_fold(keys, |keys, key| Ok::<_, KeyError>(keys.reading(key?)))?;
        Ok(KmsStore::builder(store, keys))
    }
}

impl Key {
    fn parse(text: &str) -> Result<Self, KeyError> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            // What is no such name may be a key: it is not repeated.
            _ if name.is_empty() => Err(config(
                "no name of a key; write key-file:PATH, key-env:VARIABLE or aws-kms:KEY",
            )),
            "key-file" => Ok(Self::File(name.into())),
            "key-env" => Ok(Self::Environment(name.into())),
            #[cfg(feature = "kms")]
            "aws-kms" => Ok(Self::Aws(name.into())),
            #[cfg(not(feature = "kms"))]
            "aws-kms" => Err(config("this program was built without the feature `kms` of tokenkeep")),
            _ => Err(config(
                "no such kind of key; write key-file:PATH, key-env:VARIABLE or aws-kms:KEY",
            )),
        }
    }

    fn is_local(&self) -> bool {
        matches!(self, Self::File(_) | Self::Environment(_))
    }

    fn local(&self) -> Result<LocalKey, KeyError> {
        match self {
            Self::File(path) => LocalKey::from_file(path),
            Self::Environment(name) => LocalKey::from_environment(name),
            #[cfg(feature = "kms")]
            Self::Aws(_) => Err(config("a key of AWS KMS is no local key")),
        }
    }
}

fn config(message: &str) -> KeyError {
    KeyError::new(KeyErrorKind::Config, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keys() {
        for name in ["key-file:/etc/key", "key-env:KEY"] {
            assert!(Sealing::new(name).is_ok(), "{name}");
        }
        for name in ["", "key-file", "key-file:", "c2VjcmV0", "other:x"] {
            let error = Sealing::new(name).unwrap_err();
            assert_eq!(error.kind(), KeyErrorKind::Config);
            assert!(error.to_string().contains("key-file:PATH"), "{error}");
            assert!(!error.to_string().contains("c2VjcmV0"), "{error}");
        }
        let aws = Sealing::new("aws-kms:alias/tokens");
        assert_eq!(aws.is_ok(), cfg!(feature = "kms"));
        if let Ok(aws) = aws {
            assert!(aws.reading("key-env:KEY").is_err());
        }
    }

    #[tokio::test]
    async fn a_key_that_is_not_there_is_named() {
        let seal = Sealing::new("key-file:/nowhere/key").unwrap();
        let error = seal.wrap(Arc::new(crate::MemoryStore::new())).await.unwrap_err();
        assert!(error.to_string().contains("/nowhere/key"), "{error}");
    }
}
