//! A worker for the tests that kill: wants a valid token, again and again, from a
//! store that it shares with others.
//!
//! Time runs faster for it (`WORKER_SPEED`), from an origin that all workers share,
//! so that tokens of a second end within milliseconds. Asked to end (SIGTERM), it ends
//! as a service should: after the refresh that is under way.

#![allow(clippy::print_stdout, reason = "the test reads what it says")]

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokenkeep::clock::{Clock, SystemClock, Timestamp};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::provider::{self, Rotation};
use tokenkeep::refresh::Timing;
use tokenkeep::{AccessToken, ClientRegistration, Profile, Secret, TokenErrorKind, TokenManager, store};
use tokio::signal::unix::{SignalKind, signal};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The system's clock, faster.
#[derive(Clone, Copy, Debug)]
struct FastClock {
    origin: Duration,
    speed: u32,
}

impl FastClock {
    fn elapsed(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(self.origin) * self.speed
    }
}

impl Clock for FastClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000).plus(self.elapsed())
    }

    fn monotonic(&self) -> Duration {
        self.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration / self.speed)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let clock = FastClock {
        origin: Duration::from_millis(variable("WORKER_ORIGIN")?.parse()?),
        speed: variable("WORKER_SPEED")?.parse()?,
    };
    let manager = manager(clock).await?;
    let mut asked_to_end = signal(SignalKind::terminate())?;
    println!("ready");
    tokio::select! {
        () = work(&manager, clock) => {}
        _ = asked_to_end.recv() => {}
    }
    if manager.shutdown().await {
        return Ok(());
    }
    Err("a refresh is still under way".into())
}

async fn work(manager: &TokenManager, clock: FastClock) {
    let source = manager.source(&Profile::default());
    let mut last: Option<AccessToken> = None;
    loop {
        match source.token().await {
            Ok(token) => {
                if last.as_ref() != Some(&token) {
                    println!("token {}", token.hash().short());
                }
                last = Some(token);
            }
            Err(error) if error.is_reauth_required() => println!("login {}", reason(&error)),
            Err(error) => {
                let holds_one = last.as_ref().and_then(AccessToken::expires_at);
                let valid = holds_one.is_some_and(|end| end > clock.now());
                println!("{} {}", if valid { "noticed" } else { "error" }, chain(&error));
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn reason(error: &tokenkeep::TokenError) -> String {
    match error.kind() {
        TokenErrorKind::ReauthRequired(reason) => format!("{reason:?}"),
        other => other.to_string(),
    }
}

fn chain(error: &dyn Error) -> String {
    let below = error
        .source()
        .map_or(String::new(), |below| format!(": {}", chain(below)));
    format!("{error}{below}")
}

async fn manager(clock: FastClock) -> Outcome<TokenManager> {
    let speed = clock.speed;
    let mut provider = provider::with_endpoints(EndpointUrl::new(&variable("WORKER_TOKEN_ENDPOINT")?)?, None);
    provider.rotation = match variable("WORKER_ROTATION")?.as_str() {
        "none" => Rotation::NonRotating,
        "strict" => Rotation::Strict,
        seconds => Rotation::Grace(Duration::from_secs(seconds.parse()?) * speed),
    };
    let client = match variable("WORKER_CLIENT_SECRET") {
        Ok(secret) => ClientRegistration::confidential(provider, "app", Secret::new(secret)),
        Err(_) => ClientRegistration::public(provider, "app"),
    };
    let mut timing = Timing::default();
    // What a killed worker has sent is at the server by then, also where that is slow; only a strict server minds.
    let settle = if client.provider().rotation == Rotation::Strict {
        600
    } else {
        200
    };
    timing.settle = Duration::from_millis(settle) * speed;
    timing.budget = Duration::from_secs(variable("WORKER_BUDGET")?.parse()?) * speed;
    // The store's clock runs as ours does: a lease of a dead worker ends by it.
    timing.lease = Duration::from_secs(variable("WORKER_LEASE")?.parse()?);
    timing.heartbeat = timing.lease / 2;
    timing.lease_wait *= speed;
    timing.send_within *= speed;
    timing.stall *= speed;
    let store = store::open(&variable("WORKER_STORE")?).await?;
    Ok(tokenkeep::manager(client, store).clock(clock).timing(timing).build()?)
}

fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}
