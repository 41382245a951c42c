use super::*;
use crate::profile::Profile;
use crate::record::{Ended, Recipe, Refused};
use crate::target::Target;

const NOW: Timestamp = Timestamp::from_unix_seconds(100_000);

struct Case {
    record: GrantRecord,
    rotation: Rotation,
    leased: bool,
    mark_seen_for: Duration,
    mark_is_local: bool,
    renewal: Option<Renewal>,
    rejected_refresh_at: Option<Timestamp>,
    demand: Demand,
}

impl Case {
    /// A grant with a refresh token `rt` and an access token of an hour that ends
    /// in this many seconds.
    fn ending_in(seconds: i64) -> Self {
        let mut record = GrantRecord::new(Recipe::new("authorization_code", Target::new()), binding());
        let end = Timestamp::from_unix_seconds(100_000 + seconds);
        record.access = Some(AccessEntry::bearer(
            "at".into(),
            end.minus(Duration::from_secs(3600)),
            Some(end),
        ));
        record.refresh_token = Some("rt".into());
        Self {
            record,
            rotation: Rotation::Strict,
            leased: true,
            mark_seen_for: Duration::ZERO,
            mark_is_local: true,
            renewal: Some(Renewal::RefreshToken),
            rejected_refresh_at: None,
            demand: Demand::new(Profile::default(), Target::new()),
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn marked(self, age: u64) -> Self {
        self.with(|case| case.record.mark = Some(Mark::new(&"rt".into(), NOW.minus(Duration::from_secs(age)))))
    }

    /// What is decided; why a token is kept is looked at elsewhere.
    fn step(&self) -> Step {
        match self.whole_step() {
            Step::Keep(access, _) => Step::Keep(access, None),
            step => step,
        }
    }

    fn whole_step(&self) -> Step {
        let policy = RefreshPolicy::default();
        let situation = Situation {
            record: Some(&self.record),
            access: self.record.access.as_ref(),
            rejected_refresh_at: self.rejected_refresh_at,
            renewal: self.renewal,
            binding: &binding(),
            rotation: self.rotation,
            takeover_age: Duration::from_secs(10),
            settle: Duration::from_secs(2),
            leased: self.leased,
            mark_seen_for: self.mark_seen_for,
            mark_is_local: self.mark_is_local,
            now: NOW,
            policy: &policy,
        };
        before_spend(&situation, &self.demand)
    }

    fn keep(&self) -> Step {
        Step::Keep(self.record.access.clone().unwrap(), None)
    }

    fn adopt(&self) -> Step {
        Step::Adopt(self.record.access.clone().unwrap())
    }
}

fn binding() -> Binding {
    Binding::new(Some("https://as".into()), Some("https://as/token".into()), "app")
}

fn spend(interrupted: bool) -> Step {
    Step::Spend {
        token: "rt".into(),
        interrupted,
    }
}

fn failed(step: Step) -> TokenErrorKind {
    match step {
        Step::Fail(failure) => failure.kind,
        other => panic!("{other:?}"),
    }
}

fn rejecting(case: &mut Case) {
    case.demand.rejected = Some(Secret::new("at").hash());
}

#[test]
fn a_good_token_is_adopted() {
    let case = Case::ending_in(1000);
    assert_eq!(case.step(), case.adopt());
    let advisory = Case::ending_in(200);
    assert_eq!(advisory.step(), advisory.adopt());
    assert_eq!(advisory.with(|c| c.demand.want = Want::Better).step(), spend(false));
    assert_eq!(Case::ending_in(20).step(), spend(false));
}

#[test]
fn special_demands() {
    assert_eq!(
        Case::ending_in(1000).with(|c| c.demand.want = Want::New).step(),
        spend(false)
    );
    let long = |seconds| Case::ending_in(1000).with(|c| c.demand.min_validity = Some(Duration::from_secs(seconds)));
    assert_eq!(long(999).step(), long(0).adopt());
    assert_eq!(long(1001).step(), spend(false));
    let stored = Case::ending_in(5).with(|c| c.demand.want = Want::Stored);
    assert_eq!(stored.step(), stored.adopt());
    let over = Case::ending_in(-5).with(|c| c.demand.want = Want::Stored);
    assert_eq!(
        failed(over.step()),
        TokenErrorKind::ReauthRequired(ReauthReason::NoValidToken)
    );
}

#[test]
fn a_401_counts_only_against_the_token_that_was_sent() {
    assert_eq!(Case::ending_in(1000).with(rejecting).step(), spend(false));
    let other = Case::ending_in(1000).with(|c| c.demand.rejected = Some(Secret::new("older").hash()));
    assert_eq!(other.step(), other.adopt());
    let again = Case::ending_in(1000)
        .with(rejecting)
        .with(|c| c.rejected_refresh_at = Some(NOW.minus(Duration::from_secs(29))));
    assert_eq!(again.step(), again.keep());
    let later = again.with(|c| c.rejected_refresh_at = Some(NOW.minus(Duration::from_secs(30))));
    assert_eq!(later.step(), spend(false));
}

#[test]
fn no_login_logout_and_foreign_logins() {
    let policy = RefreshPolicy::default();
    let case = Case::ending_in(1000);
    let situation = Situation {
        record: None,
        access: None,
        rejected_refresh_at: None,
        renewal: None,
        binding: &binding(),
        rotation: Rotation::Strict,
        takeover_age: Duration::ZERO,
        settle: Duration::ZERO,
        leased: false,
        mark_seen_for: Duration::ZERO,
        mark_is_local: true,
        now: NOW,
        policy: &policy,
    };
    let reauth = |reason| TokenErrorKind::ReauthRequired(reason);
    assert_eq!(
        failed(before_spend(&situation, &case.demand)),
        reauth(ReauthReason::NotLoggedIn)
    );
    let ended = Case::ending_in(1000).with(|c| c.record.ended = Some(Ended { at: NOW }));
    assert_eq!(failed(ended.step()), reauth(ReauthReason::LoggedOut));
    for (what, change) in [
        (
            "client id",
            (|b: &mut Binding| b.client_id = "x".into()) as fn(&mut Binding),
        ),
        ("issuer", |b| b.issuer = Some("https://evil".into())),
        ("token endpoint", |b| b.token_endpoint = Some("https://evil".into())),
    ] {
        let case = Case::ending_in(1000).with(|c| change(&mut c.record.binding));
        assert_eq!(
            failed(case.step()),
            TokenErrorKind::Config(ConfigError::BoundElsewhere { what })
        );
    }
}

#[test]
fn what_cannot_be_renewed_is_used_to_its_end() {
    let no_refresh_token = |seconds| Case::ending_in(seconds).with(|c| c.record.refresh_token = None);
    assert_eq!(no_refresh_token(5).step(), no_refresh_token(5).keep());
    assert_eq!(
        failed(no_refresh_token(0).step()),
        TokenErrorKind::ReauthRequired(ReauthReason::NoRefreshToken)
    );
    let over = |seconds| Case::ending_in(seconds).with(|c| c.record.refresh_expires_at = Some(NOW));
    assert_eq!(over(5).step(), over(5).keep());
    assert_eq!(
        failed(over(0).step()),
        TokenErrorKind::ReauthRequired(ReauthReason::RefreshTokenExpired)
    );
    let unknown = |seconds| Case::ending_in(seconds).with(|c| c.renewal = None);
    assert_eq!(unknown(5).step(), unknown(5).keep());
    assert!(matches!(
        failed(unknown(0).step()),
        TokenErrorKind::Config(ConfigError::UnknownGrant { .. })
    ));
}

#[test]
fn a_refused_token_is_never_sent_again_unless_forced() {
    let refused = |seconds, interrupted| {
        Case::ending_in(seconds)
            .with(|c| c.record.refused = Some(Refused::new(&"rt".into(), "invalid_grant", NOW, interrupted)))
    };
    assert_eq!(refused(5, false).step(), refused(5, false).keep());
    let code = "invalid_grant".into();
    assert_eq!(
        failed(refused(0, false).step()),
        TokenErrorKind::ReauthRequired(ReauthReason::RefreshTokenRefused { code })
    );
    assert_eq!(
        failed(refused(0, true).step()),
        TokenErrorKind::ReauthRequired(ReauthReason::InterruptedRefresh)
    );
    assert_eq!(
        refused(0, false).with(|c| c.demand.want = Want::New).step(),
        spend(false)
    );
    let other = Case::ending_in(0)
        .with(|c| c.record.refused = Some(Refused::new(&"older".into(), "invalid_grant", NOW, false)));
    assert_eq!(other.step(), spend(false));
}

#[test]
fn back_off_is_shared() {
    let until = NOW.plus(Duration::from_secs(9));
    let waiting =
        |seconds| Case::ending_in(seconds).with(|c| c.record.back_off = Some(BackOff::new(until, 3, Some(503))));
    assert_eq!(waiting(5).step(), waiting(5).keep());
    match waiting(0).step() {
        Step::Fail(failure) => assert_eq!(failure.retry_after, Some(Duration::from_secs(9))),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        waiting(0)
            .with(|c| c.record.back_off = Some(BackOff::new(NOW, 3, None)))
            .step(),
        spend(false)
    );
}

#[test]
fn a_mark_counts_only_under_the_lease() {
    assert_eq!(
        Case::ending_in(0).marked(1).with(|c| c.leased = false).step(),
        spend(false)
    );
    let stale = Case::ending_in(0).with(|c| c.record.mark = Some(Mark::new(&"older".into(), NOW)));
    assert_eq!(stale.step(), spend(false));
}

#[test]
fn going_on_from_a_mark_waits_then_depends_on_the_server() {
    let all = [
        Rotation::NonRotating,
        Rotation::Grace(Duration::from_secs(30)),
        Rotation::Strict,
    ];
    for rotation in all {
        let over = |age| Case::ending_in(0).marked(age).with(|c| c.rotation = rotation);
        assert_eq!(over(4).step(), Step::Settle(Duration::from_secs(6)), "{rotation:?}");
        assert_eq!(over(10).step(), spend(true), "{rotation:?}");
        let said = |age| over(age).with(|c| c.record.mark.as_mut().unwrap().ambiguous = true);
        assert_eq!(said(1).step(), Step::Settle(Duration::from_secs(1)), "{rotation:?}");
        assert_eq!(said(2).step(), spend(true), "{rotation:?}");
    }
    let valid = |rotation, age| Case::ending_in(20).marked(age).with(|c| c.rotation = rotation);
    for age in [1, 11] {
        assert_eq!(valid(Rotation::Strict, age).step(), valid(Rotation::Strict, age).keep());
    }
    assert_eq!(valid(Rotation::NonRotating, 11).step(), spend(true));
    let grace = Rotation::Grace(Duration::from_secs(30));
    assert_eq!(valid(grace, 24).step(), spend(true));
    assert_eq!(valid(grace, 25).step(), valid(grace, 25).keep());
    assert_eq!(valid(Rotation::Strict, 11).with(rejecting).step(), spend(true));
}

#[test]
fn why_a_token_is_kept_is_known() {
    let until = NOW.plus(Duration::from_secs(9));
    let waiting = Case::ending_in(5).with(|c| c.record.back_off = Some(BackOff::new(until, 3, None)));
    assert!(matches!(waiting.whole_step(), Step::Keep(_, Some(failure)) if failure.kind == TokenErrorKind::Network));
}

#[test]
fn a_grace_counts_from_the_first_attempt_and_three_times() {
    let grace = Rotation::Grace(Duration::from_secs(30));
    let again = |first: u64, attempts| {
        Case::ending_in(20).marked(11).with(|c| c.rotation = grace).with(|c| {
            let mark = c.record.mark.as_mut().unwrap();
            mark.first_at = NOW.minus(Duration::from_secs(first));
            mark.attempts = attempts;
        })
    };
    assert_eq!(again(24, 2).step(), spend(true));
    assert_eq!(again(26, 2).step(), again(26, 2).keep());
    assert_eq!(again(24, 3).step(), again(24, 3).keep());
    let future = again(24, 1).with(|c| c.record.mark.as_mut().unwrap().first_at = NOW.plus(Duration::from_secs(60)));
    assert_eq!(future.step(), future.keep());
}

#[test]
fn clocks_of_other_hosts_do_not_count() {
    let elsewhere = |seen: u64| {
        Case::ending_in(0).marked(3600).with(|c| {
            c.mark_is_local = false;
            c.mark_seen_for = Duration::from_secs(seen);
        })
    };
    assert_eq!(elsewhere(0).step(), Step::Settle(Duration::from_secs(10)));
    assert_eq!(elsewhere(10).step(), spend(true));
    let set_back = Case::ending_in(0).with(|c| {
        c.record.mark = Some(Mark::new(&"rt".into(), NOW.plus(Duration::from_secs(3600))));
        c.mark_seen_for = Duration::from_secs(10);
    });
    assert_eq!(set_back.step(), spend(true));
}

#[test]
fn a_validity_that_never_comes_is_an_error_and_costs_nothing() {
    let case = Case::ending_in(1000).with(|c| c.demand.min_validity = Some(Duration::from_secs(3601)));
    assert!(matches!(
        failed(case.step()),
        TokenErrorKind::Config(ConfigError::Unusable { .. })
    ));
}

#[test]
fn times_from_the_future_do_not_count() {
    let future = Some(NOW.plus(Duration::from_secs(5)));
    let case = Case::ending_in(1000)
        .with(rejecting)
        .with(|c| c.rejected_refresh_at = future);
    assert_eq!(case.step(), spend(false));
    let far = NOW.plus(Duration::from_secs(3601));
    let case = Case::ending_in(0).with(|c| c.record.back_off = Some(BackOff::new(far, 3, None)));
    assert_eq!(case.step(), spend(false));
}
