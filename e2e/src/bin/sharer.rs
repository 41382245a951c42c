//! One of many processes that share a rotating grant: each time its test says that
//! another life of the access token is over, several of its tasks want a token at once.
//!
//! It reads a number per line, how many lives are over, and answers each with the
//! hash of the token that all its tasks got, or with `error` and why.

use std::error::Error;
use std::future::Future;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokenkeep::clock::{Clock, SystemClock, Timestamp};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::provider::{self, Rotation};
use tokenkeep::refresh::Timing;
use tokenkeep::{ClientRegistration, Profile, TokenError, TokenManager, TokenSource, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const TASKS: usize = 4;

/// Real time, and the lives that are over on top.
#[derive(Clone, Debug)]
struct SharedClock {
    started: Instant,
    life: Duration,
    lives: Arc<AtomicU64>,
}

impl SharedClock {
    fn over(&self) -> Duration {
        let lives = u32::try_from(self.lives.load(Ordering::SeqCst)).unwrap_or(u32::MAX);
        self.life * lives
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.over())
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed() + self.over()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration)
    }
}

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let clock = SharedClock {
        started: Instant::now(),
        life: Duration::from_secs(variable("SHARER_LIFE")?.parse()?),
        lives: Arc::default(),
    };
    let source = runtime.block_on(manager(clock.clone()))?.source(&Profile::default());
    let mut answers = TcpStream::connect(variable("SHARER_CONTROL")?)?;
    for line in BufReader::new(answers.try_clone()?).lines() {
        clock.lives.store(line?.parse()?, Ordering::SeqCst);
        let answer = match runtime.block_on(token_of_all(&source)) {
            Ok(hash) => hash,
            Err(error) => format!("error {error}"),
        };
        answers.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

async fn manager(clock: SharedClock) -> Outcome<TokenManager> {
    let mut provider = provider::with_endpoints(EndpointUrl::new(&variable("SHARER_TOKEN_ENDPOINT")?)?, None);
    provider.rotation = Rotation::Strict;
    let store = store::open(&variable("SHARER_STORE")?).await?;
    let manager = tokenkeep::manager(ClientRegistration::public(provider, "app"), store);
    // 128 tasks wait for one of them, on a machine that may be busy.
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(60);
    timing.lease_wait = Duration::from_secs(600);
    Ok(manager.clock(clock).timing(timing).build()?)
}

async fn token_of_all(source: &TokenSource) -> Outcome<String> {
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { Ok::<_, TokenError>(source.token().await?.hash().short()) })
        })
        .collect();
    let mut hashes = Vec::new();
    for task in tasks {
        hashes.push(task.await??);
    }
    hashes.dedup();
    match <[String; 1]>::try_from(hashes) {
        Ok([hash]) => Ok(hash),
        Err(hashes) => Err(format!("{} different tokens", hashes.len()).into()),
    }
}

fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}
