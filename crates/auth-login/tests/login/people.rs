//! Logins as they should go.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use auth_core::Profile;
use auth_core::clock::ManualClock;
use auth_login::{ListenError, Listener, ListenerConfig, LoginError};
use store_testkit::server::{Fault, Gate};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;

use crate::setup::{Bench, address_of, assert_closed, browse, get, state_of};

const MINUTE: Duration = Duration::from_secs(60);

/// Listens there, by a clock that stands.
fn listening(addresses: &[&str]) -> ListenerConfig {
    let config = ListenerConfig::default().clock(ManualClock::default());
    addresses.iter().fold(config, |config, address| {
        config.address(address.parse().unwrap()).unwrap()
    })
}

/// A port that nobody else is given, in either family: bound, and not listened on. Who names it can listen there.
struct Reserved {
    port: u16,
    _held: [TcpSocket; 2],
}

impl Reserved {
    fn new() -> Self {
        loop {
            let held = [TcpSocket::new_v4().unwrap(), TcpSocket::new_v6().unwrap()];
            for socket in &held {
                socket.set_reuseaddr(true).unwrap();
            }
            held[0].bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let port = held[0].local_addr().unwrap().port();
            // Where somebody has it in the other family: the next one.
            if held[1].bind((Ipv6Addr::LOCALHOST, port).into()).is_ok() {
                return Self { port, _held: held };
            }
        }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

#[tokio::test]
async fn from_the_first_click_to_a_page_without_the_code() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    assert!(begun.redirect_uri().starts_with("http://127.0.0.1:"));
    let login = bench.finish(begun);
    let answers = browse(url.as_str()).await;
    let token = login.await.unwrap().unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [302, 303, 200]);
    let page = answers.last().unwrap();
    assert_eq!((page.url.path(), page.url.query()), ("/done", None));
    for text in [
        "You are logged in",
        "Profile: default",
        &bench.server.issuer(),
        "go back to your terminal",
    ] {
        assert!(page.body.contains(text), "{text}");
    }
    assert_closed(address).await;
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (url, redirect_uri) = (begun.url().clone(), begun.redirect_uri().to_owned());
    let login = bench.finish(begun);
    let mut answers = vec![get(&redirect_uri).await, get(&format!("{redirect_uri}/x")).await];
    answers.extend(browse(url.as_str()).await.into_iter().skip(1));
    login.await.unwrap().unwrap();
    assert_eq!(answers.len(), 4);
    for answer in answers {
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn over_ipv6() {
    let bench = Bench::new();
    let begun = bench.login().listener(listening(&["[::1]:0"])).begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    assert!(begun.redirect_uri().starts_with("http://[::1]:"));
    let login = bench.finish(begun);
    assert_eq!(browse(url.as_str()).await.last().unwrap().url.path(), "/done");
    login.await.unwrap().unwrap();
    assert_closed(address).await;
}

#[tokio::test]
async fn both_families_answer_at_the_same_port() {
    let (bench, reserved) = (Bench::new(), Reserved::new());
    let begun = bench
        .login()
        .listener(listening(&[&reserved.address()]).path("/").unwrap())
        .begin()
        .await
        .unwrap();
    let (url, redirect_uri) = (begun.url().clone(), begun.redirect_uri().to_owned());
    let login = bench.finish(begun);
    let answer = get(url.as_str()).await;
    let location = answer.header("location").unwrap();
    assert!(redirect_uri.ends_with('/') && location.starts_with(&redirect_uri));
    let elsewhere = location.replacen("127.0.0.1", "[::1]", 1);
    assert_eq!(browse(&elsewhere).await.last().unwrap().url.path(), "/done");
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_next_of_the_list_where_a_port_is_taken() {
    let reserved = Reserved::new();
    let holder = TcpListener::bind(reserved.address()).await.unwrap();
    let taken: SocketAddr = holder.local_addr().unwrap();
    let error = Listener::bind(&listening(&[&taken.to_string()])).await.unwrap_err();
    assert!(matches!(error, ListenError::Taken(_)));
    assert_eq!(
        error.to_string(),
        format!("none of the addresses can be listened on: {taken} (address in use)")
    );
    let listener = Listener::bind(&listening(&[&taken.to_string(), "127.0.0.1:0"]))
        .await
        .unwrap();
    assert!(!listener.redirect_uri().contains(&taken.to_string()));
    drop(holder);
    let listener = Listener::bind(&listening(&[&taken.to_string()])).await.unwrap();
    assert!(listener.redirect_uri().starts_with(&format!("http://{taken}/")));
}

#[tokio::test]
async fn two_logins_at_once_get_their_own() {
    let bench = Bench::new();
    let mut logins = Vec::new();
    for name in ["alice", "bob"] {
        let begun = bench.login().begin().await.unwrap();
        let mut url = begun.url().clone();
        url.query_pairs_mut().append_pair("login_hint", name);
        let redirect_uri = begun.redirect_uri().to_owned();
        logins.push((url, redirect_uri, bench.finish_as(begun, Profile::new(name).unwrap())));
    }
    // The answer of the one is brought to the other first.
    let lost = get(logins[0].0.as_str()).await;
    let query = lost.header("location").unwrap().split_once('?').unwrap().1;
    assert_eq!(get(&format!("{}?{query}", logins[1].1)).await.status, 400);
    for (url, _, login) in logins {
        assert_eq!(browse(url.as_str()).await.last().unwrap().url.path(), "/done");
        let token = login.await.unwrap().unwrap();
        let api = api_answer(&bench, token.secret().expose()).await;
        let name = url
            .query_pairs()
            .find(|(name, _)| name == "login_hint")
            .unwrap()
            .1
            .into_owned();
        assert!(api.contains(&name), "{api}");
    }
}

/// What the API says of the token.
async fn api_answer(bench: &Bench, token: &str) -> String {
    let url: url::Url = bench.server.api_url().parse().unwrap();
    let address = url.socket_addrs(|| None).unwrap()[0];
    let request = format!("GET /api HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n");
    crate::setup::send(address, &request).await
}

#[tokio::test]
async fn nobody_comes() {
    let bench = Bench::new();
    let clock = ManualClock::default();
    let begun = bench.login().clock(clock.clone()).begin().await.unwrap();
    let address = address_of(&begun);
    let login = bench.finish(begun);
    while clock.sleepers() == 0 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(179));
    tokio::task::yield_now().await;
    assert!(!login.is_finished());
    clock.advance(Duration::from_secs(1));
    let error = login.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LoginError::TimedOut(limit) if limit == 3 * MINUTE),
        "{error}"
    );
    assert_closed(address).await;
    assert_eq!(bench.server.counters().token_requests, 0);
}

