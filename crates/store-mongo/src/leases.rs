//! Leases: a document each, judged by the server's clock.

use std::time::Duration;

use auth_core::store::{Lease, LeaseId};
use mongodb::Collection;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::Error;
use mongodb::options::ReturnDocument;

use crate::documents::UNTIL;
use crate::error::{Doing, Fault, is_duplicate};

/// How often others may come first before a lease counts as theirs.
const TRIES: u32 = 3;
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// Takes the lease of this name, in one step, if it is free, over or mine.
pub(crate) async fn take(
    documents: &Collection<Document>,
    name: &str,
    id: &LeaseId,
    ttl: Duration,
) -> Result<Lease, Fault> {
    for _ in 0..TRIES {
        let taking = documents
            .find_one_and_update(doc! { "_id": name }, taking(id, ttl))
            .upsert(true)
            .return_document(ReturnDocument::After);
        match taking.await {
            Ok(Some(found)) => return outcome(&found, id),
            // Two made the document at once; now it is there. Not every server says so.
            Ok(None) => {}
            Err(error) if is_duplicate(&error) => {}
            Err(error) => return Err(failed(&error)),
        }
    }
    Ok(Lease::HeldElsewhere { retry_after: ASK_AGAIN })
}

/// Extends the lease of this name, if it is mine and not over: only then does the update change anything, and
/// the server says whether it did. So no document has to come back, for which some servers look at all of them.
pub(crate) async fn extend(
    documents: &Collection<Document>,
    name: &str,
    id: &LeaseId,
    ttl: Duration,
) -> Result<bool, Fault> {
    let extended = documents
        .update_one(doc! { "_id": name, "owner": id.as_str() }, extending(ttl))
        .await;
    Ok(extended.map_err(|error| failed(&error))?.modified_count > 0)
}

/// Gives the lease of this name back, if it is mine.
pub(crate) async fn give_back(documents: &Collection<Document>, name: &str, id: &LeaseId) -> Result<(), Fault> {
    let deleted = documents.delete_one(doc! { "_id": name, "owner": id.as_str() }).await;
    deleted.map(|_| ()).map_err(|error| failed(&error))
}

struct Held<'d> {
    owner: &'d str,
    left: Duration,
}

impl<'d> Held<'d> {
    fn of(document: &'d Document) -> Result<Self, Fault> {
        let time = |field| {
            document
                .get_datetime(field)
                .map(|time: &DateTime| time.timestamp_millis())
        };
        let (Ok(owner), Ok(until), Ok(now)) = (document.get_str("owner"), time(UNTIL), time("now")) else {
            return Err(Fault::corrupt("a lease's document can't be read: remove it"));
        };
        let left = Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0));
        Ok(Self { owner, left })
    }
}

fn outcome(found: &Document, id: &LeaseId) -> Result<Lease, Fault> {
    let held = Held::of(found)?;
    if held.owner == id.as_str() {
        return Ok(Lease::Granted);
    }
    Ok(Lease::HeldElsewhere {
        retry_after: held.left.min(ASK_AGAIN),
    })
}

/// Everything is decided in the pipeline: a filter with a condition would make an
/// upsert insert a second document, and `$expr` is not allowed there.
fn taking(id: &LeaseId, ttl: Duration) -> Vec<Document> {
    let mine = doc! { "$literal": id.as_str() };
    let free = doc! { "$or": [
        { "$eq": [{ "$type": "$until" }, "missing"] },
        { "$lte": ["$until", server_time()] },
        { "$eq": ["$owner", mine.clone()] },
    ] };
    vec![
        doc! { "$set": { "free": free, "now": "$$NOW" } },
        doc! { "$set": {
            "owner": { "$cond": ["$free", mine, "$owner"] },
            "until": { "$cond": ["$free", { "$add": ["$now", millis(ttl)] }, "$until"] },
            "fence": { "$cond": ["$free", next_fence(), "$fence"] },
        } },
        doc! { "$unset": "free" },
    ]
}

/// The fence grows with each, so that one that is extended within the same millisecond changes too.
fn extending(ttl: Duration) -> Vec<Document> {
    let lives = doc! { "$gt": ["$until", server_time()] };
    vec![
        doc! { "$set": { "lives": lives } },
        doc! { "$set": {
            "now": { "$cond": ["$lives", "$$NOW", "$now"] },
            "until": { "$cond": ["$lives", { "$add": ["$$NOW", millis(ttl)] }, "$until"] },
            "fence": { "$cond": ["$lives", next_fence(), "$fence"] },
        } },
        doc! { "$unset": "lives" },
    ]
}

fn next_fence() -> Document {
    doc! { "$add": [{ "$ifNull": ["$fence", 0_i64] }, 1_i64] }
}

// There and back by a number: the same time to MongoDB, and a plain date also to
// servers that compare the variable itself wrongly.
fn server_time() -> Document {
    doc! { "$toDate": { "$toLong": "$$NOW" } }
}

fn millis(ttl: Duration) -> Bson {
    // A thousand years, so that no sum overflows.
    const LONGEST: i64 = 1_000 * 366 * 86_400_000;
    Bson::Int64(i64::try_from(ttl.as_millis()).unwrap_or(LONGEST).min(LONGEST))
}

fn failed(error: &Error) -> Fault {
    Fault::of(error, Doing::Ask)
}
