//! The right to talk to the token endpoint for one key.

use auth_core::store::{LeaseEnd, LeaseId, LeaseScope, RemoveIf, TokenStore};

use super::given::{
    PAST_SHORT, PAST_TTL, SHORT, TTL, granted, granted_for, key, load, release, remove, renewed, stored,
};
use crate::Subject;

/// One id holds it; another does not get it.
pub async fn exclusive<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    assert!(
        granted(subject.store(), &key("a"), &mine).await,
        "a free lease was not granted"
    );
    for _ in 0..3 {
        assert!(
            !granted(subject.store(), &key("a"), &other).await,
            "one lease was granted to two"
        );
    }
}

/// A lease already mine is mine.
pub async fn reentrant_same_id<S: TokenStore>(subject: &Subject<S>) {
    let mine = LeaseId::random();
    for _ in 0..3 {
        assert!(granted(subject.store(), &key("a"), &mine).await);
    }
    release(subject.store(), &key("a"), &mine).await;
    assert!(
        granted(subject.store(), &key("a"), &LeaseId::random()).await,
        "taken three times, released once: still held"
    );
}

/// With an end by time another gets it after its time to live; with an end by
/// holder it stays held, however long that is.
pub async fn expires<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    assert!(granted_for(subject.store(), &key("a"), &mine, SHORT).await);
    subject.pass_of_leases(PAST_SHORT).await;
    match subject.store().capabilities().lease_end {
        LeaseEnd::ByTime => {
            assert!(
                !renewed(subject.store(), &key("a"), &mine).await,
                "a lease was renewed after its end"
            );
            assert!(
                granted(subject.store(), &key("a"), &other).await,
                "held past its time to live"
            );
            assert!(
                !granted(subject.store(), &key("a"), &mine).await,
                "the old holder took it back"
            );
        }
        LeaseEnd::ByHolder => {
            assert!(
                !granted(subject.store(), &key("a"), &other).await,
                "taken from a living holder"
            );
            assert!(
                renewed(subject.store(), &key("a"), &mine).await,
                "the living holder lost it"
            );
            release(subject.store(), &key("a"), &mine).await;
            assert!(
                granted(subject.store(), &key("a"), &other).await,
                "held though released"
            );
        }
        other => panic!("an end of leases that this suite does not know: {other:?}"),
    }
}

/// After a release another gets it.
pub async fn release_frees<S: TokenStore>(subject: &Subject<S>) {
    for _ in 0..5 {
        let id = LeaseId::random();
        assert!(
            granted(subject.store(), &key("a"), &id).await,
            "a released lease was not granted"
        );
        release(subject.store(), &key("a"), &id).await;
    }
}

/// Releasing what another holds, or nobody does, changes nothing.
pub async fn release_not_mine_is_noop<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    release(subject.store(), &key("a"), &mine).await;
    assert!(granted(subject.store(), &key("a"), &mine).await);
    release(subject.store(), &key("a"), &other).await;
    release(subject.store(), &key("b"), &mine).await;
    assert!(
        !granted(subject.store(), &key("a"), &other).await,
        "freed by one who does not hold it"
    );
    assert!(renewed(subject.store(), &key("a"), &mine).await);
}

/// `renew` says whether it is held under this id.
pub async fn renew_says_whether_held<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    assert!(
        !renewed(subject.store(), &key("a"), &mine).await,
        "renewed what nobody holds"
    );
    assert!(granted(subject.store(), &key("a"), &mine).await);
    assert!(renewed(subject.store(), &key("a"), &mine).await);
    assert!(
        !renewed(subject.store(), &key("a"), &other).await,
        "renewed what another holds"
    );
    release(subject.store(), &key("a"), &mine).await;
    assert!(
        !renewed(subject.store(), &key("a"), &mine).await,
        "renewed after the release"
    );
}

