//! Where data keys come from: what a key service must do.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zeroize::Zeroizing;

/// The bytes of a data key: 256 bits, wiped when dropped, and in one place only: a
/// move copies the pointer, not the key.
pub type DataKeyBytes = Box<Zeroizing<[u8; 32]>>;

/// Makes data keys, and opens wrapped ones.
///
/// One key is for writing; more may be allowed for reading. A record can't choose
/// a key that was not configured: [`unwrap_key`](Self::unwrap_key) is only called
/// for those in [`keys`](Self::keys).
#[async_trait]
pub trait KeyProvider: fmt::Debug + Send + Sync + 'static {
    /// The kind of provider, for messages: `aws-kms`, `key-file`.
    fn name(&self) -> &str;

    /// The keys that may be used for reading; the first is the one for writing.
    /// Never empty.
    fn keys(&self) -> &[KeyId];

    /// A new data key under the first of [`keys`](Self::keys), bound to the context.
    ///
    /// # Errors
    /// [`KeyErrorKind::Throttled`] and [`KeyErrorKind::Unavailable`] pass; the
    /// others need somebody to do something.
    async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError>;

    /// Opens a wrapped data key that was generated under this key and context.
    ///
    /// # Errors
    /// As for [`generate`](Self::generate), and [`KeyErrorKind::Invalid`] if it was
    /// changed or belongs to another key or context.
    async fn unwrap_key(&self, key: &KeyId, wrapped: &[u8], context: &Context) -> Result<DataKeyBytes, KeyError>;
}

#[async_trait]
impl<T: KeyProvider + ?Sized> KeyProvider for Arc<T> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn keys(&self) -> &[KeyId] {
        (**self).keys()
    }

    async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError> {
        (**self).generate(context).await
    }

    async fn unwrap_key(&self, key: &KeyId, wrapped: &[u8], context: &Context) -> Result<DataKeyBytes, KeyError> {
        (**self).unwrap_key(key, wrapped, context).await
    }
}

/// The name of a key, as records and audit logs show it: an ARN, or the
/// fingerprint of a local key. No secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The longest name, in bytes.
    pub const MAX_LENGTH: usize = 2_048;

    /// Parses a name: 1 to [`MAX_LENGTH`](Self::MAX_LENGTH) printable ASCII characters without spaces.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] if it is none.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let valid =
            !text.is_empty() && text.len() <= Self::MAX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic());
        if valid {
            Ok(Self(text.into()))
        } else {
            Err(KeyError::new(
                KeyErrorKind::Config,
                "the name of a key is 1 to 2048 printable ASCII characters without spaces",
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a data key is bound to. It shows in the key service's audit log, so it
/// names no profile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    namespace: Arc<str>,
    partition: u32,
}

impl Context {
    /// A namespace, and one of its partitions.
    pub fn new(namespace: &str, partition: u32) -> Self {
        Self {
            namespace: namespace.into(),
            partition,
        }
    }

    /// The configured name of the store's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The partition of the profile.
    pub fn partition(&self) -> u32 {
        self.partition
    }
}

/// A new data key, plain and wrapped.
pub struct GeneratedKey {
    /// The key it is wrapped under.
    pub key: KeyId,
    /// The key itself.
    pub plain: DataKeyBytes,
    /// What records carry, to get the key back from the provider.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for GeneratedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GeneratedKey")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// What to match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// The settings are wrong: key name, region, credentials, file.
    Config,
    /// Not allowed to use the key.
    Denied,
    /// The key is disabled.
    Disabled,
    /// What was wrapped is not what was given out, or belongs to another key or context.
    Invalid,
    /// There is no such key.
    NotFound,
    /// The key waits for its deletion.
    PendingDeletion,
    /// Asked too often: later it works.
    Throttled,
    /// Not reached, or out of order.
    Unavailable,
}

/// Why there is no data key. Cheap to clone; holds no secret.
#[derive(Clone, Debug)]
pub struct KeyError {
    kind: KeyErrorKind,
    message: Arc<str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl KeyError {
    /// With what is wrong, where, and what to do next; no secret.
    pub fn new(kind: KeyErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into().into(),
            retry_after: None,
            source: None,
        }
    }

    /// With the error underneath, which must hold no secret.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// With when asking again makes sense.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What to match on.
    pub fn kind(&self) -> KeyErrorKind {
        self.kind
    }

    /// When asking again makes sense, if the service said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether asking again can help without anybody doing something.
    pub fn is_passing(&self) -> bool {
        matches!(self.kind, KeyErrorKind::Throttled | KeyErrorKind::Unavailable)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
