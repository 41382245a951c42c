//! The store: reads top-down as the contract does.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, SystemClock, Timestamp};
use auth_core::key::{Key, Part};
use auth_core::record::{Record, Version};
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStore, WriteIf,
};
use mongodb::bson::{Document, doc};
use mongodb::options::{
    Acknowledgment, ClientOptions, CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Collection};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::config::{MongoConfig, NAMESPACE, TIMEOUT, checked_namespace};
use crate::documents::{self, BODY, Names, RecordDocument, VERSION, living};
use crate::error::{Doing, Fault, is_duplicate};
use crate::home;
use crate::leases;
use crate::server::{Need, Server};

/// The largest body. A document of MongoDB may have 16 MiB, but so much does not
/// reach the journals of a majority in the time that an operation has.
const LARGEST_RECORD: usize = 4 << 20;
const SELECTION: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(2);
/// How often a record may come and go while one is being made.
const TRIES: u32 = 3;
/// How many entries a page has at most, whatever is asked for.
const MOST_LISTED: usize = 10_000;

/// Tokens in a collection of a MongoDB replica set. Clones share the connections.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Where the client lives, if we opened it.
    home: Option<Handle>,
}

struct Inner {
    documents: Collection<Document>,
    names: Names,
    server: Server,
    largest_time: Duration,
}

impl MongoStore {
    /// The store that a URL names; see [`MongoConfig::from_url`].
    ///
    /// Reads the URL, the files it names and, for `mongodb+srv`, the DNS. Servers are
    /// first asked by the first operation, so that a service can start before them.
    ///
    /// # Errors
    /// `Invalid` if the URL is, `Unavailable` if DNS does not answer.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(MongoConfig::from_url(url)?).await
    }

    /// The store that a configuration names.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with_config(config: MongoConfig) -> Result<Self, StoreError> {
        Self::open(config).await.map_err(|fault| fault.at(Operation::Open))
    }

    /// A collection of a client that is the caller's, who answers for its time-outs
    /// and that the runtime on which it was made keeps running. Read and write
    /// concern are ours, whatever the collection's are.
    pub fn from_client<T: Send + Sync>(collection: &Collection<T>) -> Self {
        Self::over(&collection.clone_with_type(), NAMESPACE, TIMEOUT, None)
    }

    /// The same under another namespace.
    ///
    /// # Errors
    /// `Invalid`, as [`MongoConfig::namespace`].
    pub fn with_namespace(mut self, name: impl Into<String>) -> Result<Self, StoreError> {
        let name = checked_namespace(name.into()).map_err(|fault| fault.at(Operation::Open))?;
        self.inner = Arc::new(Inner {
            documents: self.inner.documents.clone(),
            names: Names::new(name),
            server: Server::default(),
            largest_time: self.inner.largest_time,
        });
        Ok(self)
    }

    /// The same, judging `keep_until` by this clock. Leases are judged by the
    /// server's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The name under which records are bound to this store when they are sealed.
    pub fn namespace(&self) -> &str {
        self.inner.names.namespace()
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("collection", &self.inner.documents.namespace().to_string())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for MongoStore {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::DurableReplicated, LeaseScope::Shared, LeaseEnd::ByTime)
            .with_largest_record(LARGEST_RECORD)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (wanted, now) = (key.clone(), self.clock.now());
        let record = self.run(
            Operation::Load,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Inner>| async move {
                let found = inner.find(&wanted, None).await?;
                found.map(|document| documents::record(document, &wanted)).transpose()
            },
        );
        Ok(record.await?.filter(|record| !record.is_past(now)))
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        if record.body().len() > LARGEST_RECORD {
            let message = format!("{} bytes, at most {LARGEST_RECORD}", record.body().len());
            return Err(Fault::new(StoreErrorKind::TooLarge, message).at(Operation::Save));
        }
        let (record, now) = (record.clone(), self.clock.now());
        self.run(
            Operation::Save,
            Need::Sweeping,
            Doing::Write,
            move |inner: Arc<Inner>| async move {
                match when.expected() {
                    None => inner.create(&record, now).await,
                    Some(version) => inner.replace(&record, version, now).await,
                }
            },
        )
        .await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        self.run(
            Operation::Remove,
            Need::Majority,
            Doing::Write,
            move |inner: Arc<Inner>| async move {
                let mut filter = living(inner.named(&key), now);
                if let RemoveIf::Matches(version) = when {
                    filter.insert(VERSION, version.to_string());
                }
                let deleted = inner.documents.delete_one(filter).await;
                let deleted = deleted.map_err(|error| Fault::of(&error, Doing::Write))?;
                if deleted.deleted_count > 0 {
                    return Ok(true);
                }
                match inner.stored(&key).await? {
                    Some((_, until)) if until.is_some_and(|until| until <= now) => Ok(false),
                    Some((version, _)) if !when.holds(version) => Err(Fault::conflict()),
                    // Any other was made since, and is not the one to remove.
                    _ => Ok(false),
                }
            },
        )
        .await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let now = self.clock.now();
        self.run(
            Operation::List,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Inner>| async move { inner.page(&page, now).await },
        )
        .await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Leases,
            Doing::Ask,
            move |inner: Arc<Inner>| async move { leases::take(&inner.documents, &name, &id, ttl).await },
        )
        .await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Inner>| async move { leases::extend(&inner.documents, &name, &id, ttl).await },
        )
        .await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Inner>| async move { leases::give_back(&inner.documents, &name, &id).await },
        )
        .await
    }
}

