//! The redis driver: one connection, one script.

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Client, Script};
use test_services::Redis;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokio::runtime::Runtime;

use super::{Driver, Effort, compare, own_runtime};

const SAVE: &str = "if (redis.call('HGET', KEYS[1], 'version') or '') ~= ARGV[1] then return 0 end
    redis.call('HSET', KEYS[1], 'version', ARGV[2], 'hints', ARGV[3], 'value', ARGV[4])
    return 1";

pub(super) fn run(runtime: &Runtime) {
    let server = Redis::builder().durable().on_disk().start().unwrap();
    let ours = runtime.block_on(tokenkeep::store::open(&server.url())).unwrap();
    let bare = Bare::open(&server.url());
    let effort = Effort {
        rounds: 41,
        loads: 300,
        saves: 100,
    };
    compare("redis", runtime, effort, ours, bare);
}

struct Bare {
    home: Runtime,
    connection: MultiplexedConnection,
    save: String,
}

impl Bare {
    fn open(url: &str) -> Self {
        let home = own_runtime("bare-redis");
        let (connection, save) = home.block_on(async {
            let client = Client::open(url).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let save = Script::new(SAVE).load_async(&mut connection).await.unwrap();
            (connection, save)
        });
        Self { home, connection, save }
    }
}

#[async_trait]
impl Driver for Bare {
    async fn load(&self, key: &Key) -> usize {
        let (mut connection, name) = (self.connection.clone(), format!("bare:{key}"));
        let task = self.home.spawn(async move {
            let mut command = redis::cmd("HMGET");
            command.arg(name).arg(&["version", "hints", "value"]);
            let found: (String, String, Vec<u8>) = command.query_async(&mut connection).await.unwrap();
            found.2
        });
        task.await.unwrap().len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        let (mut connection, record, script) = (self.connection.clone(), record.clone(), self.save.clone());
        let task = self.home.spawn(async move {
            let mut command = redis::cmd("EVALSHA");
            command
                .arg(script)
                .arg(1)
                .arg(format!("bare:{}", record.key()))
                .arg(read.map_or_else(String::new, |read| read.to_string()))
                .arg(record.version().to_string())
                .arg(serde_json::to_vec(record.hints()).unwrap())
                .arg(record.body().expose());
            let saved: i64 = command.query_async(&mut connection).await.unwrap();
            assert_eq!(saved, 1);
        });
        task.await.unwrap();
    }
}
