//! Logins that move: to another name, to another store, and broken off anywhere.

mod again;
mod parts;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::client_auth::ClientAuthMethod;
use auth_core::error::{ConfigError, ReauthReason, TokenErrorKind};
use auth_core::key::Key;
use auth_core::record::{AccessEntry, Binding, ClientRecord, Contents, GrantRecord, Mark, Recipe, Record, TokenRecord};
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStoreExt as _, WriteIf,
};
use auth_core::transfer::{GrantTransfer, Place, Transfer, TransferError, TransferReport};
use auth_core::{MemoryStore, Profile, Secret, Target, TokenStore};

use crate::clock::ShiftedClock;
use crate::setup::{Bench, HOUR};

/// What happens when the operations that were allowed are used up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    /// The process dies before the operation.
    Before,
    /// The process dies after it, before it hears of it.
    After,
    /// The store is away from then on.
    Away,
}

/// What is wrong with a store; clones share it.
#[derive(Clone, Debug)]
enum Trouble {
    /// It breaks off after a number of operations; both sides share the count.
    Cut { left: Arc<AtomicI64>, end: End },
    /// After a number of operations somebody replaces a record; both sides share the count.
    Meddled { left: Arc<AtomicI64>, by: Box<Meddler> },
    /// It answers so many at a time: who comes besides hears nothing in time, though what was to be written is
    /// written then, every other time.
    Crowded {
        capacity: usize,
        under_way: Arc<AtomicUsize>,
        late: Arc<AtomicUsize>,
    },
}

/// Somebody who replaces a record.
#[derive(Clone, Debug)]
struct Meddler {
    store: MemoryStore,
    key: Key,
    contents: Contents,
}

impl Meddler {
    async fn meddle(&self) {
        self.store
            .replace_contents(&self.key, &self.contents, None)
            .await
            .unwrap();
    }
}

/// A store in trouble.
#[derive(Clone, Debug)]
struct Troubled {
    inner: MemoryStore,
    persistence: Persistence,
    trouble: Trouble,
}

impl Troubled {
    fn cut(inner: &MemoryStore, left: &Arc<AtomicI64>, end: End) -> Self {
        Self {
            inner: inner.clone(),
            persistence: Persistence::Memory,
            trouble: Trouble::Cut {
                left: left.clone(),
                end,
            },
        }
    }

    /// In none yet, and it says that it lasts so.
    fn lasting(inner: &MemoryStore, persistence: Persistence) -> Self {
        let never = Arc::new(AtomicI64::new(i64::MAX));
        Self {
            persistence,
            ..Self::cut(inner, &never, End::Away)
        }
    }

    fn meddled(inner: &MemoryStore, left: &Arc<AtomicI64>, by: &Meddler) -> Self {
        let trouble = Trouble::Meddled {
            left: left.clone(),
            by: Box::new(by.clone()),
        };
        Self {
            trouble,
            ..Self::cut(inner, left, End::Away)
        }
    }

    fn crowded(inner: &MemoryStore, capacity: usize) -> Self {
        Self {
            inner: inner.clone(),
            persistence: Persistence::Memory,
            trouble: Trouble::Crowded {
                capacity,
                under_way: Arc::default(),
                late: Arc::default(),
            },
        }
    }

    /// How many operations were not answered in time.
    fn late(&self) -> usize {
        match &self.trouble {
            Trouble::Cut { .. } | Trouble::Meddled { .. } => 0,
            Trouble::Crowded { late, .. } => late.load(Ordering::SeqCst),
        }
    }

    async fn operate<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        match &self.trouble {
            Trouble::Cut { left, end } => until_cut(left, *end, operation, work).await,
            Trouble::Meddled { left, by } => {
                if left.fetch_sub(1, Ordering::SeqCst) == 0 {
                    by.meddle().await;
                }
                work.await
            }
            Trouble::Crowded {
                capacity,
                under_way,
                late,
            } => {
                let comes_besides = under_way.fetch_add(1, Ordering::SeqCst) >= *capacity;
                tokio::task::yield_now().await;
                let outcome = if comes_besides {
                    unanswered(late.fetch_add(1, Ordering::SeqCst), operation, work).await
                } else {
                    work.await
                };
                under_way.fetch_sub(1, Ordering::SeqCst);
                outcome
            }
        }
    }
}