impl MongoStore {
    async fn open(config: MongoConfig) -> Result<Self, Fault> {
        let home = home::handle().map_err(|error| {
            Fault::new(
                StoreErrorKind::Unavailable,
                format!("the operating system gives no thread: {}", error.kind()),
            )
        })?;
        let url = config.driver_url()?;
        let timeout = config.time_allowed();
        let opening = home.spawn(async move {
            let options = timeout_at(Instant::now() + timeout, ClientOptions::parse(url.expose())).await;
            let options = options.map_err(|_| late(Doing::Ask))?;
            options
                .and_then(|options| {
                    let database = options.default_database.clone();
                    Ok((Client::with_options(ours(options))?, database))
                })
                .map_err(|error| Fault::of(&error, Doing::Ask))
        });
        let (client, database) = opening.await.unwrap_or_else(|_| Err(late(Doing::Ask)))?;
        let (database, collection) = config.names(database.as_deref());
        let documents = client.database(&database).collection(&collection);
        Ok(Self::over(&documents, config.namespace_name(), timeout, Some(home)))
    }

    fn over(documents: &Collection<Document>, namespace: &str, timeout: Duration, home: Option<Handle>) -> Self {
        // The server gives up a little before we do, and says so.
        let largest_time = timeout.mul_f64(0.8);
        let namespaces = documents.namespace();
        let database = documents.client().database(&namespaces.db);
        Self {
            inner: Arc::new(Inner {
                documents: database.collection_with_options(&namespaces.coll, concerns(largest_time)),
                names: Names::new(namespace.to_owned()),
                server: Server::default(),
                largest_time,
            }),
            clock: Arc::new(SystemClock),
            timeout,
            home,
        }
    }

    fn lease(&self, key: &Key) -> String {
        self.inner.names.lease(&key.to_string())
    }

    /// Finds out what is needed, then works; neither takes longer than it may. It
    /// runs to its end on our own runtime, even if the future is dropped.
    async fn run<T, F, W>(&self, operation: Operation, need: Need, doing: Doing, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Inner>) -> W + Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let (inner, timeout) = (self.inner.clone(), self.timeout);
        let task = async move {
            let end = Instant::now() + timeout;
            let checking = inner.server.check(need, &inner.documents, &inner.names);
            timeout_at(end, checking)
                .await
                .unwrap_or_else(|_| Err(late(Doing::Ask)))?;
            timeout_at(end, work(inner)).await.unwrap_or_else(|_| Err(late(doing)))
        };
        let outcome = match &self.home {
            None => task.await,
            Some(home) => home.spawn(task).await.unwrap_or_else(|_| Err(late(doing))),
        };
        outcome.map_err(|fault| fault.at(operation))
    }
}

