//! The seam to encryption at rest: core knows that records can be sealed, not how.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::key::Key;
use crate::secret::SecretBytes;
use crate::store::StoreErrorKind;

/// Seals bytes so that only who may use the key can open them.
///
/// The engine asks for a [`DataKey`] before a refresh token is spent, and holds it
/// until the answer is kept: so a key service that goes away in between can't
/// turn a spent token into a lost one.
#[async_trait]
pub trait Sealer: fmt::Debug + Send + Sync + 'static {
    /// The kind of sealer, for messages.
    fn name(&self) -> &str;

    /// A data key for the records of this key's profile, in memory and usable
    /// without a further call for as long as it is held.
    ///
    /// # Errors
    /// [`SealError`] if there is none to be had: then nothing may be sent.
    async fn data_key(&self, key: &Key) -> Result<Arc<dyn DataKey>, SealError>;

    /// Opens what a data key of this sealer, or of another process's, sealed for this
    /// name among the records of this key's profile.
    ///
    /// # Errors
    /// [`SealError`] if it was changed, sealed for another name, or its key can't be
    /// had.
    async fn open(&self, key: &Key, name: &str, sealed: &[u8]) -> Result<SecretBytes, SealError>;
}

/// A data key in memory.
pub trait DataKey: fmt::Debug + Send + Sync + 'static {
    /// Seals bytes for this name, which is bound to them but not hidden.
    ///
    /// # Errors
    /// [`SealError`] if the key may not be used any more.
    fn seal(&self, name: &str, plain: &SecretBytes) -> Result<Vec<u8>, SealError>;
}

/// Why something can't be sealed or opened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SealError {
    kind: StoreErrorKind,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl SealError {
    /// With what is wrong and what to do next; no secret. Its kind is `Unavailable`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            kind: StoreErrorKind::Unavailable,
            message: message.into(),
            source: None,
        }
    }

    /// With another kind: what the same trouble would be in a store that seals.
    pub fn of_kind(mut self, kind: StoreErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// What to match on.
    pub fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// With the error underneath, which must hold no secret.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SealError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
