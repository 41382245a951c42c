//! A web application of two replicas over one Redis: a login that is begun on one of them is
//! finished on the other, once, by the browser that began it; both then use that person's token.
//!
//! ```text
//! cargo run --release --example web_app --features redis
//! ```
//!
//! Needs the program redis-server; the authorization server is part of it.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

mod application;
mod browser;

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use browser::Browser;
use store_testkit::server::{AuthorizationServer, Client, Rotation};
use test_services::Redis;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const REQUESTS: usize = 20;

#[tokio::main]
async fn main() -> Outcome<()> {
    if let (Ok(store), Ok(issuer)) = (std::env::var("WEB_APP_STORE"), std::env::var("WEB_APP_ISSUER")) {
        return application::serve(&store, &issuer).await;
    }
    let client = Client::confidential(application::CLIENT_ID, application::CLIENT_SECRET);
    let stage = Stage {
        authorization: AuthorizationServer::builder()
            .client(client.redirect_uri(application::CALLBACK))
            .rotation(Rotation::Strict)
            .start()?,
        redis: Redis::builder().durable().start()?,
    };
    println!("authorization server  {}", stage.authorization.issuer());
    println!("store                 {}\n", stage.store());
    let (a, b) = (Arc::new(stage.replica(0)?), Arc::new(stage.replica(0)?));
    let ana = Browser::of("ana")?;
    stage.log_in(&ana, &a, &b).await?;
    stage.log_in_two(&a, &b).await?;
    stage.refuse_strangers(&a, &b).await?;
    stage.refuse_the_late(&a).await?;
    stage.refresh(&ana, &a, &b).await?;
    stage.restart(&ana, [a, b]).await?;
    stage.account()
}

struct Stage {
    authorization: AuthorizationServer,
    redis: Redis,
}

impl Stage {
    /// Patient: a busy machine is no Redis that is away.
    fn store(&self) -> String {
        format!("{}?connect_timeout=60000&answer_timeout=60000", self.redis.url())
    }

    /// Another process, whose clock goes before ours by so many seconds.
    fn replica(&self, seconds_ahead: u64) -> Outcome<Replica> {
        Replica::start(
            Command::new(std::env::current_exe()?)
                .env("WEB_APP_STORE", self.store())
                .env("WEB_APP_ISSUER", self.authorization.issuer())
                .env("WEB_APP_SECONDS_AHEAD", seconds_ahead.to_string()),
        )
    }

    async fn log_in(&self, ana: &Browser, a: &Replica, b: &Replica) -> Outcome<()> {
        println!("1. Ana begins a login on replica A and comes back to replica B.");
        let query = ana.begin_login(a).await?;
        is("B says", &ana.come_back(b, &query).await?.1, "logged in")?;
        is("the API takes her on A for", &ana.subject(a).await?, "ana")?;
        is("the API takes her on B for", &ana.subject(b).await?, "ana")?;
        println!("   She comes back once more with the same state.");
        for (name, replica) in [("A", a), ("B", b)] {
            println!("   {name} refuses: {}", ana.refused(replica, &query).await?);
        }
        is("on A she still is", &ana.subject(a).await?, "ana")?;
        is("codes exchanged", &self.codes(), "1")
    }

    async fn log_in_two(&self, a: &Replica, b: &Replica) -> Outcome<()> {
        println!("\n2. Ben and Cleo log in at the same time, crosswise.");
        let (ben, cleo) = (Browser::of("ben")?, Browser::of("cleo")?);
        let (of_ben, of_cleo) = tokio::join!(ben.begin_login(a), cleo.begin_login(b));
        let (of_ben, of_cleo) = (of_ben?, of_cleo?);
        let (at_b, at_a) = tokio::join!(ben.come_back(b, &of_ben), cleo.come_back(a, &of_cleo));
        is("B says", &at_b?.1, "logged in")?;
        is("A says", &at_a?.1, "logged in")?;
        is("the API takes him for", &ben.subject(a).await?, "ben")?;
        is("the API takes her for", &cleo.subject(b).await?, "cleo")
    }

    async fn refuse_strangers(&self, a: &Replica, b: &Replica) -> Outcome<()> {
        println!("\n3. Eve has seen the address that Dan comes back with, and is faster.");
        let (dan, eve) = (Browser::of("dan")?, Browser::of("eve")?);
        let query = dan.begin_login(a).await?;
        println!("   without a cookie: {}", eve.refused(b, &query).await?);
        eve.begin_login(b).await?;
        println!("   with her own cookie: {}", eve.refused(b, &query).await?);
        is("codes exchanged", &self.codes(), "3")?;
        is(
            "Dan comes second; B says",
            &dan.come_back(b, &query).await?.1,
            "logged in",
        )?;
        is("the API takes him for", &dan.subject(a).await?, "dan")
    }

    async fn refuse_the_late(&self, a: &Replica) -> Outcome<()> {
        println!("\n4. Fred begins a login and comes back eleven minutes later, by the clock of replica C.");
        let (fred, late) = (Browser::of("fred")?, self.replica(660)?);
        let query = fred.begin_login(a).await?;
        println!("   C refuses: {}", fred.refused(&late, &query).await?);
        is("codes exchanged", &self.codes(), "4")
    }

    async fn refresh(&self, ana: &Browser, a: &Arc<Replica>, b: &Arc<Replica>) -> Outcome<()> {
        println!("\n5. The API takes no old token any more; Ana has {REQUESTS} requests under way on each replica.");
        self.authorization.expire_access_tokens();
        let requests: Vec<_> = (0..REQUESTS)
            .flat_map(|_| [a.clone(), b.clone()])
            .map(|replica| {
                let ana = ana.clone();
                tokio::spawn(async move { ana.subject(&replica).await })
            })
            .collect();
        let mut answered = 0;
        for request in requests {
            answered += usize::from(request.await?? == "ana");
        }
        is("requests answered", &answered.to_string(), &(2 * REQUESTS).to_string())?;
        let refreshes = self.authorization.counters().requests_of("refresh_token");
        is("refresh requests", &refreshes.to_string(), "1")
    }

    async fn restart(&self, ana: &Browser, replicas: [Arc<Replica>; 2]) -> Outcome<()> {
        println!("\n6. Both replicas end; another one starts.");
        drop(replicas);
        is("the API takes Ana for", &ana.subject(&self.replica(0)?).await?, "ana")
    }

    fn account(&self) -> Outcome<()> {
        let counters = self.authorization.counters();
        println!("\n7. The authorization server's account:");
        is("codes exchanged", &self.codes(), "4")?;
        is("all token requests", &counters.token_requests.to_string(), "5")?;
        is("refresh tokens spent twice", &counters.double_spends.to_string(), "0")?;
        is("logins lost", &counters.logins_lost.to_string(), "0")
    }

    fn codes(&self) -> String {
        let counters = self.authorization.counters();
        counters.requests_of("authorization_code").to_string()
    }
}

/// A replica of the application: this program again.
pub(crate) struct Replica {
    process: Child,
    port: u16,
}

impl Replica {
    fn start(command: &mut Command) -> Outcome<Self> {
        let process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut replica = Self { process, port: 0 };
        let output = replica.process.stdout.take().ok_or("no output")?;
        let mut port = String::new();
        BufReader::new(output).read_line(&mut port)?;
        replica.port = port.trim().parse().map_err(|_| "a replica did not start")?;
        Ok(replica)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Prints what was found; an error if it is not as it should be.
fn is(what: &str, found: &str, wanted: &str) -> Outcome<()> {
    println!("   {what}: {found}");
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: {found}, not {wanted}").into())
}
