//! The store: reads top-down as the contract does.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::key::{Key, Part};
use auth_core::record::Record;
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    TokenStore, WriteIf,
};
use redis::Value;
use redis::cluster::ClusterClient;
use redis::sentinel::SentinelClient;

use crate::config::{RedisConfig, RedisOptions};
use crate::error::Fault;
use crate::link::{Failed, Link, Reply};
use crate::list::Gathered;
use crate::origin::Origin;
use crate::scripts::{RELEASE, REMOVE, RENEW, SAVE, TRY_LEASE};
use crate::{durability, entry, list, thread};

/// The longest that somebody who waits for a lease is told to wait before asking again.
const LEASE_POLL: Duration = Duration::from_millis(50);
/// Far more than tokens need, and little enough to go through in no time.
const LARGEST_RECORD: usize = 1 << 20;
/// How long the server remembers who removed a record: for whoever asks again after a broken connection.
const REMOVAL_REMEMBERED: Duration = Duration::from_secs(60);

/// Tokens in Redis. Clones are the same handle and share its connections.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
    persistence: Persistence,
}

pub(crate) struct Inner {
    pub(crate) link: Link,
    pub(crate) gathered: Gathered,
    options: RedisOptions,
    place: String,
    /// To make room the servers drop what has an end: refresh tokens get none.
    drops_what_ends: AtomicBool,
}

