//! pancloud's own layout. That pancloud reads it, and we what it writes, is tested with pancloud itself in `e2e`.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::provider;
use auth_core::record::AccessEntry;
use auth_core::record::{
    Binding, ClientRecord, Contents, Departure, GrantRecord, Hints, Mark, Recipe, Record, TokenRecord, Version,
};
use auth_core::secret::Secret;
use auth_core::store::{RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf};
use auth_core::target::Target;
use auth_core::transfer::{Place, Transfer, TransferError, TransferReport};
use store_json::{JsonConfig, JsonStore};

const THEIRS: &str = r#"{
    "profiles": {
        "1": {
            "access_token": null,
            "client_id": "id",
            "client_secret": "secret",
            "profile": "default",
            "refresh_token": "first"
        },
        "2": {
            "access_token": null,
            "client_id": null,
            "client_secret": null,
            "profile": "nothing",
            "refresh_token": null
        }
    }
}"#;

fn open(path: &Path) -> JsonStore {
    JsonStore::with_config(&JsonConfig::new(path).compatible_with_pancloud()).unwrap()
}

fn profile() -> Profile {
    Profile::default()
}

async fn client(store: &JsonStore) -> (Version, ClientRecord) {
    let (version, contents) = store.load_contents(&Key::client(&profile())).await.unwrap().unwrap();
    (version, contents.into_client().unwrap())
}

async fn grant(store: &JsonStore) -> (Version, GrantRecord) {
    let (version, contents) = store.load_contents(&Key::grant(&profile())).await.unwrap().unwrap();
    (version, contents.into_grant().unwrap())
}

fn field(path: &Path, number: &str, name: &str) -> serde_json::Value {
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["profiles"][number][name].clone()
}

/// As pancloud does, after a login or a refresh.
fn set_refresh_token(path: &Path, token: &str) {
    set_field(path, "refresh_token", token);
}

fn set_field(path: &Path, name: &str, value: &str) {
    let mut file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["profiles"]["1"][name] = value.into();
    std::fs::write(path, file.to_string()).unwrap();
}

async fn transfer(from: &JsonStore, to: &JsonStore) -> Result<Option<TransferReport>, TransferError> {
    let place = |store: &JsonStore, label| Place::new(Arc::new(store.clone()), label);
    let transfer = Transfer::new(place(from, "pancloud"), place(to, "other"));
    transfer.profile(&profile(), &profile()).await
}

#[tokio::test]
async fn what_pancloud_wrote_is_a_client_and_a_login() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (one, other) = (open(&path), open(&path));
    let (_, record) = client(&one).await;
    assert_eq!(
        (record.client_id.as_str(), record.client_secret),
        ("id", Some(Secret::new("secret")))
    );
    assert_eq!(record.provider, provider::pancloud());
    let (version, read) = grant(&one).await;
    assert_eq!(read.refresh_token, Some(Secret::new("first")));
    assert_eq!(
        grant(&other).await,
        (version, read),
        "whoever reads it sees the same version"
    );
    let listed = one.list_all().await.unwrap();
    assert_eq!(
        listed.len(),
        2,
        "a profile without credentials is none of ours: {listed:?}"
    );
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        THEIRS,
        "reading writes nothing"
    );
}

#[tokio::test]
async fn a_login_is_written_in_place_and_its_fields_are_pancloud_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let store = open(&path);
    let (version, mut record) = grant(&store).await;
    let parent = Secret::new("first");
    record.mark = Some(Mark::new(&parent, Timestamp::from_unix_seconds(1)));
    let key = Key::grant(&profile());
    let version = store
        .save_contents(&key, &record.clone().into(), Some(version), None)
        .await
        .unwrap();
    assert_eq!(grant(&open(&path)).await.1, record, "a mark is kept");
    record.mark = None;
    record.refresh_token = Some(Secret::new("second"));
    record.access = Some(AccessEntry::bearer(
        Secret::new("token"),
        Timestamp::from_unix_seconds(1),
        None,
    ));
    store
        .save_contents(&key, &record.clone().into(), Some(version), None)
        .await
        .unwrap();

    assert_eq!(field(&path, "1", "refresh_token"), "second");
    assert_eq!(field(&path, "1", "access_token"), "token");
    assert_eq!(field(&path, "1", "client_secret"), "secret");
    assert_eq!(field(&path, "2", "profile"), "nothing");
    let found = std::fs::metadata(&path).unwrap();
    assert_eq!((found.ino(), found.permissions().mode() & 0o777), (inode, 0o600));
    let copy = folder.path().join("credentials.json.before-tokenkeep");
    assert_eq!(field(&copy, "1", "refresh_token"), "first");
    assert_eq!(std::fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(grant(&open(&path)).await.1, record);
}

