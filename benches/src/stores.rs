//! Each store beside its bare driver, which does the same durable write from the same kind of thread.

mod json;
mod memcached;
mod mongo;
mod redis;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::TokenStore;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokenkeep::store::WriteIf;
use tokio::runtime::Runtime;

use crate::measure::{Pairs, Unit, head, time};
use crate::records::{contents, profile};

type Measurement = fn(&Runtime);

/// Each can be asked for by its name.
const STORES: [(&str, Measurement); 5] = [
    ("file", json::run),
    ("sqlite", sqlite::run),
    ("redis", redis::run),
    ("memcached", memcached::run),
    ("mongodb", mongo::run),
];

/// What is measured on both sides: a key's value read, and replaced if this version is stored (`None`: nothing).
#[async_trait]
trait Driver: Send + Sync {
    /// The length of what is stored.
    async fn load(&self, key: &Key) -> usize;
    async fn save(&self, record: &Record, read: Option<Version>);
}

/// How much is done: enough for the times to mean something, and no more.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    loads: usize,
    saves: usize,
}

struct Store(Arc<dyn TokenStore>);

pub(crate) fn run() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    head("bare driver", Unit::Microseconds);
    let asked: Vec<String> = std::env::args().collect();
    let is_asked = |name: &str| asked.iter().any(|asked| asked == name);
    let all = !STORES.iter().any(|(name, _)| is_asked(name));
    for (_, run) in STORES.iter().filter(|(name, _)| all || is_asked(name)) {
        run(&runtime);
    }
    println!(
        "\nA record is a login of about 900 bytes. The bare drivers compare and swap too, on the same server or the \
         same disk, and wait for the same: json reads, parses and searches a file of 100 records; it has them in memory \
         already when it saves, looks whether the file changed, writes one beside it, `fsync`s, renames, `fsync`s the \
         folder, under a lock of the file; rusqlite on a thread of its own, WAL and FULL; redis by one script on a \
         hash, memcached by `mg` and `ms` with what that found, mongodb by `replace_one` with majority and journal \
         and by a linearizable read."
    );
}

#[async_trait]
impl Driver for Store {
    async fn load(&self, key: &Key) -> usize {
        let record = self.0.load(key).await.unwrap().unwrap();
        record.body().len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        self.0.save(record, WriteIf::unchanged(read)).await.unwrap();
    }
}

/// Four rows: `save` and `load`, by one task and by 64.
fn compare(name: &str, runtime: &Runtime, effort: Effort, ours: Arc<dyn TokenStore>, bare: impl Driver + 'static) {
    let (ours, bare): (Arc<dyn Driver>, Arc<dyn Driver>) = (Arc::new(Store(ours)), Arc::new(bare));
    for tasks in [1, 64] {
        let sides = [Side::new(&ours, runtime, tasks), Side::new(&bare, runtime, tasks)];
        let [mut ours, mut bare] = sides;
        let Effort { rounds, loads, saves } = effort;
        let saves = saves.div_ceil(if tasks == 1 { 1 } else { 16 });
        let pairs = Pairs::measure(rounds, || ours.save(saves), || bare.save(saves));
        let operations = |each: usize| f64::from(u32::try_from(each * tasks).unwrap_or(u32::MAX));
        let what = |operation: &str| format!("{name} `{operation}`, {tasks} at a time");
        pairs.row(&what("save"), operations(saves), Unit::Microseconds);
        let loads = loads.div_ceil(if tasks == 1 { 1 } else { 16 });
        let pairs = Pairs::measure(rounds, || ours.load(loads), || bare.load(loads));
        pairs.row(&what("load"), operations(loads), Unit::Microseconds);
    }
}

/// Other records, which are not asked for.
fn fill(runtime: &Runtime, ours: &dyn TokenStore, bare: &dyn Driver, records: usize) {
    runtime.block_on(async {
        for number in 0..records {
            let key = Key::grant(&profile(number));
            let record = Record::encode(key, Version::after(None), None, &contents(number));
            ours.save(&record, WriteIf::Absent).await.unwrap();
            bare.save(&record, None).await;
        }
    });
}

/// A driver, and what each task has stored last.
struct Side<'r> {
    driver: Arc<dyn Driver>,
    runtime: &'r Runtime,
    stored: Vec<Record>,
}

impl<'r> Side<'r> {
    fn new(driver: &Arc<dyn Driver>, runtime: &'r Runtime, tasks: usize) -> Self {
        let first = |number: usize| {
            let key = Key::grant(&profile(tasks * 10_000 + number));
            let record = Record::encode(key, Version::after(None), None, &contents(number));
            runtime.block_on(driver.save(&record, None));
            record
        };
        Self {
            driver: driver.clone(),
            runtime,
            stored: (0..tasks).map(first).collect(),
        }
    }

    fn save(&mut self, each: usize) -> Duration {
        let chains: Vec<Vec<Record>> = self.stored.iter().map(|last| chain(last, each)).collect();
        self.stored = chains.iter().filter_map(|chain| chain.last().cloned()).collect();
        self.all(chains, |driver, chain| async move {
            for pair in chain.windows(2) {
                driver.save(&pair[1], Some(pair[0].version())).await;
            }
        })
    }

    fn load(&mut self, each: usize) -> Duration {
        let keys = self.stored.iter().map(|record| record.key().clone()).collect();
        self.all(keys, move |driver, key: Key| async move {
            for _ in 0..each {
                assert!(driver.load(&key).await > 600);
            }
        })
    }

    fn all<T, F>(&self, given: Vec<T>, work: impl Fn(Arc<dyn Driver>, T) -> F) -> Duration
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work: Vec<F> = given.into_iter().map(|one| work(self.driver.clone(), one)).collect();
        time(|| {
            self.runtime.block_on(async {
                let tasks: Vec<_> = work.into_iter().map(tokio::spawn).collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        })
    }
}

/// What is stored, and as many records that each replace the one before.
fn chain(stored: &Record, length: usize) -> Vec<Record> {
    let mut chain = vec![stored.clone()];
    for number in 0..length {
        let read = chain.last().map(Record::version);
        let key = stored.key().clone();
        chain.push(Record::encode(key, Version::after(read), None, &contents(number)));
    }
    chain
}

/// A thread on which a driver lives, as ours do.
fn own_runtime(name: &str) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}
