//! Clients and access tokens, which are copied, while others write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use auth_core::key::Key;
use auth_core::record::ClientRecord;
use auth_core::store::TokenStoreExt as _;
use auth_core::transfer::{GrantTransfer, Place, Transfer, TransferError};
use auth_core::{MemoryStore, Secret};

use super::again::cut_off_after_the_target_was_written;
use super::{Meddler, Troubled, Two};

/// The client under the profile's name.
async fn client(store: &MemoryStore, two: &Two) -> Option<ClientRecord> {
    let stored = store.load_contents(&Key::client(&two.ana)).await.unwrap();
    stored.and_then(|(_, contents)| contents.into_client())
}

/// The same client with another secret.
async fn changed(store: &MemoryStore, two: &Two) -> ClientRecord {
    let mut changed = client(store, two).await.unwrap();
    changed.client_secret = Some(Secret::new("another-secret"));
    changed
}

async fn put(store: &MemoryStore, two: &Two, client: ClientRecord) {
    let key = Key::client(&two.ana);
    store.replace_contents(&key, &client.into(), None).await.unwrap();
}

#[tokio::test]
async fn a_client_that_was_changed_since_the_target_was_written_stays_as_it_is_there() {
    for (overwrite, delete) in [(false, false), (true, false), (false, true)] {
        let two = Two::new().await;
        cut_off_after_the_target_was_written(&two).await;
        let old = client(&two.to, &two).await.unwrap();
        let new = changed(&two.to, &two).await;
        put(&two.to, &two, new.clone()).await;
        let again = two.transfer().overwrite(overwrite).delete_source(delete);
        let look = again.clone().dry_run(true);
        for again in [&look, &again, &again] {
            let report = again.profile(&two.ana, &two.ana).await.unwrap();
            assert_eq!(client(&two.to, &two).await.as_ref(), Some(&new), "{overwrite} {delete}");
            // Which of the two is the newer can't be known.
            assert_eq!(
                client(&two.from, &two).await.as_ref(),
                Some(&old),
                "{overwrite} {delete}"
            );
            assert_eq!(report.unwrap().kept, 1, "{overwrite} {delete}");
        }
        assert_eq!(two.spendable().await, ["there"]);
    }
}

#[tokio::test]
async fn a_client_that_was_changed_since_the_move_is_no_other_profile() {
    let two = Two::new().await;
    two.transfer().profile(&two.ana, &two.ana).await.unwrap();
    let new = changed(&two.to, &two).await;
    put(&two.to, &two, new.clone()).await;
    for overwrite in [false, true] {
        let again = two.transfer().overwrite(overwrite).profile(&two.ana, &two.ana).await;
        let again = again.unwrap().unwrap();
        assert_eq!(
            (again.client, again.grant, again.kept),
            (false, GrantTransfer::Absent, 1)
        );
        assert_eq!(client(&two.to, &two).await.as_ref(), Some(&new));
    }
    let elsewhere = Transfer::new(
        Place::new(Arc::new(two.from.clone()), "here"),
        Place::new(Arc::new(two.to.clone()), "elsewhere"),
    );
    let refused = elsewhere.profile(&two.ana, &two.ana).await;
    assert!(matches!(refused, Err(TransferError::Occupied { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_client_of_a_login_that_was_copied_is_replaced_only_if_that_is_said() {
    let two = Two::new().await;
    let mut login = two.login.clone();
    login.refresh_token = None;
    two.put(&Key::grant(&two.ana), login.into()).await;
    let copied = two.transfer().profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!((copied.client, copied.grant), (true, GrantTransfer::Copied));
    let old = client(&two.from, &two).await.unwrap();
    let new = changed(&two.to, &two).await;
    put(&two.to, &two, new.clone()).await;
    let again = two.transfer().profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!(
        (again.client, again.grant, again.kept),
        (false, GrantTransfer::Present, 1)
    );
    assert_eq!(client(&two.to, &two).await, Some(new));
    let again = two.transfer().overwrite(true).profile(&two.ana, &two.ana).await;
    assert!(again.unwrap().unwrap().client);
    assert_eq!(client(&two.to, &two).await, Some(old));
}

#[tokio::test]
async fn what_is_replaced_while_it_is_moved_is_never_deleted_uncopied() {
    let mut kept = 0;
    for operations in 0.. {
        let two = Two::new().await;
        let new = changed(&two.from, &two).await;
        let left = Arc::new(AtomicI64::new(operations));
        let by = Meddler {
            store: two.from.clone(),
            key: Key::client(&two.ana),
            contents: new.clone().into(),
        };
        let meddled = |inner: &MemoryStore| Arc::new(Troubled::meddled(inner, &left, &by));
        let moving = two.between(meddled(&two.from), meddled(&two.to)).delete_source(true);
        let report = moving.profile(&two.ana, &two.ana).await.unwrap().unwrap();
        if left.load(Ordering::SeqCst) >= 0 {
            assert!(operations > 15, "{operations} operations were enough for a move");
            break;
        }
        let (here, there) = (client(&two.from, &two).await, client(&two.to, &two).await);
        let places = [here.as_ref() == Some(&new), there.as_ref() == Some(&new)];
        assert!(places.contains(&true), "after {operations} it is lost");
        // It may come after all is done, too.
        assert!(report.kept <= usize::from(here.is_some()), "after {operations}");
        kept += report.kept;
    }
    assert!(kept > 5, "{kept} times it came in between");
}
