//! The file as this process last saw it: an unchanged file costs a `stat`.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use auth_core::key::Key;
use auth_core::secret::SecretBytes;
use auth_core::store::StoreErrorKind;
use auth_core::store::local::{Place, keep_private, open_to_read};

use crate::atomic_file;
use crate::config::Layout;
use crate::document::{Document, FORMAT, Unreadable};
use crate::entry::RecordDamage;
use crate::error::{Doing, Fault};
use crate::lock::DataLock;
use crate::members::Damage;

/// For this long after a change the times of a file don't show another one: they
/// tick by up to 2 seconds on some file systems.
const COARSE_TICK: Duration = Duration::from_secs(3);

/// Where a time has parts of a second, they tick by 10 milliseconds at most.
const FINE_TICK: Duration = Duration::from_millis(50);

/// The file as this process last saw it.
pub(crate) struct Shelf {
    place: Place,
    layout: Layout,
    seen: Mutex<Option<Arc<Seen>>>,
    /// Held while reading, so that many tasks read a changed file once.
    reading: Mutex<()>,
    reads: AtomicU64,
    writes: AtomicU64,
    swept: AtomicBool,
    /// Whether what was written last may not be under its name on the disk yet.
    unsynced: AtomicBool,
}

struct Seen {
    stamp: Stamp,
    /// Whether the file was old enough when seen for its times to tell of every
    /// later change.
    settled: bool,
    document: Arc<Document>,
}

/// What changes with a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Shelf {
    pub(crate) fn new(place: Place, layout: Layout) -> Self {
        Self {
            place,
            layout,
            seen: Mutex::default(),
            reading: Mutex::default(),
            reads: AtomicU64::default(),
            writes: AtomicU64::default(),
            swept: AtomicBool::default(),
            unsynced: AtomicBool::default(),
        }
    }

    /// Where the file is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The document, if the file is as it was seen last, by one `stat`; `None` if
    /// it has to be read.
    pub(crate) fn unchanged(&self) -> Result<Option<Arc<Document>>, Fault> {
        match stat(&self.place)? {
            None => Ok(Some(self.empty())),
            Some(stamp) => Ok(self.seen_as(stamp).map(|seen| seen.document.clone())),
        }
    }

    /// The document as it is now; blocks.
    pub(crate) fn current(&self) -> Result<Arc<Document>, Fault> {
        let _once = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        match self.unchanged()? {
            Some(document) => Ok(document),
            None => self.read(),
        }
    }

    /// The document as it is now, for one who is about to replace it: also a
    /// change that left the file's times and size alone is seen. Blocks.
    pub(crate) fn current_for_write(&self, _lock: &DataLock) -> Result<Arc<Document>, Fault> {
        let Some(stamp) = stat(&self.place)? else {
            return if self.place.create {
                Ok(self.empty())
            } else {
                Err(self.place.missing())
            };
        };
        match self.seen_as(stamp) {
            Some(seen) if seen.settled => Ok(seen.document.clone()),
            Some(seen) => self.verified(&seen),
            None => self.read(),
        }
    }

    /// Replaces the file. Blocks.
    pub(crate) fn write(&self, lock: &DataLock, document: Document) -> Result<(), Fault> {
        if !self.swept.swap(true, Ordering::Relaxed) {
            atomic_file::remove_leftovers(&self.place.file, &self.place.folder);
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        let found = match self.layout {
            Layout::Own => atomic_file::replace(&self.place.file, &document)?,
            Layout::Pancloud => atomic_file::overwrite(&self.place.file, &document)?,
        };
        self.unsynced.store(true, Ordering::Release);
        // Readers find it under its name already: they need not read it while its folder is synced.
        self.keep(Seen::new(&found, Arc::new(document)));
        self.sync(lock)
    }

    /// Makes durable what was written last. Blocks.
    pub(crate) fn sync(&self, _lock: &DataLock) -> Result<(), Fault> {
        atomic_file::sync(&self.place)?;
        self.unsynced.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether what this handle wrote last may not be on the disk: it is being synced, or
    /// could not be.
    pub(crate) fn is_unsynced(&self) -> bool {
        self.unsynced.load(Ordering::Acquire)
    }

    /// A record that can't be used.
    pub(crate) fn damaged(&self, key: &Key, RecordDamage(damage): RecordDamage) -> Fault {
        Fault::corrupt(format!(
            "{}, record {key}, {}: mend it, or restore a copy",
            self.place.file.display(),
            described(damage)
        ))
    }

    /// How often the file was read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How often the file was replaced.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::Relaxed)
    }

    fn verified(&self, seen: &Arc<Seen>) -> Result<Arc<Document>, Fault> {
        let path = &self.place.file;
        let failed = |error| Fault::io(Doing::Read, path, error);
        let file = open_to_read(path).map_err(failed)?;
        keep_private(&file, path)?;
        if !atomic_file::holds(&file, &seen.document).map_err(failed)? {
            return self.read();
        }
        let found = file.metadata().map_err(failed)?;
        if Stamp::of(&found) != seen.stamp {
            return self.read();
        }
        self.keep(Seen::new(&found, seen.document.clone()));
        Ok(seen.document.clone())
    }

    fn read(&self) -> Result<Arc<Document>, Fault> {
        let mut tries = 0;
        loop {
            let (bytes, found) = self.read_bytes()?;
            match Document::read(self.layout, bytes.expose()) {
                Ok(document) => {
                    let document = Arc::new(document);
                    self.keep(Seen::new(&found, document.clone()));
                    return Ok(document);
                }
                // Who writes in place may be at it.
                Err(_) if self.layout == Layout::Pancloud && tries < 10 => {
                    tries += 1;
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(why) => return Err(unreadable(&self.place, bytes.expose(), &why)),
            }
        }
    }

    fn empty(&self) -> Arc<Document> {
        Arc::new(Document::empty(self.layout))
    }

    fn read_bytes(&self) -> Result<(SecretBytes, Metadata), Fault> {
        let path = &self.place.file;
        let failed = |error| Fault::io(Doing::Read, path, error);
        let mut tries = 0;
        loop {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let mut file = open_to_read(path).map_err(failed)?;
            let before = keep_private(&file, path)?;
            let bytes = read_whole(&mut file, before.len()).map_err(failed)?;
            let after = file.metadata().map_err(failed)?;
            tries += 1;
            // An editor that writes in place may be at it: what was read may be half of each.
            if Stamp::of(&before) == Stamp::of(&after) || tries == 5 {
                return Ok((bytes, after));
            }
        }
    }

    fn seen_as(&self, stamp: Stamp) -> Option<Arc<Seen>> {
        self.seen().as_ref().filter(|seen| seen.stamp == stamp).cloned()
    }

    fn keep(&self, seen: Seen) {
        *self.seen() = Some(Arc::new(seen));
    }

    fn seen(&self) -> MutexGuard<'_, Option<Arc<Seen>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn new(found: &Metadata, document: Arc<Document>) -> Self {
        let stamp = Stamp::of(found);
        Self {
            stamp,
            settled: stamp.is_settled(SystemTime::now()),
            document,
        }
    }
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    fn is_settled(&self, now: SystemTime) -> bool {
        let (seconds, nanoseconds) = self.changed.max(self.modified);
        let part = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)) + part;
        let is_fine = self.changed.1 != 0 && self.modified.1 != 0;
        let tick = if is_fine { FINE_TICK } else { COARSE_TICK };
        now.duration_since(changed).is_ok_and(|age| age > tick)
    }
}