impl Inner {
    async fn create(&self, record: &Record, now: Timestamp) -> Result<(), Fault> {
        let document = RecordDocument::of(record, &self.names)?;
        for _ in 0..TRIES {
            match self.documents.insert_one(document.get()).await {
                Ok(_) => return Ok(()),
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(Fault::of(&error, Doing::Write)),
            }
            match self.stored(record.key()).await? {
                // An answer was lost, and the same sent again.
                Some((version, _)) if version == record.version() => return Ok(()),
                // What is past its end is as good as absent; one of us replaces it.
                Some((version, until)) if until.is_some_and(|until| until <= now) => {
                    let filter = self.at_version(record.key(), version);
                    if self.put(filter, &document).await? {
                        return Ok(());
                    }
                }
                Some(_) => return Err(Fault::conflict()),
                None => {}
            }
        }
        Err(Fault::conflict())
    }

    async fn replace(&self, record: &Record, read: Version, now: Timestamp) -> Result<(), Fault> {
        let document = RecordDocument::of(record, &self.names)?;
        let filter = living(self.at_version(record.key(), read), now);
        if self.put(filter, &document).await? {
            return Ok(());
        }
        match self.stored(record.key()).await? {
            Some((version, _)) if version == record.version() => Ok(()),
            _ => Err(Fault::conflict()),
        }
    }

    /// Whether there was a document to replace. Never makes one: an upsert would
    /// bring back what was removed.
    async fn put(&self, filter: Document, document: &RecordDocument) -> Result<bool, Fault> {
        let replaced = self.documents.replace_one(filter, document.get()).await;
        let replaced = replaced.map_err(|error| Fault::of(&error, Doing::Write))?;
        Ok(replaced.matched_count > 0)
    }

    /// The version of a record, and its end.
    async fn stored(&self, key: &Key) -> Result<Option<(Version, Option<Timestamp>)>, Fault> {
        let found = self.find(key, Some(doc! { BODY: 0 })).await?;
        found.map(|document| documents::stored(&document, key)).transpose()
    }

    /// Grants are read linearizably: the primary has a majority confirm first that it
    /// is still the primary, so that nobody spends a refresh token which an older
    /// primary still shows. Nobody tells a store which load comes before a send, so
    /// all of them are.
    async fn find(&self, key: &Key, fields: Option<Document>) -> Result<Option<Document>, Fault> {
        let concern = match key.part() {
            Part::Grant => ReadConcern::linearizable(),
            _ => ReadConcern::majority(),
        };
        let mut finding = self
            .documents
            .find_one(self.named(key))
            .read_concern(concern)
            .max_time(self.largest_time);
        if let Some(fields) = fields {
            finding = finding.projection(fields);
        }
        finding.await.map_err(|error| Fault::of(&error, Doing::Ask))
    }

    async fn page(&self, page: &Page, now: Timestamp) -> Result<Listing, Fault> {
        let limit = page.limit.min(MOST_LISTED);
        let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let failed = |error| Fault::of(&error, Doing::Ask);
        let filter = living(self.names.records_after(page.cursor.as_deref()), now);
        let mut cursor = self
            .documents
            .find(filter)
            .projection(doc! { BODY: 0 })
            .sort(doc! { "_id": 1 })
            .limit(asked)
            .max_time(self.largest_time)
            .await
            .map_err(failed)?;
        let mut entries = Vec::new();
        while cursor.advance().await.map_err(failed)? {
            let document = cursor.deserialize_current().map_err(failed)?;
            entries.push(documents::listed(&document, &self.names)?);
        }
        let has_more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().filter(|_| has_more).map(|entry| entry.key.to_string());
        Ok(Listing::new(entries, last))
    }

    fn named(&self, key: &Key) -> Document {
        doc! { "_id": self.names.record(&key.to_string()) }
    }

    fn at_version(&self, key: &Key, version: Version) -> Document {
        let mut filter = self.named(key);
        filter.insert(VERSION, version.to_string());
        filter
    }
}

/// What the URL leaves open, and what it may not decide.
fn ours(mut options: ClientOptions) -> ClientOptions {
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.app_name.get_or_insert_with(|| "tokenkeep".to_owned());
    options
}

fn concerns(largest_time: Duration) -> CollectionOptions {
    let written = WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .w_timeout(largest_time)
        .build();
    CollectionOptions::builder()
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .read_concern(ReadConcern::majority())
        .write_concern(written)
        .build()
}

fn late(doing: Doing) -> Fault {
    Fault::unanswered(doing, "no answer in time")
}