/// A renewal counts from now, and as long as it says: past the first end it is
/// still held.
pub async fn renew_extends<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    loop {
        let begun = subject.now();
        assert!(granted_for(subject.store(), &key("a"), &mine, TTL).await);
        if renewed(subject.store(), &key("a"), &mine).await {
            break;
        }
        // Where the whole machine stood still it was asked too late.
        let is_over = subject.now() >= begun.plus(TTL);
        assert!(is_over, "a lease was not renewed within its time to live");
    }
    subject.pass_of_leases(PAST_TTL).await;
    assert!(
        !granted(subject.store(), &key("a"), &other).await,
        "a renewed lease was granted to another"
    );
    assert!(
        renewed(subject.store(), &key("a"), &mine).await,
        "a renewed lease was lost"
    );
}

/// A second handle is kept out where the scope is the host or wider; where it is
/// the process, it is not, and the documentation says so.
pub async fn second_handle_is_kept_out<S: TokenStore>(subject: &Subject<S>) {
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    let scope = subject.store().capabilities().lease_scope;
    assert!(granted(subject.store(), &key("a"), &mine).await);
    let Some(second) = subject.reopen().await else {
        assert_eq!(
            scope,
            LeaseScope::Process,
            "a store for several processes must be opened twice by its tests"
        );
        return;
    };
    if scope == LeaseScope::Process {
        assert!(
            granted(&*second, &key("a"), &other).await,
            "wider than the scope it names"
        );
        return;
    }
    assert!(
        !granted(&*second, &key("a"), &other).await,
        "a second handle was not kept out"
    );
    release(&*second, &key("a"), &other).await;
    assert!(renewed(subject.store(), &key("a"), &mine).await);
    release(subject.store(), &key("a"), &mine).await;
    assert!(
        granted(&*second, &key("a"), &other).await,
        "released, but not for a second handle"
    );
    assert!(!granted(subject.store(), &key("a"), &mine).await);
}

/// A holder that is gone without a release: with an end by holder it is free at
/// once, with an end by time when its time is over.
pub async fn ends_with_its_holder<S: TokenStore>(subject: &Subject<S>) {
    let capabilities = subject.store().capabilities();
    let Some(holder) = subject.reopen().await else {
        assert_eq!(capabilities.lease_scope, LeaseScope::Process, "{capabilities:?}");
        return;
    };
    assert!(granted_for(&*holder, &key("a"), &LeaseId::random(), SHORT).await);
    drop(holder);
    if capabilities.lease_end == LeaseEnd::ByTime {
        subject.pass_of_leases(PAST_SHORT).await;
    }
    assert!(
        granted(subject.store(), &key("a"), &LeaseId::random()).await,
        "held though its holder is gone"
    );
}

/// A lease on one key leaves the others free.
pub async fn other_keys_are_free<S: TokenStore>(subject: &Subject<S>) {
    let id = LeaseId::random();
    assert!(granted(subject.store(), &key("a"), &id).await);
    for name in ["b", "A", "a/b"] {
        assert!(
            granted(subject.store(), &key(name), &LeaseId::random()).await,
            "{name} was held with a"
        );
    }
}

/// A lease neither changes the record nor needs one, and the record's writes and
/// removal leave the lease alone.
pub async fn apart_from_records<S: TokenStore>(subject: &Subject<S>) {
    let mine = LeaseId::random();
    assert!(granted(subject.store(), &key("a"), &mine).await);
    assert_eq!(
        load(subject.store(), &key("a")).await,
        None,
        "a lease looks like a record"
    );
    let record = stored(subject.store(), &key("a"), "x").await;
    assert!(renewed(subject.store(), &key("a"), &mine).await);
    assert_eq!(load(subject.store(), &key("a")).await, Some(record));
    assert!(remove(subject.store(), &key("a"), RemoveIf::Any).await);
    assert!(
        !granted(subject.store(), &key("a"), &LeaseId::random()).await,
        "gone with the record"
    );
}

/// Of 8 tasks that try at once, one gets it.
pub async fn race_one_winner<S: TokenStore>(subject: &Subject<S>) {
    for round in 0..10 {
        let key = key(&format!("round{round}"));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, key) = (subject.handle(), key.clone());
                tokio::spawn(async move { granted(&*store, &key, &LeaseId::random()).await })
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += usize::from(task.await.unwrap_or_else(|error| panic!("a task failed: {error}")));
        }
        assert_eq!(winners, 1, "holders of one lease");
    }
}
