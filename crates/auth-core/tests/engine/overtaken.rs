//! Logins that overtake what was begun before them: nobody who asks afterwards gets a
//! token of the old login.

use std::time::Duration;

use auth_core::record::LoginId;
use auth_core::{AccessToken, TokenSource};
use tokio::task::JoinHandle;

use crate::setup::Bench;

/// The old login's token.
async fn old_token(bench: &Bench) -> AccessToken {
    bench.manager().source(&bench.profile).token().await.unwrap()
}

fn ask(source: &TokenSource) -> JoinHandle<AccessToken> {
    let source = source.clone();
    tokio::spawn(async move { source.token().await.unwrap() })
}

#[tokio::test]
async fn a_flight_of_the_old_login_is_not_joined_and_leaves_nothing() {
    let bench = Bench::new();
    bench.logged_in(&bench.manager()).await;
    let old = old_token(&bench).await;
    let manager = bench.manager();
    let source = manager.source(&bench.profile);
    let mut held = bench.store.hold_next_load();
    let before = ask(&source);
    held.reached().await;
    // It has read the old login, and the new one comes before it has landed.
    bench.logged_in(&manager).await;
    let afterwards = ask(&source);
    let afterwards = tokio::time::timeout(Duration::from_secs(60), afterwards).await;
    held.let_go();
    assert_eq!(before.await.unwrap(), old);
    assert_ne!(afterwards.expect("waits for the old flight").unwrap(), old);
    assert_ne!(source.token().await.unwrap(), old);
}

#[tokio::test]
async fn what_was_looked_up_before_is_not_kept() {
    let bench = Bench::new();
    bench.logged_in(&bench.manager()).await;
    let manager = bench.manager();
    let source = manager.source(&bench.profile);
    let mut held = bench.store.hold_next_load();
    let looker = source.clone();
    let looking = tokio::spawn(async move { looker.current().await.unwrap() });
    held.reached().await;
    bench.logged_in(&manager).await;
    held.let_go();
    let old = looking.await.unwrap();
    assert_ne!(source.token().await.unwrap(), old);
}

#[tokio::test]
async fn a_look_behind_the_users_that_was_overtaken_changes_nothing() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    source.token().await.unwrap();
    bench.advance(Duration::from_secs(61));
    // Somebody else has logged in; a look finds that out, slowly, and meanwhile we log in.
    let login = bench.server.log_in("app", "api");
    bench
        .change(|record| {
            record.login_id = LoginId::random();
            record.refresh_token = Some(login.refresh_token.as_str().into());
            record.access.as_mut().unwrap().token = login.access_token.as_str().into();
        })
        .await;
    let mut first = bench.store.hold_next_load();
    source.token().await.unwrap();
    first.reached().await;
    let mut second = bench.store.hold_next_load();
    first.let_go();
    second.reached().await;
    bench.logged_in(&manager).await;
    let ours = bench.record().await.access.unwrap().token;
    second.let_go();
    // A look of ours after that one: it has been carried out by then.
    source.current().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(*source.token().await.unwrap().secret(), ours);
}
