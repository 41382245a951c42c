//! Who is let in, and to which servers.

use std::io::Write as _;

use auth_core::store::{LeaseId, Operation, StoreErrorKind, TokenStore as _, WriteIf};
use store_mongo::MongoStore;
use test_services::{MongoDb, free_port};

use crate::given::{connect, fresh_namespace, key, less_patient, patient, put, record, refused, secured_url, with};

#[tokio::test]
async fn a_password_and_tls_do() {
    let url = with(&secured_url(), &format!("namespace={}", fresh_namespace()));
    let store = patient(&url).await;
    let stored = put(&store, "a").await;
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(stored));
    store
        .try_lease(&key("a"), &LeaseId::random(), std::time::Duration::ZERO)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_password_may_be_in_a_file() {
    let server = MongoDb::builder().with_user().start().unwrap();
    let (user, password) = server.login();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{password}").unwrap();
    let path = file.path().display();
    let url = format!(
        "mongodb://{}/?directConnection=true&username={user}&password_file={path}",
        server.address()
    );
    put(&patient(&url).await, "a").await;
}

#[tokio::test]
async fn a_wrong_password_is_denied_and_shown_nowhere() {
    let server = MongoDb::builder().with_user().start().unwrap();
    let (_, password) = server.login();
    for url in [
        format!("mongodb://keeper:canary@{}/?directConnection=true", server.address()),
        format!("mongodb://canary:canary@{}/?directConnection=true", server.address()),
        format!("mongodb://{}/?directConnection=true", server.address()),
    ] {
        let store = less_patient(&url).await;
        for error in [
            refused(store.load(&key("a"))).await,
            refused(store.save(&record("a", "{}", None), WriteIf::Absent)).await,
            refused(store.try_lease(&key("a"), &LeaseId::random(), std::time::Duration::ZERO)).await,
        ] {
            assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
            let text = format!("{error} {error:?} {store:?}");
            assert!(!text.contains("canary") && !text.contains(password), "{text}");
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let [server, other] = [(); 2].map(|()| MongoDb::builder().with_tls().start().unwrap());
    let (ours, theirs) = (server.authority().unwrap(), other.authority().unwrap());
    let url = |authority: &std::path::Path| {
        let address = server.address();
        format!(
            "mongodb://{address}/?directConnection=true&tls=true&tlsCAFile={}",
            authority.display()
        )
    };
    put(&patient(&url(&ours)).await, "a").await;
    let store = less_patient(&url(&theirs)).await;
    let error = refused(store.load(&key("a"))).await;
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("tlsCAFile"), "{error}");
    // The public authorities have not signed it either.
    let public = format!("mongodb://{}/?directConnection=true&tls=true", server.address());
    assert_eq!(
        refused(connect(&public).await.load(&key("a"))).await.kind(),
        StoreErrorKind::Unavailable
    );
    let plain = format!("mongodb://{}/?directConnection=true", server.address());
    assert_eq!(
        refused(connect(&plain).await.load(&key("a"))).await.kind(),
        StoreErrorKind::Unavailable
    );
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let url = format!("mongodb://127.0.0.1:{}", free_port().unwrap());
    let error = refused(connect(&url).await.load(&key("a"))).await;
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert_eq!((error.operation(), error.store()), (Operation::Load, "mongodb"));
}

#[tokio::test]
async fn a_server_in_no_replica_set_is_refused_with_the_reason() {
    let server = MongoDb::builder().standalone().start().unwrap();
    for url in [server.url(), format!("mongodb://{}", server.address())] {
        let store = less_patient(&url).await;
        for error in [
            refused(store.load(&key("a"))).await,
            refused(store.save(&record("a", "{}", None), WriteIf::Absent)).await,
            refused(store.try_lease(&key("a"), &LeaseId::random(), std::time::Duration::ZERO)).await,
        ] {
            assert_eq!(error.kind(), StoreErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("rs.initiate()"), "{error}");
        }
    }
}

#[tokio::test]
async fn urls_that_cannot_be_are_invalid_and_shown_nowhere() {
    for url in [
        "mongodb://u:canary@h/?noSuchOption=canary",
        "mongodb://u:canary@h/?serverSelectionTimeoutMS=canary",
        "mongodb://u:canary@h:canary/",
        "mongodb://u:can@ary@h/",
        "mongodb://u:canary@h/?tls=true&tlsCAFile=/no/such/canary",
    ] {
        let opened = MongoStore::connect(url).await;
        let error = match opened {
            Err(error) => error,
            Ok(store) => refused(store.load(&key("a"))).await,
        };
        assert_eq!(error.kind(), StoreErrorKind::Invalid, "{url}: {error}");
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary") && !text.contains("ary@"), "{text}");
    }
}