async fn until_cut<T>(
    left: &AtomicI64,
    end: End,
    operation: Operation,
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let left = left.fetch_sub(1, Ordering::SeqCst);
    match end {
        _ if left > 0 => work.await,
        End::Away => Err(StoreError::new(StoreErrorKind::Unavailable, operation, "troubled")),
        End::After if left == 0 => {
            let _ = work.await;
            std::future::pending().await
        }
        _ => std::future::pending().await,
    }
}

async fn unanswered<T>(
    before: usize,
    operation: Operation,
    work: impl Future<Output = Result<T, StoreError>> + Send,
) -> Result<T, StoreError> {
    let kind = if matches!(operation, Operation::Save | Operation::Remove) {
        if before.is_multiple_of(2) {
            work.await?;
        }
        StoreErrorKind::Ambiguous
    } else {
        StoreErrorKind::Unavailable
    };
    Err(StoreError::new(kind, operation, "troubled"))
}

#[async_trait]
impl TokenStore for Troubled {
    fn name(&self) -> &'static str {
        "troubled"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.persistence, LeaseScope::Shared, LeaseEnd::ByTime)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.operate(Operation::Load, self.inner.load(key)).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        self.operate(Operation::Save, self.inner.save(record, when)).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.operate(Operation::Remove, self.inner.remove(key, when)).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        match &self.trouble {
            Trouble::Crowded { .. } => self.inner.list(page).await,
            _ => self.operate(Operation::List, self.inner.list(page)).await,
        }
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.operate(Operation::Lease, self.inner.try_lease(key, id, ttl)).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.operate(Operation::Lease, self.inner.renew(key, id, ttl)).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        match &self.trouble {
            // Else the next try would wait for the lease's end.
            Trouble::Crowded { .. } => self.inner.release(key, id).await,
            _ => self.operate(Operation::Lease, self.inner.release(key, id)).await,
        }
    }
}

/// Two stores, and a profile in the first with a client, a login and two tokens.
struct Two {
    from: MemoryStore,
    to: MemoryStore,
    clock: ShiftedClock,
    ana: Profile,
    login: GrantRecord,
}

impl Two {
    async fn new() -> Self {
        let clock = ShiftedClock::default();
        let store = || MemoryStore::with_clock(Arc::new(clock.clone()));
        let binding = Binding::new(None, Some("http://127.0.0.1:1/token".into()), "app");
        let recipe = Recipe::new("authorization_code", Target::new().scope("api"));
        let mut login = GrantRecord::new(recipe, binding);
        login.refresh_token = Some(Secret::new("parent"));
        let two = Self {
            from: store(),
            to: store(),
            clock,
            ana: Profile::new("ana").unwrap(),
            login,
        };
        two.fill().await;
        two
    }

    async fn fill(&self) {
        let endpoint = auth_core::endpoint::EndpointUrl::new("http://127.0.0.1:1/token").unwrap();
        let provider = auth_core::provider::with_endpoints(endpoint, None);
        let mut client = ClientRecord::new(provider, "app");
        client.client_secret = Some(Secret::new("client-secret"));
        client.authentication = Some(ClientAuthMethod::Post);
        self.put(&Key::client(&self.ana), client.into()).await;
        self.put(&Key::grant(&self.ana), self.login.clone().into()).await;
        for scope in ["one", "two"] {
            let target = Target::new().scope(scope);
            let key = Key::token(&self.ana, target.id());
            let access = AccessEntry::bearer(
                Secret::new(scope),
                auth_core::clock::Timestamp::from_unix_seconds(1),
                None,
            );
            let binding = self.login.binding.clone();
            let mut token = TokenRecord::new(binding, "authorization_code", target, access);
            token.login_id = Some(self.login.login_id);
            self.put(&key, token.into()).await;
        }
    }

    /// So many other profiles in the first, in the order of their names.
    async fn more(&self, count: usize) -> Vec<Profile> {
        let mut names = Vec::new();
        for number in 0..count {
            let name = Profile::new(format!("user-{number:03}")).unwrap();
            self.put(&Key::grant(&name), self.login.clone().into()).await;
            names.push(name);
        }
        names
    }

    /// Each is in the second, and only there it can be spent.
    async fn assert_all_moved(&self, names: &[Profile]) {
        for name in names {
            let left = grant(&self.from, name).await.unwrap();
            assert!(left.ended.is_some() && left.refresh_token.is_none(), "{name}");
            let arrived = grant(&self.to, name).await.unwrap();
            assert_eq!(arrived.refresh_token, self.login.refresh_token, "{name}");
            assert_eq!((arrived.departure, arrived.ended), (None, None), "{name}");
        }
    }

