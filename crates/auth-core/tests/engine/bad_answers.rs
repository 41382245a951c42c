//! Everything that a token endpoint can answer wrongly: what callers are told, and
//! that the profile lives on once the server is well again.

use std::error::Error;
use std::time::Duration;

use auth_core::error::{Refusal, TokenErrorKind};
use auth_core::grant::ClientCredentials;
use auth_core::provider::Rotation;
use auth_core::refresh::{Timing, TokenRetry};
use auth_core::store::Retry;
use auth_core::{AccessToken, TokenError, TokenManager, TokenSource};
use store_testkit::server::{
    AuthorizationServerBuilder, BadAnswer, CANARY, Fault, Meaning, Rotation as ServerRotation,
};

use crate::setup::{Bench, HOUR, NEARLY};

/// Longer than any pause that is kept.
const LONG: Duration = Duration::from_secs(3 * 3600);

/// Less than a token that is nearly over still lives.
const SHORT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_login_on_a_strict_server_survives_each() {
    each(|bad| async move {
        let fault = bad.fault.clone();
        login_survives(Bench::standing(), bad, fault).await;
    })
    .await;
}

// The server has acted each time, and nobody has got its answer.
#[tokio::test(flavor = "multi_thread")]
async fn within_a_grace_a_login_survives_each_although_the_server_acted() {
    each(|bad| async move {
        let grace = Duration::from_secs(24 * 3600);
        // The pair is given again: its access token is to live as long.
        let server = |server: AuthorizationServerBuilder| {
            let server = server.rotation(ServerRotation::GraceSamePair(grace));
            server.access_token_lifetime(grace)
        };
        let mut bench = Bench::standing_with(server);
        bench.rotation = Rotation::Grace(grace);
        let fault = bad.fault.clone().after_handling();
        login_survives(bench, bad, fault).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn none_displaces_a_token_that_is_still_good() {
    each(|bad| async move {
        let bench = Bench::standing();
        let manager = bench.builder(bench.app()).timing(timing(&bad)).build().unwrap();
        let source = bench.logged_in(&manager).await;
        let good = source.token().await.unwrap();
        bench.advance(NEARLY);
        bench.server.inject(bad.fault.clone().times(100));
        let is_granted = bad.meaning == Meaning::Granted;
        for _ in 0..3 {
            assert_eq!(ask(&bench, &source, &bad).await.unwrap() == good, !is_granted);
        }
        assert_eq!(bench.refreshes(), 1, "tried once");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_credentials_survive_each() {
    each(|bad| async move {
        let bench = Bench::standing();
        let service = bench.builder(bench.service()).grant(ClientCredentials::new());
        let service = service.token_retry(TokenRetry::none()).timing(timing(&bad));
        let source = service.build().unwrap().source(&bench.profile);
        bench.server.inject(bad.fault.clone().times(100));
        let outcome = ask(&bench, &source, &bad).await;
        check(&outcome, expected(&bad, false).as_ref(), &["service-secret"]);
        assert_eq!(bench.server.counters().token_requests, 1, "asked once");
        bench.server.clear_faults();
        bench.advance(LONG);
        let token = heal(&bench.service_manager().source(&bench.profile), outcome).await;
        assert!(bench.server.is_live(token.unwrap().secret().expose()));
    })
    .await;
}

async fn login_survives(bench: Bench, bad: BadAnswer, fault: Fault) {
    let manager: TokenManager = bench.builder(bench.app()).timing(timing(&bad)).build().unwrap();
    let source = bench.logged_in(&manager).await;
    let before = bench.record().await;
    let (access, refresh) = (before.access.unwrap().token, before.refresh_token.unwrap());
    bench.advance(HOUR);
    bench.server.inject(fault.times(100));
    let outcome = ask(&bench, &source, &bad).await;
    check(
        &outcome,
        expected(&bad, true).as_ref(),
        &[access.expose(), refresh.expose()],
    );
    assert_eq!(bench.refreshes(), 1, "sent once");
    let dead = matches!(bad.meaning, Meaning::GrantRefused { .. });
    for _ in 0..3 {
        bench.advance(Duration::from_secs(5));
        let other = bench.builder(bench.app()).timing(timing(&bad)).build().unwrap();
        let again = ask(&bench, &other.source(&bench.profile), &bad).await;
        assert!(again.is_ok() == outcome.is_ok(), "{again:?}");
    }
    if dead {
        assert_eq!(bench.refreshes(), 1, "what is refused is not sent again");
    }
    assert_eq!(bench.record().await.refresh_token, Some(refresh), "nothing is deleted");

    bench.server.clear_faults();
    bench.advance(LONG);
    let source = bench.manager().source(&bench.profile);
    let token = if dead {
        let error = source.token().await.unwrap_err();
        assert!(error.is_reauth_required(), "{error}");
        source.force().await
    } else {
        heal(&source, outcome).await
    };
    assert!(bench.server.is_live(token.unwrap().secret().expose()));
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(bench.server.counters().logins_lost, 0);
}

/// Asks for a token; where no answer comes, the time for it runs out once the server has the request.
async fn ask(bench: &Bench, source: &TokenSource, bad: &BadAnswer) -> Result<AccessToken, TokenError> {
    if bad.meaning != Meaning::TimedOut {
        return source.token().await;
    }
    let arrived = bench.server.counters().token_requests;
    let token = source.token();
    tokio::pin!(token);
    tokio::select! {
        // Nothing is sent while a pause lasts.
        outcome = &mut token => return outcome,
        () = bench.server.wait_for_token_requests(arrived + 1) => bench.clock.advance(SHORT),
    }
    token.await
}

/// The next token, from a server that is well again; it does not know the one that it gave.
async fn heal(source: &TokenSource, outcome: Result<AccessToken, TokenError>) -> Result<AccessToken, TokenError> {
    match outcome {
        Ok(token) => source.after_rejection(&token).await,
        Err(_) => source.token().await,
    }
}

/// Runs all rows, a few at a time, and names those that fail.
async fn each<R, F>(run: R)
where
    R: Fn(BadAnswer) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let mut failed = Vec::new();
    let mut rows = BadAnswer::table().into_iter().peekable();
    assert!(rows.len() >= 40);
    while rows.peek().is_some() {
        let some: Vec<_> = rows
            .by_ref()
            .take(8)
            .map(|bad| (bad.name, tokio::spawn(run(bad))))
            .collect();
        for (name, row) in some {
            if row.await.is_err() {
                failed.push(name);
            }
        }
    }
    assert_eq!(failed, Vec::<&str>::new());
}

/// Short for what takes too long only: the others have all the time they need.
fn timing(bad: &BadAnswer) -> Timing {
    let mut timing = Timing::default();
    if bad.meaning == Meaning::TimedOut {
        timing.budget = SHORT;
    }
    timing
}

/// The kind of the error and when to try again; `None`: a token.
fn expected(bad: &BadAnswer, consumable: bool) -> Option<(TokenErrorKind, Retry)> {
    let soon = Retry::After(Duration::from_secs(1));
    let refused = |status, code: Option<&str>, retry_after| {
        let mut refusal = Refusal::new(status);
        refusal.code = code.map(str::to_owned);
        refusal.retry_after = retry_after;
        TokenErrorKind::Refused(Box::new(refusal))
    };
    match bad.meaning {
        Meaning::Granted => None,
        Meaning::GrantRefused { code, .. } if consumable => {
            let reason = auth_core::error::ReauthReason::RefreshTokenRefused { code: code.into() };
            Some((TokenErrorKind::ReauthRequired(reason), Retry::Never))
        }
        Meaning::GrantRefused { status, code } => Some((refused(status, Some(code), None), Retry::Never)),
        Meaning::Refused {
            status,
            code,
            retry_after,
        } => {
            let passing = matches!(status, 429 | 500..)
                || matches!(code, Some("slow_down" | "temporarily_unavailable" | "server_error"));
            let retry = match retry_after {
                Some(after) => Retry::After(after),
                None if passing => soon,
                None => Retry::Never,
            };
            Some((refused(status, code, retry_after), retry))
        }
        Meaning::TimedOut => Some((TokenErrorKind::Timeout, soon)),
        _ => Some((TokenErrorKind::Network, soon)),
    }
}

fn check(outcome: &Result<AccessToken, TokenError>, expected: Option<&(TokenErrorKind, Retry)>, sent: &[&str]) {
    let shown = match outcome {
        Ok(token) => {
            assert_eq!(expected, None);
            assert!(token.secret().expose().starts_with(CANARY));
            format!("{token:?}")
        }
        Err(error) => {
            let kind = match error.kind() {
                TokenErrorKind::Refused(refusal) => {
                    let mut refusal = refusal.clone();
                    refusal.description = None;
                    TokenErrorKind::Refused(refusal)
                }
                kind => kind.clone(),
            };
            assert_eq!(Some(&(kind, error.retry())), expected, "{}", printed(error));
            printed(error)
        }
    };
    for secret in sent.iter().chain(&[CANARY]) {
        assert!(!shown.contains(secret), "{shown}");
    }
}

/// Every layer of an error, as a log would print it.
fn printed(error: &TokenError) -> String {
    let layers = std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source());
    let texts: Vec<_> = layers.map(|error| format!("{error} {error:?} {error:#?}")).collect();
    texts.join("\n")
}
