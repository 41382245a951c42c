//! rusqlite, on a thread of its own.

use std::path::Path;
use std::sync::{Arc, mpsc};

use async_trait::async_trait;
use rusqlite::Connection;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokenkeep::store::sqlite::SqliteStore;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::{Driver, Effort, compare};

const SCHEMA: &str = "PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA secure_delete = on;
    CREATE TABLE records (key TEXT PRIMARY KEY, version TEXT NOT NULL, hints TEXT NOT NULL, body BLOB NOT NULL)
    WITHOUT ROWID, STRICT;";
const LOAD: &str = "SELECT version, hints, body FROM records WHERE key = ?1";
const UPDATE: &str = "UPDATE records SET version = ?2, hints = ?3, body = ?4 WHERE key = ?1 AND version = ?5";
const INSERT: &str = "INSERT INTO records (key, version, hints, body) VALUES (?1, ?2, ?3, ?4)";

pub(super) fn run(runtime: &Runtime) {
    let folder = tempfile::tempdir().unwrap();
    let ours = Arc::new(SqliteStore::open(folder.path().join("ours.sqlite")).unwrap());
    let bare = Rusqlite::open(&folder.path().join("bare.sqlite"));
    let effort = Effort {
        rounds: 31,
        loads: 500,
        saves: 50,
    };
    super::fill(runtime, &*ours, &bare, 100);
    compare("sqlite", runtime, effort, ours, bare);
}

type Work = Box<dyn FnOnce(&Connection) + Send>;

struct Rusqlite(mpsc::Sender<Work>);

impl Rusqlite {
    fn open(path: &Path) -> Self {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(SCHEMA).unwrap();
        let (sender, receiver) = mpsc::channel::<Work>();
        std::thread::spawn(move || receiver.into_iter().for_each(|work| work(&connection)));
        Self(sender)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> T + Send + 'static) -> T {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move |connection: &Connection| drop(answer.send(work(connection))));
        self.0.send(work).unwrap();
        answered.await.unwrap()
    }
}

#[async_trait]
impl Driver for Rusqlite {
    async fn load(&self, key: &Key) -> usize {
        let name = key.to_string();
        self.run(move |connection| {
            let mut statement = connection.prepare_cached(LOAD).unwrap();
            let row = statement.query_row([&name], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            });
            row.unwrap().2
        })
        .await
        .len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        let record = record.clone();
        self.run(move |connection| {
            let (name, version) = (record.key().to_string(), record.version().to_string());
            let hints = serde_json::to_string(record.hints()).unwrap();
            let body = record.body().expose();
            let changed = match read {
                None => {
                    let mut insert = connection.prepare_cached(INSERT).unwrap();
                    insert.execute((name, version, hints, body)).unwrap()
                }
                Some(read) => {
                    let mut update = connection.prepare_cached(UPDATE).unwrap();
                    update.execute((name, version, hints, body, read.to_string())).unwrap()
                }
            };
            assert_eq!(changed, 1);
        })
        .await;
    }
}
