//! The memcache driver: what is there, and its number; then the new one in its place.

use async_trait::async_trait;
use memcache::exp::{AsyncMetaClient, Meta};
use test_services::Memcached;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokio::runtime::Runtime;

use super::{Driver, Effort, compare};

pub(super) fn run(runtime: &Runtime) {
    let server = Memcached::start().unwrap();
    let url = format!("memcached://{}", server.address());
    let ours = runtime.block_on(tokenkeep::store::open(&url)).unwrap();
    let bare = runtime.block_on(AsyncMetaClient::connect(server.address())).unwrap();
    let effort = Effort {
        rounds: 41,
        loads: 300,
        saves: 150,
    };
    compare("memcached", runtime, effort, ours, Bare(bare));
}

struct Bare(AsyncMetaClient);

/// The version, a line feed, the body.
fn value(record: &Record) -> Vec<u8> {
    let mut value = format!("{}\n", record.version()).into_bytes();
    value.extend_from_slice(record.body().expose());
    value
}

#[async_trait]
impl Driver for Bare {
    async fn load(&self, key: &Key) -> usize {
        let found = self.0.get(format!("bare:{key}")).send().await.unwrap();
        found.value.unwrap().len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        let name = format!("bare:{}", record.key());
        let found = self.0.get(&name).meta(Meta::NONE.cas()).send().await.unwrap();
        let set = self.0.set(&name, value(record));
        match read {
            None => {
                set.add().send().await.unwrap();
            }
            Some(read) => {
                let mark = format!("{read}\n");
                assert!(found.value.unwrap().starts_with(mark.as_bytes()));
                set.compare_cas(found.item.cas.unwrap()).send().await.unwrap();
            }
        }
    }
}
