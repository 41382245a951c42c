//! Records as documents of the collection: made, replaced, found.

use std::time::Duration;

use auth_core::clock::Timestamp;
use auth_core::key::{Key, Part};
use auth_core::record::{Record, Version};
use auth_core::store::{Listing, Page};
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;

use crate::documents::{self, BODY, Names, RecordDocument, VERSION, living};
use crate::error::{Doing, Fault, is_duplicate};

/// How often a record may come and go while one is being made.
const TRIES: u32 = 3;
/// How many entries a page has at most, whatever is asked for.
const MOST_LISTED: usize = 10_000;

/// The records of one namespace.
pub(crate) struct Records {
    pub(crate) documents: Collection<Document>,
    pub(crate) names: Names,
    pub(crate) largest_time: Duration,
}

impl Records {
    pub(crate) async fn create(&self, record: &Record, now: Timestamp) -> Result<(), Fault> {
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

    pub(crate) async fn replace(&self, record: &Record, read: Version, now: Timestamp) -> Result<(), Fault> {
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
    pub(crate) async fn stored(&self, key: &Key) -> Result<Option<(Version, Option<Timestamp>)>, Fault> {
        let found = self.find(key, Some(doc! { BODY: 0 })).await?;
        found.map(|document| documents::stored(&document, key)).transpose()
    }

    /// Grants are read linearizably: the primary has a majority confirm first that it
    /// is still the primary, so that nobody spends a refresh token which an older
    /// primary still shows. Nobody tells a store which load comes before a send, so
    /// all of them are.
    pub(crate) async fn find(&self, key: &Key, fields: Option<Document>) -> Result<Option<Document>, Fault> {
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

    pub(crate) async fn page(&self, page: &Page, now: Timestamp) -> Result<Listing, Fault> {
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
        let (mut entries, mut last) = (Vec::new(), None);
        for _ in 0..limit {
            if !cursor.advance().await.map_err(failed)? {
                return Ok(Listing::new(entries, None));
            }
            let document = cursor.deserialize_current().map_err(failed)?;
            entries.extend(documents::listed(&document, &self.names));
            last = self.names.key_text(&document).map(str::to_owned);
        }
        let has_more = cursor.advance().await.map_err(failed)?;
        Ok(Listing::new(entries, last.filter(|_| has_more)))
    }

    pub(crate) fn named(&self, key: &Key) -> Document {
        doc! { "_id": self.names.record(&key.to_string()) }
    }

    fn at_version(&self, key: &Key, version: Version) -> Document {
        let mut filter = self.named(key);
        filter.insert(VERSION, version.to_string());
        filter
    }
}
