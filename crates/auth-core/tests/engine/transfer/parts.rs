//! Clients and access tokens, which are copied, while others write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use auth_core::key::Key;
use auth_core::record::ClientRecord;
use auth_core::store::TokenStoreExt as _;
use auth_core::{MemoryStore, Secret};

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
