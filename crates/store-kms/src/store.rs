//! The store around a store.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::Clock;
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::sealer::Sealer;
use auth_core::store::{
    Capabilities, Lease, LeaseId, Listing, Operation, Page, RemoveIf, StoreError, StoreErrorKind, TokenStore, WriteIf,
};

use crate::config::KmsStoreBuilder;
use crate::data_keys::DataKeys;
use crate::envelope::{self, Bound, Damage, Envelope};
use crate::error::Trouble;
use crate::provider::{KeyId, KeyProvider};
use crate::service::Service;
use crate::witness::{Facts, Seen, Witness};

/// A store whose records are sealed, over any other. Cheap to clone: clones share the
/// data keys.
#[derive(Clone)]
pub struct KmsStore {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) inner: Arc<dyn TokenStore>,
    pub(crate) name: String,
    pub(crate) namespace: Arc<str>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<DataKeys>,
    pub(crate) witness: Witness,
    pub(crate) accept_plaintext: bool,
    /// The leases that were granted through this store.
    leases: Mutex<HashMap<Key, LeaseId>>,
}

impl KmsStore {
    /// Seals what this store keeps, under the first key of the provider; with the
    /// settings of [`builder`](Self::builder).
    pub fn wrap(store: impl TokenStore, provider: impl KeyProvider) -> Self {
        Self::builder(store, provider).build()
    }

    /// The same, with settings.
    pub fn builder(store: impl TokenStore, provider: impl KeyProvider) -> KmsStoreBuilder {
        KmsStoreBuilder::new(Arc::new(store), Arc::new(provider))
    }

    pub(crate) fn of(config: KmsStoreBuilder) -> Self {
        let service = Service::new(config.provider, config.clock.clone(), config.limits);
        let keys = DataKeys::new(service, config.clock.clone(), config.namespace.clone(), config.cache);
        Self {
            shared: Arc::new(Shared {
                name: format!("kms+{}", config.inner.name()),
                inner: config.inner,
                namespace: config.namespace,
                clock: config.clock,
                keys: Arc::new(keys),
                witness: Witness::new(config.remembered),
                accept_plaintext: config.accept_plaintext,
                leases: Mutex::default(),
            }),
        }
    }

    /// The key that records are sealed under from now on.
    pub fn writing_key(&self) -> &KeyId {
        self.shared.keys.writing()
    }

    /// The store underneath, which sees sealed records only.
    pub fn inner(&self) -> &Arc<dyn TokenStore> {
        &self.shared.inner
    }
}

impl Shared {
    /// The same record with its body sealed.
    pub(crate) async fn seal(&self, record: &Record) -> Result<Record, StoreError> {
        let failed = |trouble: Trouble| trouble.at(Operation::Save, &self.name, None);
        if self
            .capabilities()
            .largest_record
            .is_some_and(|largest| record.body().len() > largest)
        {
            return Err(StoreError::new(StoreErrorKind::TooLarge, Operation::Save, &self.name));
        }
        let what = format!("the record {} can't be sealed", record.key());
        let held = self.keys.for_sealing(record.key()).await;
        let held = held.map_err(|error| failed(Trouble::key(error, self.keys.writing(), &what)))?;
        let sealed = envelope::seal(&held.key, &Bound::Record(record), record.body().expose())
            .map_err(|_| failed(Trouble::out_of_order(&what)))?;
        Ok(Record::from_parts(
            record.key().clone(),
            record.version(),
            record.keep_until(),
            record.hints().clone(),
            sealed.into(),
        ))
    }

    /// The same record with its body opened.
    pub(crate) async fn open(&self, stored: &Record) -> Result<Record, StoreError> {
        let opened = self.open_body(stored).await;
        let body = opened.map_err(|trouble| trouble.at(Operation::Load, &self.name, Some(stored.version())))?;
        Ok(match body {
            None => stored.clone(),
            Some(body) => Record::from_parts(
                stored.key().clone(),
                stored.version(),
                stored.keep_until(),
                stored.hints().clone(),
                body,
            ),
        })
    }

    /// `None` if it may stay as it is.
    async fn open_body(&self, stored: &Record) -> Result<Option<auth_core::secret::SecretBytes>, Trouble> {
        let what = || format!("the record {}", stored.key());
        let bytes = stored.body().expose();
        let envelope = match Envelope::parse(bytes) {
            // What core writes is a JSON object.
            Err(Damage::Plain) if self.accept_plaintext && bytes.first() == Some(&b'{') => return Ok(None),
            parsed => parsed.map_err(|damage| Trouble::damage(damage, &what()))?,
        };
        let data_key = self.keys.for_opening(stored.key(), &envelope).await;
        let data_key = data_key.map_err(|locked| Trouble::locked(locked, &envelope.key, &what()))?;
        let opened = envelope.open(&data_key, &self.namespace, &Bound::Record(stored));
        opened.map(Some).map_err(|damage| Trouble::damage(damage, &what()))
    }

    /// Saves a record, and remembers that this process did.
    pub(crate) async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let sealed = self.seal(record).await?;
        let saved = self.inner.save(&sealed, when).await;
        let saved = match saved {
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                self.save_over_rollback(&sealed, when, error).await
            }
            saved => saved,
        };
        saved.map_err(|error| self.named(error))?;
        if let Some(facts) = Facts::of(record) {
            self.witness.note_unless_later(Seen {
                version: sealed.version(),
                facts,
                stored: sealed,
            });
        }
        Ok(())
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities().sealed();
        let overhead = envelope::overhead(self.keys.longest_id());
        capabilities.largest_record = capabilities
            .largest_record
            .map(|largest| largest.saturating_sub(overhead));
        capabilities
    }

    /// The error of the store underneath, under our name.
    pub(crate) fn named(&self, error: StoreError) -> StoreError {
        error.of_store(&self.name)
    }

    pub(crate) fn leases(&self) -> MutexGuard<'_, HashMap<Key, LeaseId>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_lease(&self, key: &Key, id: &LeaseId) {
        let mut leases = self.leases();
        if leases.get(key) == Some(id) {
            leases.remove(key);
        }
    }
}

impl fmt::Debug for KmsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsStore")
            .field("inner", &self.shared.inner)
            .field("keys", &self.shared.keys)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for KmsStore {
    fn name(&self) -> &str {
        &self.shared.name
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.capabilities()
    }

    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        Some(Arc::new(self.clone()))
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.shared.load(key).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        self.shared.save(record, when).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let removed = self.shared.inner.remove(key, when).await;
        removed.map_err(|error| self.shared.named(error))
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let listed = self.shared.inner.list(page).await;
        listed.map_err(|error| self.shared.named(error))
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        let shared = &*self.shared;
        let lease = shared
            .inner
            .try_lease(key, id, ttl)
            .await
            .map_err(|error| shared.named(error))?;
        if lease == Lease::Granted {
            shared.leases().insert(key.clone(), id.clone());
        }
        Ok(lease)
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        let shared = &*self.shared;
        let held = shared
            .inner
            .renew(key, id, ttl)
            .await
            .map_err(|error| shared.named(error))?;
        if !held {
            shared.forget_lease(key, id);
        }
        Ok(held)
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.shared.forget_lease(key, id);
        let released = self.shared.inner.release(key, id).await;
        released.map_err(|error| self.shared.named(error))
    }
}