#[tokio::test]
async fn what_pancloud_writes_later_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    let store = open(&path);
    let (version, mut record) = grant(&store).await;
    let login = record.login_id;
    record.mark = Some(Mark::new(&Secret::new("first"), Timestamp::from_unix_seconds(1)));
    let key = Key::grant(&profile());
    let ours = store
        .save_contents(&key, &record.into(), Some(version), None)
        .await
        .unwrap();

    set_refresh_token(&path, "theirs");
    // {"exp": 4102444800}
    set_field(&path, "access_token", "e30.eyJleHAiOjQxMDI0NDQ4MDB9.x");
    let (now, read) = grant(&store).await;
    assert!(now.generation() > ours.generation());
    assert_eq!(
        (read.refresh_token, read.mark, read.login_id),
        (Some(Secret::new("theirs")), None, login)
    );
    let end = read.access.unwrap().expires_at.unwrap();
    assert_eq!(end.unix_seconds(), 4_102_444_800);
    let late = Contents::from(GrantRecord::new(Recipe::new("static", Target::new()), read.binding));
    let error = store.save_contents(&key, &late, Some(ours), None).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
    let mut file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    file["profiles"].as_object_mut().unwrap().remove("1");
    std::fs::write(&path, file.to_string()).unwrap();
    assert!(store.list_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_login_after_a_move_is_a_new_one_that_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    let (store, other) = (open(&path), JsonStore::open(folder.path().join("other.json")).unwrap());
    let (_, first) = grant(&store).await;
    transfer(&store, &other).await.unwrap();
    assert!(grant(&store).await.1.ended.is_some());
    assert_eq!(grant(&other).await.1.login_id, first.login_id);

    set_refresh_token(&path, "second");
    let (_, second) = grant(&store).await;
    assert_eq!(second.refresh_token, Some(Secret::new("second")));
    assert_eq!((&second.departure, second.ended), (&None, None));
    assert_ne!(second.login_id, first.login_id);
    set_refresh_token(&path, "third");
    let (_, third) = grant(&open(&path)).await;
    assert_eq!(third.login_id, second.login_id, "pancloud refreshed it");

    // The same move again would replace the first login, which nobody allowed.
    let refused = transfer(&store, &other).await.unwrap_err();
    assert!(matches!(refused, TransferError::Occupied { .. }), "{refused:?}");
    assert_eq!(field(&path, "1", "refresh_token"), "third");
    assert_eq!(grant(&store).await.1, third);
}

#[tokio::test]
async fn a_move_that_broke_off_goes_on_unless_pancloud_has_another_refresh_token() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    let (store, other) = (open(&path), JsonStore::open(folder.path().join("other.json")).unwrap());
    let (version, mut leaving) = grant(&store).await;
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    let (key, copy) = (Key::grant(&profile()), leaving.clone());
    other.save_contents(&key, &copy.into(), None, None).await.unwrap();
    leaving.departure = Some(Departure::new(format!("other, profile {}", profile()), now));
    leaving.refresh_expires_at = Some(now);
    let contents = leaving.clone().into();
    store.save_contents(&key, &contents, Some(version), None).await.unwrap();

    let text = std::fs::read_to_string(&path).unwrap();
    set_field(&path, "access_token", "more");
    let (_, read) = grant(&store).await;
    assert_eq!((read.departure, read.login_id), (leaving.departure, leaving.login_id));
    std::fs::write(&path, text).unwrap();

    set_refresh_token(&path, "second");
    let (_, second) = grant(&store).await;
    assert_eq!((&second.departure, second.refresh_expires_at), (&None, None));
    assert_ne!(second.login_id, leaving.login_id);
    let refused = transfer(&store, &other).await.unwrap_err();
    assert!(matches!(refused, TransferError::Occupied { .. }), "{refused:?}");
    assert_eq!(field(&path, "1", "refresh_token"), "second");
}