impl RedisStore {
    /// The servers that a URL names; see [`RedisConfig::from_url`].
    ///
    /// # Errors
    /// `Invalid` if the URL is; `Unavailable` if the servers can't be reached now, `Denied` if they refuse
    /// this user or aren't trusted.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(&RedisConfig::from_url(url)?).await
    }

    /// The servers that a configuration names.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with_config(config: &RedisConfig) -> Result<Self, StoreError> {
        let origin = Origin::of(config).map_err(|fault| fault.at(Operation::Open))?;
        Self::over(origin, config.options.clone(), config.place()).await
    }

    /// A server by a client of the driver. Connections are made by it, and kept here.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_client(client: redis::Client, options: RedisOptions) -> Result<Self, StoreError> {
        let origin = Origin::of_client(client, &options);
        Self::over(origin, options, "the given client".into()).await
    }

    /// A cluster by a client of the driver. Build it with `retries(0)`: a command that the driver sends again
    /// after a lost answer can make a save report a conflict with itself.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_cluster_client(client: &ClusterClient, options: RedisOptions) -> Result<Self, StoreError> {
        let origin = Origin::of_cluster_client(client, &options);
        Self::over(origin, options, "the given cluster client".into()).await
    }

    /// The primary that sentinels name, by a client of the driver.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn from_sentinel_client(client: SentinelClient, options: RedisOptions) -> Result<Self, StoreError> {
        let origin = Origin::of_sentinel_client(client, &options);
        Self::over(origin, options, "the given sentinel client".into()).await
    }

    async fn over(origin: Origin, options: RedisOptions, place: String) -> Result<Self, StoreError> {
        let inner = Arc::new(Inner {
            link: Link::new(origin),
            gathered: Gathered::default(),
            options,
            place,
            drops_what_ends: AtomicBool::new(true),
        });
        let asking = inner.clone();
        let found = on_own_thread(Operation::Open, async move {
            durability::find(&asking.link, &asking.options, &asking.place).await
        })
        .await?;
        inner.drops_what_ends.store(found.drops_what_ends, Ordering::Relaxed);
        let persistence = inner.options.durability.unwrap_or(found.persistence);
        if let (None, Some(reason)) = (inner.options.durability, found.reason) {
            tracing::warn!(store = "redis", place = %inner.place, "what is kept here: {persistence}; {reason}");
        }
        Ok(Self { inner, persistence })
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("place", &self.inner.place)
            .field("prefix", &self.inner.options.prefix)
            .field("persistence", &self.persistence)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for RedisStore {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn capabilities(&self) -> Capabilities {
        let promised = Capabilities::new(self.persistence, LeaseScope::Shared, LeaseEnd::ByTime);
        let promised = promised.with_largest_record(LARGEST_RECORD);
        if self.persistence == Persistence::Evictable && self.inner.options.volatile_refresh_tokens {
            return promised.with_volatile_refresh_tokens();
        }
        promised
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (inner, command) = (self.inner.clone(), entry::load(&self.inner.record_name(key)));
        let answer = on_own_thread(Operation::Load, async move {
            let answer = inner.link.read(&command).await;
            answer.map_err(|failed| inner.unread(&failed))
        });
        // Read here: that thread has the connections of all to look after.
        entry::record(key, answer.await?).map_err(|fault| fault.at(Operation::Load))
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let (inner, record) = (self.inner.clone(), record.clone());
        on_own_thread(Operation::Save, async move { inner.save(&record, when).await }).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let (inner, key) = (self.inner.clone(), key.clone());
        on_own_thread(Operation::Remove, async move { inner.remove(&key, when).await }).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let inner = self.inner.clone();
        on_own_thread(Operation::List, async move { list::page(&inner, page).await }).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        let call = TRY_LEASE
            .on(self.inner.lease_name(key))
            .argument(id.as_str())
            .argument(millis(ttl));
        let left = self.inner.ask_about_lease(call).await?;
        Ok(match u64::try_from(left) {
            Err(_) => Lease::Granted,
            Ok(left) => Lease::HeldElsewhere {
                retry_after: Duration::from_millis(left + 1).min(LEASE_POLL),
            },
        })
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        let call = RENEW
            .on(self.inner.lease_name(key))
            .argument(id.as_str())
            .argument(millis(ttl));
        Ok(self.inner.ask_about_lease(call).await? == 1)
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        let call = RELEASE.on(self.inner.lease_name(key)).argument(id.as_str());
        self.inner.ask_about_lease(call).await.map(|_| ())
    }
}

impl Inner {
    /// The name of a record in Redis. The braces keep it and its lease on one node of a cluster.
    pub(crate) fn record_name(&self, key: impl fmt::Display) -> String {
        format!("{}record:{{{key}}}", self.options.prefix)
    }

    /// The key in the name of a record.
    pub(crate) fn key_text(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&self.options.prefix)?.strip_prefix("record:{")?;
        rest.strip_suffix('}').map(str::to_owned)
    }

    /// What a read that failed says.
    pub(crate) fn unread(&self, failed: &Failed) -> Fault {
        Fault::of(failed, &self.place, false)
    }

    /// An answer that no server gives.
    pub(crate) fn strange(&self) -> Fault {
        Fault::strange(&self.place)
    }

    fn lease_name(&self, key: &Key) -> String {
        format!("{}lease:{{{key}}}", self.options.prefix)
    }

    fn removal_name(&self, key: &Key) -> String {
        format!("{}removed:{{{key}}}", self.options.prefix)
    }

    /// When the server forgets the record.
    fn expiry(&self, record: &Record) -> String {
        if record.hints().refreshable && self.drops_what_ends.load(Ordering::Relaxed) {
            return String::new();
        }
        entry::expiry(record)
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), Fault> {
        if record.body().len() > LARGEST_RECORD {
            return Err(Fault::too_large(record.body().len(), LARGEST_RECORD));
        }
        let expected = when.expected().map_or_else(String::new, |version| version.to_string());
        let call = SAVE
            .on(self.record_name(record.key()))
            .argument(record.version().to_string())
            .argument(expected)
            .argument(record.head())
            .secret(record.body().clone())
            .argument(self.expiry(record));
        let reply = self.written(self.link.write(&call, self.replicas_for(record.key())).await)?;
        match word(&reply) {
            Some("done") => self.acknowledged(&reply),
            Some("conflict") if reply.repeated => Err(Fault::overtaken(&self.place)),
            Some("conflict") => Err(Fault::conflict()),
            Some("damaged") => Err(entry::not_a_record(record.key())),
            _ => Err(self.strange()),
        }
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, Fault> {
        let expected = match when {
            RemoveIf::Matches(version) => version.to_string(),
            _ => String::new(),
        };
        let call = REMOVE
            .on(self.record_name(key))
            .and(self.removal_name(key))
            .argument(expected)
            .argument(LeaseId::random().as_str())
            .argument(millis(REMOVAL_REMEMBERED));
        let reply = self.written(self.link.write(&call, 0).await)?;
        match word(&reply) {
            Some("done") => Ok(true),
            // Not by an attempt of ours whose answer was lost: the server would remember.
            Some("absent") => Ok(false),
            Some("conflict") if reply.repeated => Err(Fault::overtaken(&self.place)),
            Some("conflict") => Err(Fault::conflict()),
            Some("damaged") => Err(entry::not_a_record(key)),
            _ => Err(self.strange()),
        }
    }

    fn written(&self, outcome: Result<Reply, Failed>) -> Result<Reply, Fault> {
        outcome.map_err(|failed| Fault::of(&failed, &self.place, true))
    }

    /// Access tokens can be had again; what else there is can't.
    fn replicas_for(&self, key: &Key) -> u32 {
        match key.part() {
            Part::Grant | Part::Client => self.options.wait_replicas,
            _ => 0,
        }
    }

    fn acknowledged(&self, reply: &Reply) -> Result<(), Fault> {
        match reply.replicas {
            Some(have) if have < self.options.wait_replicas => {
                Err(Fault::too_few_replicas(&self.place, have, self.options.wait_replicas))
            }
            _ => Ok(()),
        }
    }

    async fn ask_about_lease(self: &Arc<Self>, call: crate::scripts::Call) -> Result<i64, StoreError> {
        let inner = self.clone();
        on_own_thread(Operation::Lease, async move {
            let reply = inner.link.call(&call).await.map_err(|failed| inner.unread(&failed))?;
            match reply.value {
                Value::Int(number) => Ok(number),
                _ => Err(inner.strange()),
            }
        })
        .await
    }
}

fn word(reply: &Reply) -> Option<&str> {
    match &reply.value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn millis(ttl: Duration) -> String {
    ttl.as_millis().clamp(1, 1 << 40).to_string()
}

async fn on_own_thread<T, W>(operation: Operation, work: W) -> Result<T, StoreError>
where
    T: Send + 'static,
    W: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let writes = matches!(operation, Operation::Save | Operation::Remove);
    let outcome = thread::run(work).await;
    outcome
        .unwrap_or_else(|| Err(Fault::unfinished(writes)))
        .map_err(|fault| fault.at(operation))
}
