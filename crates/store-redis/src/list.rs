//! Lists. `SCAN` may give a name twice and knows no order, so the names are gathered and sorted first, once
//! for all pages.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth_core::key::Key;
use auth_core::store::{Listed, Listing, Page, StoreErrorKind};
use redis::Value;
use tokio::task::JoinSet;

use crate::entry;
use crate::error::Fault;
use crate::store::Inner;

/// How long the names are kept for the next page.
const LIFE: Duration = Duration::from_secs(60);
/// How many names one `SCAN` looks at: it holds up everybody else for so long.
const STEP: u32 = 1_000;
/// How many records are read at once.
const AT_ONCE: usize = 64;

/// The names that the pages of one list are cut from.
#[derive(Debug, Default)]
pub(crate) struct Gathered(Mutex<Option<(Instant, Arc<BTreeSet<String>>)>>);

impl Gathered {
    fn keep(&self, names: Option<Arc<BTreeSet<String>>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names.map(|names| (Instant::now(), names));
    }

    fn kept(&self) -> Option<Arc<BTreeSet<String>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, names) = kept.as_ref()?;
        (since.elapsed() < LIFE).then(|| names.clone())
    }
}

/// One page; the cursor is the last key of the page before.
pub(crate) async fn page(inner: &Arc<Inner>, page: Page) -> Result<Listing, Fault> {
    let kept = page.cursor.as_ref().and_then(|_| inner.gathered.kept());
    let names = match kept {
        Some(names) => names,
        None => Arc::new(gather(inner).await?),
    };
    let rest = names
        .iter()
        .filter(|name| page.cursor.as_ref().is_none_or(|after| *name > after));
    let wanted: Vec<String> = rest.take(page.limit).cloned().collect();
    let next = wanted.last().filter(|last| names.last() != Some(last)).cloned();
    inner.gathered.keep(next.as_ref().map(|_| names));
    Ok(Listing::new(read(inner, wanted).await?, next))
}

/// The names of all records, from all primaries.
async fn gather(inner: &Arc<Inner>) -> Result<BTreeSet<String>, Fault> {
    let pattern = inner.record_name("*");
    let mut names = BTreeSet::new();
    for primary in inner.link.primaries().await.map_err(|failed| inner.unread(&failed))? {
        let mut cursor = b"0".to_vec();
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let answer = inner.link.read_from(primary, &scan).await;
            let found;
            (cursor, found) = step(inner, answer.map_err(|failed| inner.unread(&failed))?)?;
            // What is no text is not of ours.
            let texts = found.into_iter().filter_map(|name| String::from_utf8(name).ok());
            names.extend(texts.filter_map(|name| inner.key_text(&name)));
            if cursor == b"0" {
                break;
            }
        }
    }
    Ok(names)
}

/// The next cursor and the names in an answer to `SCAN`.
fn step(inner: &Inner, answer: Value) -> Result<(Vec<u8>, Vec<Vec<u8>>), Fault> {
    redis::from_redis_value(answer).map_err(|_| inner.strange())
}

async fn read(inner: &Arc<Inner>, wanted: Vec<String>) -> Result<Vec<Listed>, Fault> {
    let mut entries = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let mut reading = JoinSet::new();
        for key in some.iter().filter_map(|text| text.parse::<Key>().ok()) {
            let inner = inner.clone();
            reading.spawn(async move { glance(&inner, &key).await });
        }
        while let Some(read) = reading.join_next().await {
            entries.extend(read.unwrap_or_else(|_| Err(Fault::unfinished(false)))?);
        }
    }
    entries.sort_by_cached_key(|entry| entry.key.to_string());
    Ok(entries)
}

async fn glance(inner: &Inner, key: &Key) -> Result<Option<Listed>, Fault> {
    let answer = inner.link.read(&entry::glance(&inner.record_name(key))).await;
    match answer.map_err(|failed| inner.unread(&failed)) {
        Ok(answer) => Ok(entry::listed(key, answer)),
        // Something else is stored under this name.
        Err(fault) if fault.kind() == StoreErrorKind::Corrupt => Ok(Some(Listed::damaged(key.clone()))),
        Err(fault) => Err(fault),
    }
}
