//! Sealing a store that was plain: afterwards nothing of the tokens is left in its
//! folder.

use std::path::Path;

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{AccessEntry, Binding, ClientRecord, Contents, GrantRecord, Recipe, TokenRecord};
use auth_core::store::{TokenStore, TokenStoreExt as _};
use auth_core::target::Target;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store_json::JsonStore;
use store_kms::{KmsStore, rewrap};
use store_sqlite::SqliteStore;

use crate::given::local;

const CANARIES: [&str; 3] = [
    "canary-refresh-51c0ffee",
    "canary-access-51c0ffee",
    "canary-client-51c0ffee",
];

/// Puts marked tokens into a store, and writes some records several times.
async fn fill(store: &dyn TokenStore) {
    let binding = || Binding::new(None, None, "app");
    let now = auth_core::clock::Timestamp::from_unix_seconds(1_800_000_000);
    for number in 0..20 {
        let profile = Profile::from_parts([&format!("user{number}")]);
        let access = AccessEntry::bearer(CANARIES[1].into(), now, None);
        let mut grant = GrantRecord::new(Recipe::new("authorization_code", Target::new()), binding());
        grant.refresh_token = Some(CANARIES[0].into());
        grant.access = Some(access.clone());
        let token = TokenRecord::new(binding(), "authorization_code", Target::new().scope("a"), access);
        let endpoint = auth_core::endpoint::EndpointUrl::new("https://server.example/token").unwrap();
        let mut client = ClientRecord::new(auth_core::provider::with_endpoints(endpoint, None), "app");
        client.client_secret = Some(CANARIES[2].into());
        let token_key = Key::token(&profile, Target::new().scope("a").id());
        for (key, contents) in [
            (Key::grant(&profile), Contents::from(grant)),
            (token_key, Contents::from(token)),
            (Key::client(&profile), Contents::from(client)),
        ] {
            for _ in 0..3 {
                store.replace_contents(&key, &contents, None).await.unwrap();
            }
        }
    }
}

/// In how many files below this folder one of the canaries is.
fn found_in(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for canary in CANARIES {
            for spelled in [canary.to_owned(), STANDARD.encode(canary)] {
                if bytes.windows(spelled.len()).any(|window| window == spelled.as_bytes()) {
                    found.push(format!("{canary} in {}", path.display()));
                }
            }
        }
    }
    found
}

async fn sealed_in_place(store: impl TokenStore + Clone) {
    let accepting = KmsStore::builder(store.clone(), local()).accept_plaintext().build();
    let report = rewrap(&accepting, |_| {}).await.unwrap();
    assert_eq!((report.rewrapped, report.failed.len()), (60, 0));
    assert_eq!(report.remaining.besides(accepting.writing_key()), 0);
    let sealed = KmsStore::wrap(store, local());
    let (_, contents) = sealed
        .load_contents(&Key::grant(&Profile::from_parts(["user7"])))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        contents.into_grant().unwrap().refresh_token.unwrap().expose(),
        CANARIES[0]
    );
}

#[tokio::test]
async fn a_json_file_holds_no_token_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = JsonStore::open(folder.path().join("tokens.json")).unwrap();
    fill(&store).await;
    assert!(!found_in(folder.path()).is_empty());
    sealed_in_place(store).await;
    assert_eq!(found_in(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_database_holds_no_token_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("tokens.sqlite")).unwrap();
    fill(&store).await;
    assert!(!found_in(folder.path()).is_empty());
    sealed_in_place(store.clone()).await;
    // What was written before is in the log until SQLite begins it anew.
    store.close().await.unwrap();
    assert_eq!(found_in(folder.path()), Vec::<String>::new());
}
