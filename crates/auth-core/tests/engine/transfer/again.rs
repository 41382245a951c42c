//! Moves that are run again: after a write that came late, and after the login went on from its target.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::Timestamp;
use auth_core::key::{Key, Part};
use auth_core::record::Record;
use auth_core::store::{
    Capabilities, Lease, LeaseId, Listing, Operation, Page, RemoveIf, StoreError, StoreErrorKind, TokenStoreExt as _,
    WriteIf,
};
use auth_core::transfer::{GrantTransfer, Place, Transfer, TransferError};
use auth_core::{MemoryStore, TokenStore};

use super::{End, Troubled, Two, grant};

/// When the write that was not answered is made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Arrival {
    AfterTheNextLoad,
    BeforeTheNextSave,
    AfterTheNextSave,
}

#[derive(Debug)]
enum Write {
    Awaited,
    UnderWay(Box<Record>, WriteIf),
    Made,
}

/// A store that answers everything but the first write of a login, which it makes later.
#[derive(Clone, Debug)]
struct Late {
    inner: MemoryStore,
    arrival: Arrival,
    first: Arc<Mutex<Write>>,
}

impl Late {
    fn new(inner: &MemoryStore, arrival: Arrival) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            arrival,
            first: Arc::new(Mutex::new(Write::Awaited)),
        })
    }

    /// Keeps the first; whether this is it.
    fn keeps(&self, record: &Record, when: WriteIf) -> bool {
        let mut first = self.first.lock().unwrap();
        let keeps = matches!(*first, Write::Awaited);
        if keeps {
            *first = Write::UnderWay(Box::new(record.clone()), when);
        }
        keeps
    }

    async fn arrives(&self, key: &Key, now: Arrival) {
        if self.arrival != now || key.part() != Part::Grant {
            return;
        }
        let write = {
            let mut first = self.first.lock().unwrap();
            if !matches!(*first, Write::UnderWay(..)) {
                return;
            }
            std::mem::replace(&mut *first, Write::Made)
        };
        if let Write::UnderWay(record, when) = write {
            // Nobody hears of a conflict.
            let _ = self.inner.save(&record, when).await;
        }
    }

    fn has_come(&self) -> bool {
        matches!(*self.first.lock().unwrap(), Write::Made)
    }
}

