//! A file, written by hand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokenkeep::store::json::JsonStore;
use tokio::runtime::Runtime;

use super::{Driver, Effort, compare};

const RECORDS: usize = 100;

pub(super) fn run(runtime: &Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let ours = Arc::new(JsonStore::open(folder.path().join("ours.json")).unwrap());
    let bare = ByHand(Arc::new(Hand {
        file: folder.path().join("bare.json"),
        held: Mutex::default(),
    }));
    let effort = Effort {
        rounds: 21,
        loads: 200,
        saves: 20,
    };
    super::fill(runtime, &*ours, &bare, RECORDS);
    compare("json", runtime, effort, ours, bare);
}

struct ByHand(Arc<Hand>);

struct Hand {
    file: PathBuf,
    held: Mutex<Held>,
}

/// The file as it was written last.
#[derive(Default)]
struct Held {
    stamp: Option<(u64, u64, i64, i64)>,
    records: BTreeMap<String, (String, Vec<u8>)>,
}

#[async_trait]
impl Driver for ByHand {
    async fn load(&self, key: &Key) -> usize {
        let (hand, name) = (self.0.clone(), key.to_string());
        let load = move || {
            let document: Value = serde_json::from_slice(&std::fs::read(&hand.file).unwrap()).unwrap();
            serde_json::to_vec(&document["records"][name]["body"]).unwrap()
        };
        tokio::task::spawn_blocking(load).await.unwrap().len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        let (hand, record) = (self.0.clone(), record.clone());
        tokio::task::spawn_blocking(move || hand.save(&record, read))
            .await
            .unwrap();
    }
}

impl Hand {
    fn save(&self, record: &Record, read: Option<Version>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = File::create(self.file.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(self.stamp(), held.stamp);
        let (name, version) = (record.key().to_string(), record.version().to_string());
        let stored = held.records.insert(name, (version, record.body().expose().to_vec()));
        assert_eq!(stored.map(|(version, _)| version), read.map(|read| read.to_string()));
        self.write(&held.records);
        held.stamp = self.stamp();
    }

    fn write(&self, records: &BTreeMap<String, (String, Vec<u8>)>) {
        let beside = self.file.with_extension("new");
        let mut out = BufWriter::with_capacity(64 * 1024, File::create(&beside).unwrap());
        out.write_all(b"{\"records\":{").unwrap();
        for (index, (name, (version, body))) in records.iter().enumerate() {
            let comma = if index == 0 { "" } else { ",\n" };
            write!(out, "{comma}\"{name}\":{{\"version\":\"{version}\",\"body\":").unwrap();
            out.write_all(body).unwrap();
            out.write_all(b"}").unwrap();
        }
        out.write_all(b"}}").unwrap();
        out.into_inner().unwrap().sync_all().unwrap();
        std::fs::rename(&beside, &self.file).unwrap();
        File::open(self.file.parent().unwrap()).unwrap().sync_all().unwrap();
    }

    fn stamp(&self) -> Option<(u64, u64, i64, i64)> {
        let found = std::fs::symlink_metadata(&self.file).ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    }
}