#[tokio::test]
async fn profiles_of_ours_get_numbers_that_pancloud_does_not_reach() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    let store = open(&path);
    let name = Profile::from_parts(["köln"]);
    let mut client = ClientRecord::new(provider::pancloud(), "id");
    client.client_secret = Some(Secret::new("secret"));
    store
        .save_contents(&Key::client(&name), &client.clone().into(), None, None)
        .await
        .unwrap();
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let (number, document) = file["profiles"].as_object().unwrap().iter().next().unwrap();
    assert!(number.parse::<u64>().unwrap() >= 1 << 32);
    assert_eq!(document["profile"], "köln");
    assert!(document["refresh_token"].is_null());

    let binding = Binding::new(None, None, "id");
    let access = AccessEntry::bearer(Secret::new("other"), Timestamp::from_unix_seconds(1), None);
    let target = Target::new().audience("x");
    let token = TokenRecord::new(binding, "static", target.clone(), access);
    let key = Key::token(&name, target.id());
    store
        .save_contents(&key, &token.clone().into(), None, None)
        .await
        .unwrap();
    assert_eq!(
        open(&path).load_contents(&key).await.unwrap().unwrap().1,
        Contents::Token(token)
    );
    for key in [key, Key::client(&name)] {
        assert!(store.remove(&key, RemoveIf::Any).await.unwrap());
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n    \"profiles\": {}\n}");
}

#[tokio::test]
async fn what_has_no_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    let store = open(&path);
    let elsewhere = ClientRecord::new(provider::globus(), "id");
    let key = Key::client(&profile());
    let refused = store
        .save_contents(&key, &elsewhere.into(), None, None)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Unsupported);
    assert!(format!("{refused:?}").contains("not pancloud's"), "{refused:?}");
    let sealed = Record::from_parts(
        key,
        Version::after(None),
        None,
        Hints::default(),
        vec![0xfe, 1, 2].into(),
    );
    let refused = store.save(&sealed, WriteIf::Absent).await.unwrap_err();
    assert!(format!("{refused:?}").contains("can't be sealed"), "{refused:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_broken_file_is_named_with_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    assert!(
        open(&path)
            .remove(&Key::grant(&profile()), RemoveIf::Any)
            .await
            .unwrap()
    );
    for (text, words) in [
        ("{\"profiles\": {\n\"1\": {\"profile\": \"canary\",", "line 2"),
        (
            "{\"profiles\": {\"1\": {\"client_id\": \"canary\"}}}",
            "column 20: a document without",
        ),
        (
            "{\"profiles\": {\"1\": {\"profile\":\"a\"}, \"2\": {\"profile\":\"a\"}}}",
            "twice",
        ),
    ] {
        std::fs::write(&path, text).unwrap();
        let error = open(&path).list_all().await.unwrap_err();
        let text = format!("{error:?}");
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        assert!(text.contains(words) && !text.contains("canary"), "{text}");
        assert!(text.contains("credentials.json.before-tokenkeep"), "{text}");
    }
    std::fs::write(&path, "").unwrap();
    assert!(
        open(&path).list_all().await.unwrap().is_empty(),
        "an empty file is an empty store, as there"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn several_of_ours_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("credentials.json");
    std::fs::write(&path, THEIRS).unwrap();
    let names: Vec<Profile> = (0..24)
        .map(|number| Profile::new(format!("p{number}")).unwrap())
        .collect();
    let writers = names.iter().cloned().map(|name| {
        let path = path.clone();
        tokio::spawn(async move {
            // A handle each, as processes have.
            let store = open(&path);
            let mut client = ClientRecord::new(provider::pancloud(), name.as_str());
            client.client_secret = Some(Secret::new("secret"));
            store
                .save_contents(&Key::client(&name), &client.into(), None, None)
                .await
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let store = open(&path);
    for name in &names {
        let contents = store.load_contents(&Key::client(name)).await.unwrap().unwrap().1;
        assert_eq!(contents.into_client().unwrap().client_id, name.as_str());
    }
    assert_eq!(field(&path, "1", "refresh_token"), "first");
}
