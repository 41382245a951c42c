//! The table of `docs/stores.md` is what the stores say of themselves. `TOKENKEEP_WRITE_PAGES=1` writes it anew.

use std::path::Path;

use test_services::{Redis, RedisSentinel};
use tokenkeep::store;
use tokenkeep::store::LeaseEnd;

use crate::command::patient;

const BEGIN: &str = "<!-- the table begins: e2e/tests/e2e/stores_page.rs -->\n";
const END: &str = "<!-- the table ends -->\n";

#[tokio::test]
async fn the_page_says_what_the_stores_promise() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/stores.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let now = format!("{before}{BEGIN}{}{END}{after}", table().await);
    if std::env::var_os("TOKENKEEP_WRITE_PAGES").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        page, now,
        "write it anew: TOKENKEEP_WRITE_PAGES=1 cargo xtask test --only e2e"
    );
}

async fn table() -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = |scheme: &str| format!("{scheme}:{}", folder.path().join(scheme).display());
    let (usual, durable) = (Redis::start().unwrap(), Redis::builder().durable().start().unwrap());
    let replicated = RedisSentinel::start().unwrap();
    let forgetful = Redis::builder()
        .option("maxmemory", "100mb")
        .option("maxmemory-policy", "allkeys-lru")
        .start()
        .unwrap();
    // MongoDB and Memcached promise the same whatever the server; they are not asked to open the store.
    let stores = [
        ("JSON file", file("json")),
        ("SQLite", file("sqlite")),
        ("Redis, each write on the disk", patient(&durable.url())),
        (
            "Redis with a replica and `wait_replicas=1`",
            patient(&format!("{}?wait_replicas=1", replicated.url())),
        ),
        ("Redis, else", patient(&usual.url())),
        ("Redis that makes room", patient(&forgetful.url())),
        ("MongoDB", "mongodb://127.0.0.1:1/".to_owned()),
        ("Memcached", "memcached://127.0.0.1:1".to_owned()),
        ("memory", "memory:".to_owned()),
    ];
    let mut lines = vec![
        "| store | a saved record | a lease binds | it ends | lists | largest record | refresh tokens |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (name, url) in stores {
        lines.push(row(name, &url).await);
    }
    lines.push(String::new());
    lines.join("\n")
}

async fn row(name: &str, url: &str) -> String {
    let capabilities = store::open(url).await.unwrap().capabilities();
    let lists = if capabilities.lists { "yes" } else { "no" };
    let largest = match capabilities.largest_record {
        Some(bytes) => format!("{bytes} bytes"),
        None => "no limit".to_owned(),
    };
    let end = match capabilities.lease_end {
        LeaseEnd::ByHolder => "with its holder",
        _ => "by time",
    };
    let refresh_tokens = if capabilities.refuses_refresh_tokens() {
        "refused"
    } else {
        "yes"
    };
    format!(
        "| {name} | {} | {} | {end} | {lists} | {largest} | {refresh_tokens} |",
        capabilities.persistence, capabilities.lease_scope,
    )
}