    async fn put(&self, key: &Key, contents: Contents) {
        self.from.replace_contents(key, &contents, None).await.unwrap();
    }

    fn transfer(&self) -> Transfer {
        self.between(Arc::new(self.from.clone()), Arc::new(self.to.clone()))
    }

    fn between(&self, from: Arc<dyn TokenStore>, to: Arc<dyn TokenStore>) -> Transfer {
        Transfer::new(Place::new(from, "here"), Place::new(to, "there")).clock(Arc::new(self.clock.clone()))
    }

    /// Where the refresh token may be spent.
    async fn spendable(&self) -> Vec<&'static str> {
        let mut places = Vec::new();
        for (name, store) in [("here", &self.from), ("there", &self.to)] {
            let grant = grant(store, &self.ana).await;
            let spendable = |grant: GrantRecord| {
                grant.ended.is_none() && grant.departure.is_none() && grant.refresh_token.is_some()
            };
            if grant.is_some_and(spendable) {
                places.push(name);
            }
        }
        places
    }

    async fn assert_moved(&self) {
        let arrived = grant(&self.to, &self.ana).await.unwrap();
        assert_eq!(arrived.login_id, self.login.login_id);
        assert_eq!(arrived.refresh_token, self.login.refresh_token);
        assert_eq!((arrived.departure, arrived.ended), (None, None));
        let left = grant(&self.from, &self.ana).await.unwrap();
        assert!(left.ended.is_some() && left.departure.is_some() && left.refresh_token.is_none());
        let client = Key::client(&self.ana);
        let (_, there) = self.to.load_contents(&client).await.unwrap().unwrap();
        assert_eq!(
            there.into_client().unwrap().client_secret,
            Some(Secret::new("client-secret"))
        );
        assert_eq!(self.spendable().await, ["there"]);
    }
}

async fn grant(store: &MemoryStore, profile: &Profile) -> Option<GrantRecord> {
    let stored = store.load_contents(&Key::grant(profile)).await.unwrap();
    stored.and_then(|(_, contents)| contents.into_grant())
}

#[tokio::test]
async fn a_login_is_moved_and_what_can_be_asked_for_again_is_copied() {
    let two = Two::new().await;
    let report = two.transfer().profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!(
        (report.client, report.grant, report.tokens),
        (true, GrantTransfer::Moved, 2)
    );
    two.assert_moved().await;
    let again = two.transfer().profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!(
        again.grant,
        GrantTransfer::Absent,
        "only the client is left to be copied"
    );
    two.assert_moved().await;
}

