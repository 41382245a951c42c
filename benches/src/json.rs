//! The JSON store beside reading, encoding and writing the same file by hand.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokenkeep::store::{TokenStore, TokenStoreExt as _, WriteIf, json::JsonStore};

use crate::measure::{Pairs, Unit, head, time};
use crate::records::{contents, profile};

const ROUNDS: usize = 31;

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    head("by hand", Unit::Microseconds);
    for profiles in [1, 100, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.json");
        fill(&file, profiles);
        let store = JsonStore::open(&file).unwrap();
        let key = Key::grant(&profile(profiles / 2));
        let pairs = Pairs::measure(
            ROUNDS,
            || time(|| runtime.block_on(save(&store, &key))),
            || blocking(&runtime, &file, save_by_hand),
        );
        pairs.row(&format!("`save`, {profiles} profiles"), 1.0, Unit::Microseconds);
        runtime.block_on(store.load(&key)).unwrap().unwrap();
        let pairs = Pairs::measure(
            ROUNDS,
            || time(|| runtime.block_on(load(&store, &key))),
            || blocking(&runtime, &file, load_by_hand),
        );
        pairs.row(
            &format!("`load`, {profiles} profiles, unchanged"),
            1.0,
            Unit::Microseconds,
        );
        let pairs = Pairs::measure(
            ROUNDS,
            || time(|| runtime.block_on(load(&JsonStore::open(&file).unwrap(), &key))),
            || blocking(&runtime, &file, load_by_hand),
        );
        pairs.row(&format!("`load`, {profiles} profiles, first"), 1.0, Unit::Microseconds);
    }
    println!(
        "\nBy hand: read the file, parse it, change a member, encode it, write a file beside it, `fsync` it, \
         rename it, `fsync` the folder; on a blocking thread as ours. No lock, no compare-and-swap, no check."
    );
}

/// Written by hand, so that ten thousand saves are not waited for; the store reads it
/// like any other.
fn fill(file: &Path, profiles: usize) {
    let store = JsonStore::open(file).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let record = Record::encode(Key::grant(&profile(0)), Version::after(None), None, &contents(0));
        store.save(&record, WriteIf::Absent).await.unwrap();
    });
    let text = std::fs::read_to_string(file).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let records = document["records"].as_object_mut().unwrap();
    let (name, first) = records
        .iter()
        .next()
        .map(|(name, value)| (name.clone(), value.clone()))
        .unwrap();
    for number in 1..profiles {
        let key = Key::grant(&profile(number)).to_string();
        let copy = first.to_string().replace(&name, &key);
        records.insert(key, serde_json::from_str(&copy).unwrap());
    }
    std::fs::write(file, serde_json::to_vec(&document).unwrap()).unwrap();
    let read = runtime.block_on(JsonStore::open(file).unwrap().list_all()).unwrap();
    assert_eq!(read.len(), profiles);
}

async fn save(store: &JsonStore, key: &Key) {
    let read = store.load(key).await.unwrap().map(|record| record.version());
    let record = Record::encode(key.clone(), Version::after(read), None, &contents(7));
    store.save(&record, WriteIf::unchanged(read)).await.unwrap();
}

async fn load(store: &JsonStore, key: &Key) {
    store.load(key).await.unwrap().unwrap().decode().unwrap();
}

fn blocking(runtime: &tokio::runtime::Runtime, file: &Path, work: fn(&Path)) -> Duration {
    let file = file.to_owned();
    time(|| runtime.block_on(async { tokio::task::spawn_blocking(move || work(&file)).await.unwrap() }))
}

fn load_by_hand(file: &Path) {
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    std::hint::black_box(document["records"].as_object().map(serde_json::Map::len));
}

fn save_by_hand(file: &Path) {
    let mut document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    document["bench"] = Value::from(7);
    let beside = file.with_extension("new");
    let mut new = File::create(&beside).unwrap();
    new.write_all(&serde_json::to_vec(&document).unwrap()).unwrap();
    new.sync_all().unwrap();
    std::fs::rename(&beside, file).unwrap();
    File::open(file.parent().unwrap()).unwrap().sync_all().unwrap();
}