fn stat(place: &Place) -> Result<Option<Stamp>, Fault> {
    match std::fs::symlink_metadata(&place.file) {
        Ok(found) => Ok(Some(Stamp::of(&found))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Fault::io(Doing::Read, &place.file, error)),
    }
}

fn read_whole(file: &mut File, size: u64) -> io::Result<SecretBytes> {
    // One byte more than there should be, so that reading to the end never grows it
    // and leaves copies of secrets behind.
    let room = usize::try_from(size).map_err(|_| io::Error::from(ErrorKind::FileTooLarge))?;
    let mut bytes = SecretBytes::with_capacity(room.saturating_add(1));
    file.read_to_end(bytes.expose_mut())?;
    Ok(bytes)
}

fn unreadable(place: &Place, bytes: &[u8], why: &Unreadable) -> Fault {
    let path = place.file.display();
    match why {
        Unreadable::NewerFormat(format) => Fault::new(
            StoreErrorKind::Unsupported,
            format!("{path} has format {format}, this version reads up to {FORMAT}; it was kept: update tokenkeep"),
        ),
        Unreadable::Damaged(_) if bytes.is_empty() => Fault::corrupt(format!(
            "{path} is empty, which tokenkeep never leaves behind: restore a copy, or remove it to begin anew"
        )),
        Unreadable::Damaged(damage) => {
            let copy = atomic_file::backup_of(&place.file);
            let copy = if copy.exists() {
                format!("the copy {}", copy.display())
            } else {
                "a copy".to_owned()
            };
            let damage = described(*damage);
            Fault::corrupt(format!(
                "{path}, {damage}: mend it, restore {copy}, or move it away to begin anew"
            ))
        }
    }
}

/// What is wrong and where, for messages.
fn described(damage: Damage) -> String {
    format!("line {}, column {}: {}", damage.at.line, damage.at.column, damage.what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JsonConfig;

    #[test]
    fn an_edit_that_the_times_do_not_show_is_seen_before_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let (before, after) = (
            "{\"tokenkeep\":{\"format\":1},\"x\":1}",
            "{\"tokenkeep\":{\"format\":1},\"x\":2}",
        );
        std::fs::write(&path, before).unwrap();
        let place = Place::resolve(&JsonConfig::new(&path).file).unwrap();
        let shelf = Shelf::new(place, Layout::Own);
        shelf.current().unwrap();
        std::fs::write(&path, after).unwrap();
        // As if both writes had come within one tick of the file system's clock.
        let old = shelf.seen().take().unwrap();
        shelf.keep(Seen {
            stamp: stat(&shelf.place).unwrap().unwrap(),
            settled: false,
            document: old.document.clone(),
        });

        let lock = DataLock::acquire(&shelf.place).unwrap();
        let found = shelf.current_for_write(&lock).unwrap();
        let mut text = Vec::new();
        found.write_to(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("\"x\":2"), "{text}");
    }

    #[test]
    fn young_files_are_not_settled() {
        let stamp = |part| Stamp {
            device: 1,
            inode: 1,
            size: 1,
            modified: (900, part),
            changed: (1_000, part),
        };
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        let coarse = stamp(0);
        assert!(!coarse.is_settled(at(1_000_000)));
        assert!(!coarse.is_settled(at(1_003_000)));
        assert!(coarse.is_settled(at(1_003_001)));
        let fine = stamp(4_000_000);
        assert!(!fine.is_settled(at(1_000_054)));
        assert!(fine.is_settled(at(1_000_055)));
        // A clock that went back: it can't be known.
        assert!(!fine.is_settled(at(5)));
    }
}