#[tokio::test]
async fn broken_off_anywhere_it_is_spendable_once_and_finished_by_the_next_run() {
    for end in [End::Before, End::After, End::Away] {
        for operations in 0.. {
            let two = Two::new().await;
            let left = Arc::new(AtomicI64::new(operations));
            let cut = |inner: &MemoryStore| Arc::new(Troubled::cut(inner, &left, end));
            let transfer = two
                .between(cut(&two.from), cut(&two.to))
                .delete_source(operations % 2 == 0);
            let moving = transfer.profile(&two.ana, &two.ana);
            let outcome = tokio::time::timeout(Duration::from_millis(30), moving).await;
            assert!(two.spendable().await.len() <= 1, "{end:?} after {operations}");
            // The leases of the dead run out.
            two.clock.advance(Duration::from_secs(60));
            two.transfer().profile(&two.ana, &two.ana).await.unwrap();
            two.assert_moved().await;
            if matches!(outcome, Ok(Ok(_))) && left.load(Ordering::SeqCst) > 0 {
                assert!(operations > 15, "{operations} operations were enough for a move");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_store_that_is_away_costs_nothing_and_the_login_goes_on_where_it_is() {
    let two = Two::new().await;
    let away = Troubled::cut(&two.to, &Arc::new(AtomicI64::new(6)), End::Away);
    let moved = two
        .between(Arc::new(two.from.clone()), Arc::new(away))
        .profile(&two.ana, &two.ana)
        .await;
    assert!(matches!(moved, Err(TransferError::Store { .. })), "{moved:?}");
    assert_eq!(two.spendable().await, ["here"]);
}

#[tokio::test]
async fn nothing_is_overwritten_unless_that_was_said() {
    let two = Two::new().await;
    let mut other = two.login.clone();
    other.login_id = auth_core::record::LoginId::random();
    two.to
        .replace_contents(&Key::grant(&two.ana), &other.clone().into(), None)
        .await
        .unwrap();
    let refused = two.transfer().profile(&two.ana, &two.ana).await;
    assert!(matches!(refused, Err(TransferError::Occupied { .. })), "{refused:?}");
    assert_eq!(grant(&two.to, &two.ana).await.unwrap(), other);
    two.transfer()
        .overwrite(true)
        .profile(&two.ana, &two.ana)
        .await
        .unwrap();
    two.assert_moved().await;
}

#[tokio::test]
async fn an_old_copy_of_the_login_is_not_taken_for_a_move_under_way() {
    let two = Two::new().await;
    let copied = two.transfer().allow_duplicate(true).profile(&two.ana, &two.ana).await;
    assert_eq!(copied.unwrap().unwrap().grant, GrantTransfer::Copied);
    assert_eq!(two.spendable().await, ["here", "there"]);
    let mut rotated = two.login.clone();
    rotated.refresh_token = Some(Secret::new("child"));
    two.put(&Key::grant(&two.ana), rotated.into()).await;
    let refused = two.transfer().profile(&two.ana, &two.ana).await;
    assert!(matches!(refused, Err(TransferError::Occupied { .. })), "{refused:?}");
    two.transfer()
        .overwrite(true)
        .profile(&two.ana, &two.ana)
        .await
        .unwrap();
    let arrived = grant(&two.to, &two.ana).await.unwrap();
    assert_eq!(arrived.refresh_token, Some(Secret::new("child")));
    assert_eq!(two.spendable().await, ["there"]);
}

#[tokio::test]
async fn what_must_be_decided_first_is_said() {
    let two = Two::new().await;
    let key = Key::grant(&two.ana);
    let mut marked = two.login.clone();
    marked.mark = Some(Mark::new(
        &Secret::new("parent"),
        auth_core::clock::Timestamp::from_unix_seconds(1),
    ));
    two.put(&key, marked.into()).await;
    let refused = two.transfer().profile(&two.ana, &two.ana).await;
    assert!(matches!(refused, Err(TransferError::Interrupted { .. })), "{refused:?}");
    let mut departing = two.login.clone();
    let now = auth_core::clock::Timestamp::from_unix_seconds(1);
    departing.departure = Some(auth_core::record::Departure::new("elsewhere", now));
    two.put(&key, departing.into()).await;
    let refused = two.transfer().profile(&two.ana, &two.ana).await.unwrap_err();
    assert!(refused.to_string().contains("elsewhere"), "{refused}");
    let same = Place::new(Arc::new(two.from.clone()), "here");
    let refused = Transfer::new(same.clone(), same)
        .all(|_, _| ControlFlow::Continue(()))
        .await;
    assert!(matches!(refused, Err(TransferError::SamePlace)));
}

#[tokio::test]
async fn nothing_goes_from_a_store_that_lasts_to_one_that_ends_with_the_process() {
    for persistence in [Persistence::UntilRestart, Persistence::DurableNode] {
        let two = Two::new().await;
        let lasting = Arc::new(Troubled::lasting(&two.from, persistence));
        let moving = two.between(lasting.clone(), Arc::new(two.to.clone()));
        for moving in [
            moving.clone(),
            moving.clone().overwrite(true),
            moving.clone().dry_run(true),
        ] {
            let refused = moving.profile(&two.ana, &two.ana).await;
            assert!(
                matches!(refused, Err(TransferError::EndsWithProcess { .. })),
                "{refused:?}"
            );
        }
        assert_eq!(two.spendable().await, ["here"]);
        assert!(two.to.list_all().await.unwrap().is_empty());
        // The other way it is none.
        let back = Transfer::new(
            Place::new(Arc::new(two.to.clone()), "there"),
            Place::new(lasting.clone(), "here"),
        );
        assert!(back.profile(&two.ana, &two.ana).await.unwrap().is_none());
        moving
            .allow_volatile_refresh_tokens(true)
            .profile(&two.ana, &two.ana)
            .await
            .unwrap();
        two.assert_moved().await;
    }
}

#[tokio::test]
async fn nothing_that_lasts_is_deleted_for_a_copy_that_ends_with_the_process() {
    let two = Two::new().await;
    let mut login = two.login.clone();
    login.refresh_token = None;
    two.put(&Key::grant(&two.ana), login.into()).await;
    let lasting = Troubled::lasting(&two.from, Persistence::DurableNode);
    let copying = two.between(Arc::new(lasting), Arc::new(two.to.clone()));
    let refused = copying.clone().delete_source(true).profile(&two.ana, &two.ana).await;
    assert!(
        matches!(refused, Err(TransferError::EndsWithProcess { .. })),
        "{refused:?}"
    );
    assert!(two.to.list_all().await.unwrap().is_empty());
    let copied = copying.profile(&two.ana, &two.ana).await.unwrap().unwrap();
    assert_eq!(copied.grant, GrantTransfer::Copied);
}

#[tokio::test]
async fn looking_only_changes_nothing() {
    let two = Two::new().await;
    let mut seen = Vec::new();
    let look = two.transfer().dry_run(true);
    look.all(|profile, report| {
        seen.push((profile.clone(), *report.unwrap()));
        ControlFlow::Continue(())
    })
    .await
    .unwrap();
    let [(profile, report)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (profile, report.grant, report.tokens),
        (&two.ana, GrantTransfer::Moved, 2)
    );
    assert_eq!(two.spendable().await, ["here"]);
    assert!(two.to.list_all().await.unwrap().is_empty());
}

#[tokio::test]
async fn by_name_one_after_the_other_until_told_to_break_off() {
    let two = Two::new().await;
    let bea = Profile::new("bea").unwrap();
    two.put(&Key::grant(&bea), two.login.clone().into()).await;
    let zoe = Profile::new("zoe").unwrap();
    let mut seen = Vec::new();
    let names = [&zoe, &two.ana, &bea, &two.ana].map(Profile::clone);
    let told = |profile: &Profile, report: Result<Option<&TransferReport>, &TransferError>| {
        seen.push((profile.clone(), report.unwrap().map(|report| report.grant)));
        ControlFlow::Continue(())
    };
    two.transfer().profiles(names.clone(), told).await.unwrap();
    let moved = Some(GrantTransfer::Moved);
    assert_eq!(seen, [(two.ana.clone(), moved), (bea.clone(), moved), (zoe, None)]);

    let two = Two::new().await;
    two.put(&Key::grant(&bea), two.login.clone().into()).await;
    two.transfer().all(|_, _| ControlFlow::Break(())).await.unwrap();
    two.assert_moved().await;
    assert_eq!(grant(&two.to, &bea).await, None, "it went on");
}

// On one thread none gets far ahead of those before it.
#[tokio::test]
async fn several_at_once_are_broken_off_and_brought_to_their_end() {
    let two = Two::new().await;
    let names = two.more(100).await;
    let (mut told, mut left) = (Vec::new(), 5);
    let transfer = two.transfer().at_once(4);
    let moving = transfer.profiles(names.clone(), |profile, report| {
        assert_eq!(report.unwrap().unwrap().grant, GrantTransfer::Moved);
        told.push(profile.clone());
        left -= 1;
        if left > 0 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    moving.await.unwrap();
    assert!((5..50).contains(&told.len()), "{} were told", told.len());
    assert_eq!(told, names[..told.len()]);
    for (number, name) in names.iter().enumerate() {
        let arrived = grant(&two.to, name).await.is_some();
        assert_eq!(arrived, number < told.len(), "{name}");
    }
    let rest = two.transfer().at_once(64);
    rest.profiles(names.clone(), all_go_well).await.unwrap();
    two.assert_all_moved(&names).await;
}

fn all_go_well(_: &Profile, report: Result<Option<&TransferReport>, &TransferError>) -> ControlFlow<()> {
    report.unwrap();
    ControlFlow::Continue(())
}

#[tokio::test(flavor = "multi_thread")]
async fn several_at_once_are_told_in_order() {
    let two = Two::new().await;
    let names = two.more(100).await;
    let mut told = Vec::new();
    let transfer = two.transfer().at_once(64);
    let rest = transfer.profiles(names.clone(), |profile, report| {
        report.unwrap();
        told.push(profile.clone());
        ControlFlow::Continue(())
    });
    rest.await.unwrap();
    assert_eq!(told, names);
    two.assert_all_moved(&names).await;
}

#[tokio::test]
async fn where_several_are_too_many_for_a_store_each_is_moved_all_the_same() {
    for capacity in [1, 2, 5] {
        for is_source in [false, true] {
            let two = Two::new().await;
            let names = two.more(60).await;
            let slow = Troubled::crowded(if is_source { &two.from } else { &two.to }, capacity);
            let transfer = if is_source {
                two.between(Arc::new(slow.clone()), Arc::new(two.to.clone()))
            } else {
                two.between(Arc::new(two.from.clone()), Arc::new(slow.clone()))
            };
            let mut told = Vec::new();
            let moving = transfer.at_once(32);
            let moving = moving.profiles(names.clone(), |profile, report| {
                report.unwrap_or_else(|error| panic!("{profile}, {capacity} at a time: {error:?}"));
                told.push(profile.clone());
                ControlFlow::Continue(())
            });
            moving.await.unwrap();
            assert_eq!(told, names);
            two.assert_all_moved(&names).await;
            assert!(slow.late() > 10, "it kept up: {} were late", slow.late());
        }
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_tried_by_one_more_alone() {
    let two = Two::new().await;
    let names = two.more(100).await;
    let away = Troubled::crowded(&two.to, 0);
    let transfer = two.between(Arc::new(two.from.clone()), Arc::new(away.clone()));
    let mut told = Vec::new();
    let moving = transfer.at_once(32);
    let moving = moving.profiles(names.clone(), |profile, report| {
        assert!(matches!(report, Err(TransferError::Store { .. })), "{report:?}");
        told.push(profile.clone());
        ControlFlow::Break(())
    });
    moving.await.unwrap();
    assert_eq!(away.late(), 33);
    assert_eq!(told, names[..32], "those that were tried, and no others");
    for name in &names {
        let login = grant(&two.from, name).await.unwrap();
        assert!(login.departure.is_none() && login.ended.is_none(), "{name} can't go on");
    }
}

#[tokio::test]
async fn a_renamed_login_goes_on_and_its_old_name_says_where() {
    let bench = Bench::new();
    let manager = bench.manager();
    let old = bench.logged_in(&manager).await;
    old.token().await.unwrap();
    let elsewhere = bench.manager();
    let unaware = elsewhere.source(&bench.profile);
    unaware.token().await.unwrap();
    let bea = Profile::new("bea").unwrap();
    assert_eq!(
        manager.rename(&bench.profile, &bea).await.unwrap().unwrap().grant,
        GrantTransfer::Moved
    );
    bench.advance(HOUR);
    manager.source(&bea).token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
    for source in [old, unaware] {
        let error = source.token().await.unwrap_err();
        let moved =
            matches!(error.kind(), TokenErrorKind::ReauthRequired(ReauthReason::Moved { to }) if to.contains("bea"));
        assert!(moved, "{error}");
    }
    assert_eq!(bench.server.counters().double_spends, 0);
}

#[tokio::test]
async fn a_login_on_its_way_is_not_spent_but_its_token_is_used() {
    let bench = Bench::new();
    let manager = bench.manager();
    let token = bench.logged_in(&manager).await.token().await.unwrap();
    let now = auth_core::clock::Timestamp::from_unix_seconds(1);
    bench
        .change(|record| record.departure = Some(auth_core::record::Departure::new("there", now)))
        .await;
    let source = bench.manager().source(&bench.profile);
    assert_eq!(source.token().await.unwrap(), token);
    bench.advance(HOUR);
    let error = source.token().await.unwrap_err();
    let to = "there".to_owned();
    assert_eq!(error.kind(), &TokenErrorKind::Config(ConfigError::Departing { to }));
    assert_eq!(bench.refreshes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn renames_that_race_refreshes_lose_nothing() {
    let bench = Bench::new();
    let manager = bench.manager();
    bench.logged_in(&manager).await;
    let names = [bench.profile.clone(), Profile::new("bea").unwrap()];
    for round in 0..40 {
        bench.advance(HOUR);
        let (from, to) = (&names[round % 2], &names[(round + 1) % 2]);
        let refreshing = bench.manager().source(from);
        let other = bench.manager();
        let (token, renamed) = tokio::join!(refreshing.token(), other.rename(from, to));
        assert_eq!(renamed.unwrap().unwrap().grant, GrantTransfer::Moved);
        if let Err(error) = token {
            let kind = error.kind();
            let expected = matches!(
                kind,
                TokenErrorKind::ReauthRequired(ReauthReason::Moved { .. })
                    | TokenErrorKind::Config(ConfigError::Departing { .. })
            );
            assert!(expected, "{error}");
        }
        bench.manager().source(to).token().await.unwrap();
    }
    assert_eq!(bench.server.counters().double_spends, 0);
    assert_eq!(bench.refreshes(), 40);
}