#[async_trait]
impl TokenStore for Late {
    fn name(&self) -> &'static str {
        "late"
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let loaded = self.inner.load(key).await;
        self.arrives(key, Arrival::AfterTheNextLoad).await;
        loaded
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        if record.key().part() == Part::Grant && self.keeps(record, when) {
            return Err(StoreError::new(StoreErrorKind::Ambiguous, Operation::Save, "late"));
        }
        self.arrives(record.key(), Arrival::BeforeTheNextSave).await;
        let saved = self.inner.save(record, when).await;
        self.arrives(record.key(), Arrival::AfterTheNextSave).await;
        saved
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.inner.remove(key, when).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(page).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.try_lease(key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.renew(key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.inner.release(key, id).await
    }
}

#[tokio::test]
async fn a_write_that_comes_late_never_makes_the_login_spendable_twice() {
    for arrival in [
        Arrival::AfterTheNextLoad,
        Arrival::BeforeTheNextSave,
        Arrival::AfterTheNextSave,
    ] {
        let two = Two::new().await;
        let slow = Late::new(&two.to, arrival);
        let transfer = two.between(Arc::new(two.from.clone()), slow.clone());
        let unanswered = transfer.profile(&two.ana, &two.ana).await;
        assert!(
            matches!(&unanswered, Err(TransferError::Store { source, .. }) if source.kind() == StoreErrorKind::Ambiguous),
            "{unanswered:?}"
        );
        let mut runs = 0;
        while let Err(error) = transfer.profile(&two.ana, &two.ana).await {
            assert!(two.spendable().await.len() <= 1, "{arrival:?}: {error}");
            runs += 1;
            assert!(runs < 3, "{arrival:?}: {error}");
        }
        assert!(slow.has_come());
        two.assert_moved().await;
    }
}

#[tokio::test]
async fn a_resumed_move_whose_target_goes_away_does_not_take_the_login_back() {
    let two = Two::new().await;
    let slow = Late::new(&two.to, Arrival::AfterTheNextSave);
    let transfer = two.between(Arc::new(two.from.clone()), slow);
    transfer.profile(&two.ana, &two.ana).await.unwrap_err();
    // The target is read, and away when it is written to: of the first write that says nothing.
    let refusing = Troubled::cut(&two.to, &Arc::new(6.into()), End::Away);
    let again = two.between(Arc::new(two.from.clone()), Arc::new(refusing));
    let failed = again.profile(&two.ana, &two.ana).await;
    assert!(matches!(failed, Err(TransferError::Store { .. })), "{failed:?}");
    assert_eq!(two.spendable().await, [""; 0]);
    assert!(grant(&two.from, &two.ana).await.unwrap().departure.is_some());
    two.clock.advance(Duration::from_secs(60));
    transfer.profile(&two.ana, &two.ana).await.unwrap();
    two.assert_moved().await;
}

/// Whether the refresh token is there, and may be spent.
async fn is_spendable(store: &MemoryStore, two: &Two) -> bool {
    let login = grant(store, &two.ana).await;
    login.is_some_and(|login| login.ended.is_none() && login.departure.is_none() && login.refresh_token.is_some())
}

/// The login is written to the target, and the move cut off before the source hears of it.
pub(super) async fn cut_off_after_the_target_was_written(two: &Two) {
    for operations in 0.. {
        let left = Arc::new(operations.into());
        let cut = |inner: &MemoryStore| Arc::new(Troubled::cut(inner, &left, End::Away));
        let _ = two
            .between(cut(&two.from), cut(&two.to))
            .profile(&two.ana, &two.ana)
            .await;
        two.clock.advance(Duration::from_secs(60));
        if is_spendable(&two.to, two).await {
            break;
        }
    }
    let left = grant(&two.from, &two.ana).await.unwrap();
    assert!(left.departure.is_some() && left.ended.is_none(), "{left:?}");
}

#[tokio::test]
async fn a_login_that_went_on_from_the_target_is_not_brought_back_there() {
    let two = Two::new().await;
    cut_off_after_the_target_was_written(&two).await;
    let third = MemoryStore::with_clock(Arc::new(two.clock.clone()));
    let onwards = Transfer::new(
        Place::new(Arc::new(two.to.clone()), "there"),
        Place::new(Arc::new(third.clone()), "beyond"),
    );
    onwards.profile(&two.ana, &two.ana).await.unwrap();
    let again = two.transfer().profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!(again.grant, GrantTransfer::Moved);
    assert_eq!(two.spendable().await, [""; 0]);
    assert!(is_spendable(&third, &two).await);
    let left = grant(&two.from, &two.ana).await.unwrap();
    assert!(left.ended.is_some() && left.departure.is_some() && left.refresh_token.is_none());
}

#[tokio::test]
async fn a_login_that_ended_in_the_target_is_not_brought_back_there() {
    let two = Two::new().await;
    cut_off_after_the_target_was_written(&two).await;
    let key = Key::grant(&two.ana);
    let arrived = grant(&two.to, &two.ana).await.unwrap();
    // By a host whose clock is late.
    let stone = arrived.tombstone(Timestamp::from_unix_seconds(1));
    two.to
        .replace_contents(&key, &stone.clone().into(), None)
        .await
        .unwrap();
    two.transfer().profile(&two.ana, &two.ana).await.unwrap();
    assert_eq!(two.spendable().await, [""; 0]);
    assert_eq!(grant(&two.to, &two.ana).await.unwrap(), stone);
    assert!(grant(&two.from, &two.ana).await.unwrap().ended.is_some());
}

#[tokio::test]
async fn a_login_that_comes_back_to_where_it_was_is_not_taken_for_one_that_went_on() {
    for operations in 0.. {
        let two = Two::new().await;
        let back = |from: Arc<dyn TokenStore>, to: Arc<dyn TokenStore>| {
            Transfer::new(Place::new(from, "there"), Place::new(to, "here")).clock(Arc::new(two.clock.clone()))
        };
        two.transfer().profile(&two.ana, &two.ana).await.unwrap();
        let left = Arc::new(operations.into());
        let cut = |inner: &MemoryStore| Arc::new(Troubled::cut(inner, &left, End::Away));
        let whole = back(cut(&two.to), cut(&two.from))
            .profile(&two.ana, &two.ana)
            .await
            .is_ok();
        two.clock.advance(Duration::from_secs(60));
        back(Arc::new(two.to.clone()), Arc::new(two.from.clone()))
            .profile(&two.ana, &two.ana)
            .await
            .unwrap();
        assert_eq!(two.spendable().await, ["here"], "after {operations}");
        let arrived = grant(&two.from, &two.ana).await.unwrap();
        assert_eq!(arrived.login_id, two.login.login_id);
        if whole && left.load(Ordering::SeqCst) > 0 {
            assert!(operations > 10, "{operations} operations were enough for a move");
            break;
        }
    }
}
