//! The store does not take an answer: it goes beside it, and into it later.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use auth_core::spill::SpillFolder;
use auth_core::store::StoreErrorKind;
use auth_core::{TokenManager, TokenSource};
use store_testkit::server::{Fault, Gate};

use crate::setup::{Bench, HOUR};

fn manager(bench: &Bench, folder: &Path) -> TokenManager {
    let mut timing = auth_core::refresh::Timing::default();
    timing.settle = Duration::from_millis(100);
    bench
        .builder(bench.app())
        .timing(timing)
        .spill(SpillFolder::new(folder.join("spill")))
        .build()
        .unwrap()
}

/// A refresh whose answer the store does not take.
async fn refresh_unsaved(bench: &Bench, source: &TokenSource) -> auth_core::AccessToken {
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    bench.store.fail_saves(&[StoreErrorKind::Unavailable; 10_000]);
    gate.release();
    flight.await.unwrap().unwrap()
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let listed = std::fs::read_dir(folder.join("spill")).map(|entries| entries.map(|entry| entry.unwrap().path()));
    listed.map(Iterator::collect).unwrap_or_default()
}

async fn until_empty(folder: &Path) {
    let limit = tokio::time::timeout(Duration::from_secs(120), async {
        while !files(folder).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    limit.await.unwrap();
}

#[tokio::test]
async fn callers_get_the_token_at_once_and_the_store_gets_it_later() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let manager = manager(&bench, folder.path());
    let source = bench.logged_in(&manager).await;
    let token = refresh_unsaved(&bench, &source).await;
    assert!(bench.server.is_live(token.secret().expose()));
    let spilled = files(folder.path());
    assert_eq!(spilled.len(), 1);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&spilled[0]), mode(&folder.path().join("spill"))), (0o600, 0o700));
    assert!(bench.record().await.mark.is_some(), "the store still has the parent");
    bench.store.stop_failing();
    until_empty(folder.path()).await;
    let record = bench.record().await;
    assert_eq!(record.access.unwrap().token, *token.secret());
    assert!(record.mark.is_none() && bench.server.family_alive(record.refresh_token.unwrap().expose()));
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn the_next_process_finds_it() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let first = manager(&bench, folder.path());
    let source = bench.logged_in(&first).await;
    let token = refresh_unsaved(&bench, &source).await;
    drop((first, source));

    // The store is still away: the token is used from beside it, nothing is sent.
    let second = manager(&bench, folder.path());
    assert_eq!(second.source(&bench.profile).token().await.unwrap(), token);
    assert!(second.source(&bench.profile).force().await.is_err());
    assert_eq!(bench.refreshes(), 1);
    drop(second);

    bench.store.stop_failing();
    let third = manager(&bench, folder.path());
    assert_eq!(third.source(&bench.profile).token().await.unwrap(), token);
    until_empty(folder.path()).await;
    bench.advance(HOUR);
    third.source(&bench.profile).token().await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
    let counters = bench.server.counters();
    assert_eq!(
        (bench.refreshes(), counters.double_spends, counters.logins_lost),
        (2, 0, 0)
    );
}

#[tokio::test]
async fn a_file_that_is_damaged_spends_nothing() {
    let (bench, folder) = (Bench::new(), tempfile::tempdir().unwrap());
    let first = manager(&bench, folder.path());
    let source = bench.logged_in(&first).await;
    refresh_unsaved(&bench, &source).await;
    drop((first, source));
    std::fs::write(&files(folder.path())[0], b"{}").unwrap();
    bench.store.stop_failing();
    let error = manager(&bench, folder.path())
        .source(&bench.profile)
        .token()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &auth_core::TokenErrorKind::Store(StoreErrorKind::Corrupt));
    assert_eq!(bench.refreshes(), 1);
}