#[tokio::test]
async fn a_paste_may_come_first() {
    let bench = Bench::new();
    let (lines, pasted) = mpsc::channel(4);
    let begun = bench.login().pasted(pasted).begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let answer = get(url.as_str()).await.header("location").unwrap().to_owned();
    let login = bench.finish(begun);
    lines.send("two words".into()).await.unwrap();
    lines.send("http://127.0.0.1/?code=x&state=other".into()).await.unwrap();
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_before(&gate));
    lines.send(answer.as_str().into()).await.unwrap();
    gate.wait_for_arrivals(1).await;
    assert_eq!(get(&answer).await.status, 410);
    gate.release();
    let token = login.await.unwrap().unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    let notices = bench.notices();
    assert_eq!(notices.len(), 2, "{notices:?}");
    assert_closed(address).await;
}

#[tokio::test]
async fn where_nothing_is_pasted_the_browser_is_waited_for() {
    let bench = Bench::new();
    let (lines, pasted) = mpsc::channel(1);
    drop(lines);
    let begun = bench.login().pasted(pasted).begin().await.unwrap();
    let url = begun.url().clone();
    let login = bench.finish(begun);
    browse(url.as_str()).await;
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn success_is_said_after_the_exchange_and_once() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_before(&gate));
    let begun = bench.login().begin().await.unwrap();
    let redirect_uri = begun.redirect_uri().to_owned();
    let (url, state) = (begun.url().clone(), state_of(&begun));
    let login = bench.finish(begun);
    let browser = tokio::spawn(async move { browse(url.as_str()).await });
    gate.wait_for_arrivals(1).await;
    assert!(!browser.is_finished());
    let done = redirect_uri.rsplit_once('/').unwrap().0.to_owned() + "/done";
    assert_eq!(get(&done).await.status, 404);
    let second = get(&format!("{redirect_uri}?code=x&state={state}")).await;
    assert_eq!(second.status, 410);
    assert!(second.body.contains("Already used"));
    gate.release();
    assert_eq!(browser.await.unwrap().last().unwrap().url.path(), "/done");
    login.await.unwrap().unwrap();
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn a_browser_is_not_held_for_ever() {
    let bench = Bench::new();
    let (gate, clock) = (Gate::new(), ManualClock::default());
    bench.server.inject(Fault::none().hold_before(&gate));
    let begun = bench.login().clock(clock.clone()).begin().await.unwrap();
    let (url, redirect_uri) = (begun.url().clone(), begun.redirect_uri().to_owned());
    let login = bench.finish(begun);
    let browser = tokio::spawn(async move { browse(url.as_str()).await });
    gate.wait_for_arrivals(1).await;
    // Longer than a silent connection may stay.
    clock.advance(Duration::from_secs(11));
    assert_eq!(get(&redirect_uri).await.status, 410);
    assert!(!browser.is_finished());
    clock.advance(Duration::from_secs(19));
    let answers = browser.await.unwrap();
    assert_eq!(answers.last().unwrap().url.path(), "/unfinished");
    assert!(answers.last().unwrap().body.contains("your terminal shows how it ends"));
    gate.release();
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_last_page_waits_six_seconds_to_be_fetched() {
    let (bench, clock) = (Bench::new(), ManualClock::default());
    let begun = bench.login().clock(clock.clone()).begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let login = bench.finish(begun);
    let location = get(url.as_str()).await.header("location").unwrap().to_owned();
    let led = get(&location).await;
    assert_eq!((led.status, led.header("location")), (303, Some("/done")));
    // Who was led there does not go.
    clock.advance(Duration::from_millis(5_999));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!login.is_finished());
    clock.advance(Duration::from_millis(1));
    login.await.unwrap().unwrap();
    assert_closed(address).await;
}

#[tokio::test]
async fn a_browser_that_has_gone_holds_nothing_up() {
    let bench = Bench::new();
    // This clock never moves: whoever waits for the browser waits for ever.
    let begun = bench.login().clock(ManualClock::default()).begin().await.unwrap();
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_before(&gate));
    let url = begun.url().clone();
    let login = bench.finish(begun);
    let browser = tokio::spawn(async move { browse(url.as_str()).await });
    gate.wait_for_arrivals(1).await;
    browser.abort();
    assert!(browser.await.unwrap_err().is_cancelled());
    gate.release();
    login.await.unwrap().unwrap();
}
