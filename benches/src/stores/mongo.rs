//! The mongodb driver.

use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use mongodb::options::{Acknowledgment, CollectionOptions, IndexOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection, IndexModel};
use test_services::MongoDb;
use tokenkeep::key::Key;
use tokenkeep::record::{Record, Version};
use tokio::runtime::Runtime;

use super::{Driver, Effort, compare, own_runtime};

pub(super) fn run(runtime: &Runtime) {
    let server = MongoDb::start().unwrap();
    let ours = runtime.block_on(tokenkeep::store::open(&server.url())).unwrap();
    let bare = Bare::open(&server.url());
    let effort = Effort {
        rounds: 15,
        loads: 30,
        saves: 20,
    };
    compare("mongodb", runtime, effort, ours, bare);
}

struct Bare {
    home: Runtime,
    documents: Collection<Document>,
}

impl Bare {
    fn open(url: &str) -> Self {
        let home = own_runtime("bare-mongodb");
        let client = home.block_on(Client::with_uri_str(url)).unwrap();
        let durable = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        let options = CollectionOptions::builder()
            .write_concern(durable)
            .read_concern(ReadConcern::majority())
            .build();
        let database = client.database("bare");
        let documents = database.collection_with_options("records", options);
        let expiring = IndexOptions::builder().expire_after(Duration::from_secs(60)).build();
        let index = IndexModel::builder()
            .keys(doc! { "until": 1 })
            .options(expiring)
            .build();
        home.block_on(async { documents.create_index(index).await }).unwrap();
        Self { home, documents }
    }
}

fn document(record: &Record) -> Document {
    let body = Binary {
        subtype: BinarySubtype::Generic,
        bytes: record.body().expose().to_vec(),
    };
    doc! {
        "_id": record.key().to_string(),
        "version": record.version().to_string(),
        "hints": serde_json::to_string(record.hints()).unwrap(),
        "body": body,
    }
}

#[async_trait]
impl Driver for Bare {
    async fn load(&self, key: &Key) -> usize {
        let (documents, name) = (self.documents.clone(), key.to_string());
        let task = self.home.spawn(async move {
            let finding = documents.find_one(doc! { "_id": name });
            let found = finding.read_concern(ReadConcern::linearizable()).await.unwrap();
            match found.unwrap().remove("body") {
                Some(Bson::Binary(body)) => body.bytes,
                other => panic!("{other:?}"),
            }
        });
        task.await.unwrap().len()
    }

    async fn save(&self, record: &Record, read: Option<Version>) {
        let (documents, record) = (self.documents.clone(), record.clone());
        let task = self.home.spawn(async move {
            match read {
                None => {
                    documents.insert_one(document(&record)).await.unwrap();
                }
                Some(read) => {
                    let filter = doc! { "_id": record.key().to_string(), "version": read.to_string() };
                    let replaced = documents.replace_one(filter, document(&record)).await.unwrap();
                    assert_eq!(replaced.matched_count, 1);
                }
            }
        });
        task.await.unwrap();
    }
}
