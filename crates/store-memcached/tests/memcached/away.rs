//! Nodes that are dead, frozen, or demand what we can't give.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use auth_core::store::{LeaseId, RemoveIf, StoreError, StoreErrorKind, TokenStore as _, WriteIf};
use store_memcached::MemcachedStore;
use test_services::{Memcached, MemcachedAuthentication, MemcachedBuilder, free_port};

use crate::given::{TTL, body, key, open, patient, put, record, waiting_for};

/// Longer than any operation of such a store may take, by far, and than two hundred may that wait together.
const SOON: Duration = Duration::from_secs(50);

/// How 1.6.14 answers a question after what is not there.
#[tokio::test]
async fn a_server_that_does_not_name_the_question_is_too_old() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            for _ in BufReader::new(&stream).lines() {
                let _ = (&stream).write_all(b"EN\r\n");
            }
        }
    });
    let store = open(&patient(&[address]));
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("1.6.18"), "{error}");
}

#[tokio::test]
async fn a_dead_nodes_keys_fail_at_once_and_the_others_work() {
    let (steady, mut mortal) = (Memcached::start().unwrap(), Memcached::start().unwrap());
    let store = open(&patient(&[steady.address(), mortal.address()]));
    let names: Vec<String> = (0..40).map(|number| format!("k{number}")).collect();
    for name in &names {
        put(&store, name, name).await;
    }
    mortal.kill();
    let away = failing(&store, &names, &mortal).await;
    assert!(
        (8..=32).contains(&away.len()),
        "{} of 40 keys on one of two nodes",
        away.len()
    );

    // Back again, empty, without help.
    mortal.restart().unwrap();
    for name in &names {
        let due = (!away.contains(name)).then(|| name.clone().into_bytes());
        assert_eq!(body(&store, name).await, due, "{name}");
    }
}

#[tokio::test]
async fn a_frozen_node_never_hangs() {
    let (steady, frozen) = (Memcached::start().unwrap(), Memcached::start().unwrap());
    // The steady one must answer by then.
    let limit = Duration::from_secs(8);
    let store = open(&waiting_for(limit, &[steady.address(), frozen.address()]));
    let names: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for name in &names {
        put(&store, name, name).await;
    }
    frozen.freeze();
    let away = failing(&store, &names, &frozen).await;
    assert!(!away.is_empty(), "no key on one of two nodes");
    frozen.thaw();
    for name in &names {
        assert_eq!(body(&store, name).await, Some(name.clone().into_bytes()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_wait_for_a_frozen_node_get_an_answer() {
    let server = Memcached::start().unwrap();
    let store = open(&waiting_for(Duration::from_millis(500), &[server.address()]));
    server.freeze();
    let started = Instant::now();
    let tasks: Vec<_> = (0..200)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&key(&format!("k{task}"))).await })
        })
        .collect();
    for task in tasks {
        let error = task.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

#[tokio::test]
async fn every_operation_on_a_dead_node_is_unavailable_and_names_it() {
    let port = free_port().unwrap();
    let store = MemcachedStore::connect(&format!("memcached://127.0.0.1:{port}")).unwrap();
    let (a, id) = (key("a"), LeaseId::random());
    let outcomes: [Result<(), StoreError>; 6] = [
        store.load(&a).await.map(drop),
        store.save(&record("a", "canary", None), WriteIf::Absent).await,
        store.remove(&a, RemoveIf::Any).await.map(drop),
        store.try_lease(&a, &id, TTL).await.map(drop),
        store.renew(&a, &id, TTL).await.map(drop),
        store.release(&a, &id).await,
    ];
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(!format!("{error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_name_that_leads_nowhere_fails_for_its_keys_alone() {
    let server = Memcached::start().unwrap();
    // Too long a name to be looked up anywhere.
    let nowhere = "n".repeat(64);
    let url = format!("memcached://{},{nowhere}.invalid?plaintext=allow", server.address());
    let store = MemcachedStore::connect(&url).unwrap();
    let mut outcomes = Vec::new();
    for number in 0..20 {
        let started = Instant::now();
        outcomes.push(
            store
                .load(&key(&format!("k{number}")))
                .await
                .map_err(|error| error.kind()),
        );
        assert!(started.elapsed() < SOON);
    }
    assert!(outcomes.contains(&Ok(None)), "{outcomes:?}");
    assert!(outcomes.contains(&Err(StoreErrorKind::Unavailable)), "{outcomes:?}");
}

#[tokio::test]
async fn a_server_that_demands_a_password_is_denied_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    std::fs::write(&file, "user:canary\n").unwrap();
    // The server reads it as a user without rights.
    open_to_all(folder.path(), 0o755);
    open_to_all(&file, 0o644);
    let demanding = MemcachedAuthentication::File(file);
    let server = MemcachedBuilder::new()
        .demanding_authentication(demanding)
        .start()
        .unwrap();
    let store = open(&patient(&[server.address()]));
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("password"), "{error}");
    let error = store.save(&record("a", "x", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn a_server_that_demands_sasl_is_unavailable_and_sasl_is_named() {
    let demanding = MemcachedAuthentication::Sasl;
    let server = MemcachedBuilder::new()
        .demanding_authentication(demanding)
        .start()
        .unwrap();
    let store = open(&patient(&[server.address()]));
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("SASL"), "{error}");
}

/// Connections that one runtime made are of no use to another.
#[test]
fn it_outlives_the_runtime_that_used_it_first() {
    let server = Memcached::start().unwrap();
    let store = open(&patient(&[server.address()]));
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    first.block_on(put(&store, "a", "x"));
    // The first is still there, but nobody drives it.
    assert_eq!(second.block_on(body(&store, "a")), Some(b"x".to_vec()));
    drop(first);
    assert_eq!(second.block_on(body(&store, "a")), Some(b"x".to_vec()));
    drop(second);
    assert_eq!(runtime().block_on(body(&store, "a")), Some(b"x".to_vec()));
}

/// The names whose node does not answer. Each outcome comes soon, and errors name the node.
async fn failing(store: &MemcachedStore, names: &[String], node: &Memcached) -> Vec<String> {
    let mut away = Vec::new();
    let asked: Vec<_> = names
        .iter()
        .map(|name| {
            let (store, key) = (store.clone(), key(name));
            tokio::spawn(async move {
                let started = Instant::now();
                (store.load(&key).await, started.elapsed())
            })
        })
        .collect();
    for (name, asked) in names.iter().zip(asked) {
        let (outcome, took) = asked.await.unwrap();
        match outcome {
            Ok(found) => assert_eq!(found.unwrap().body().expose(), name.as_bytes()),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert!(error.to_string().contains(&node.address().to_string()), "{error}");
                away.push(name.clone());
            }
        }
        assert!(took < SOON, "{name} took {took:?}");
    }
    away
}

fn open_to_all(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}
