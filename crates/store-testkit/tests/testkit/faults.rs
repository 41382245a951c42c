use std::collections::HashSet;
use std::io::Read;
use std::time::{Duration, Instant};

use store_testkit::server::{
    AuthorizationServer, BadAnswer, Client, Endpoint, Fault, Gate, Meaning, RefreshTokenState,
};

use crate::http::{FORM, call_api, form, get, open, refresh, refresh_body};

const LIMIT: Duration = Duration::from_secs(120);

fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::public("app"))
        .client(Client::confidential("machine", "secret"))
        .start()
        .unwrap()
}

#[test]
fn a_lost_answer_has_really_spent_the_refresh_token() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::drop_after_handling());
    assert!(refresh(&server, &login.refresh_token).is_broken());
    assert_eq!(
        server.refresh_token_state(&login.refresh_token),
        Some(RefreshTokenState::Spent)
    );
    assert_eq!(server.counters().refreshes_granted, 1);
    assert_eq!(refresh(&server, &login.refresh_token).status(), 400);
    assert_eq!(server.counters().logins_lost, 1);
}

#[test]
fn a_request_dropped_before_handling_has_spent_nothing() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::drop_before_handling());
    assert!(refresh(&server, &login.refresh_token).is_broken());
    assert_eq!(
        server.refresh_token_state(&login.refresh_token),
        Some(RefreshTokenState::Live)
    );
    assert_eq!(refresh(&server, &login.refresh_token).status(), 200);
    let counters = server.counters();
    assert_eq!(counters.token_requests, 2);
    assert_eq!(counters.refreshes_granted, 1);
    assert_eq!(counters.faults_applied, 1);
}

#[test]
fn a_cut_answer_is_committed_and_breaks_off_where_told() {
    for sent in [0, 1, 20, 100_000] {
        let server = server();
        let login = server.log_in("app", "");
        server.inject(Fault::cut_answer(sent));
        let crate::http::Reply::Broken { received } = refresh(&server, &login.refresh_token) else {
            panic!("the answer was whole");
        };
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(body.len() <= sent);
        assert!(sent > 20 || body.len() == sent);
        assert_eq!(
            server.refresh_token_state(&login.refresh_token),
            Some(RefreshTokenState::Spent)
        );
    }
}

#[test]
fn a_given_answer_replaces_handling_as_often_as_told() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::answer(429).header("retry-after", "7").times(2));
    server.inject(Fault::answer(503).header("content-type", "text/html").body("<html>"));
    for _ in 0..2 {
        let reply = refresh(&server, &login.refresh_token);
        assert_eq!(reply.status(), 429);
        assert_eq!(reply.header("retry-after").as_deref(), Some("7"));
    }
    let reply = refresh(&server, &login.refresh_token);
    assert_eq!((reply.status(), reply.body()), (503, "<html>"));
    assert_eq!(refresh(&server, &login.refresh_token).status(), 200);
}

#[test]
fn a_given_answer_after_handling_hides_the_commit() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::answer(502).after_handling());
    assert_eq!(refresh(&server, &login.refresh_token).status(), 502);
    assert_eq!(
        server.refresh_token_state(&login.refresh_token),
        Some(RefreshTokenState::Spent)
    );
}

#[test]
fn faults_wait_for_their_endpoint_and_grant_type() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::answer(500).at(Endpoint::Api));
    server.inject(Fault::answer(501).at(Endpoint::Discovery));
    server.inject(Fault::answer(503).grant_type("refresh_token"));
    let machine = "grant_type=client_credentials&client_id=machine&client_secret=secret";
    assert_eq!(form(&server, "/token", machine).status(), 200);
    assert_eq!(refresh(&server, &login.refresh_token).status(), 503);
    assert_eq!(call_api(&server, &login.access_token).status(), 500);
    assert_eq!(call_api(&server, &login.access_token).status(), 200);
    assert_eq!(get(&server, "/.well-known/openid-configuration").status(), 501);
    assert_eq!(server.counters().faults_applied, 3);
}

#[test]
fn a_redirect_names_its_target_and_spends_nothing() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::redirect(307, "http://127.0.0.1:9/elsewhere"));
    let reply = refresh(&server, &login.refresh_token);
    assert_eq!(reply.status(), 307);
    assert_eq!(
        reply.header("location").as_deref(),
        Some("http://127.0.0.1:9/elsewhere")
    );
    assert_eq!(refresh(&server, &login.refresh_token).status(), 200);
}

#[test]
fn an_endless_answer_goes_on_until_the_client_hangs_up() {
    let server = server();
    let login = server.log_in("app", "");
    server.inject(Fault::endless_answer());
    let body = refresh_body(&login.refresh_token);
    let mut stream = open(&server, "POST", "/token", &[FORM], &body);
    let mut sink = vec![0; 4 * 1024 * 1024];
    stream.read_exact(&mut sink).unwrap();
}

#[test]
fn delays_hold_the_answer_back() {
    let server = server();
    let login = server.log_in("app", "");
    let delay = Duration::from_millis(30);
    server.inject(Fault::none().delay_before(delay).delay_after(delay));
    let started = Instant::now();
    assert_eq!(refresh(&server, &login.refresh_token).status(), 200);
    assert!(started.elapsed() >= 2 * delay);
}

#[test]
fn a_gate_holds_the_answer_with_the_spending_committed() {
    let server = server();
    let login = server.log_in("app", "");
    let gate = Gate::new();
    server.inject(Fault::none().hold_after(&gate));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| refresh(&server, &login.refresh_token));
        assert!(server.wait_for_token_requests_blocking(1, LIMIT));
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        assert_eq!(
            server.refresh_token_state(&login.refresh_token),
            Some(RefreshTokenState::Spent)
        );
        assert!(!held.is_finished());
        gate.release();
        assert_eq!(held.join().unwrap().status(), 200);
    });
}

#[tokio::test]
async fn a_gate_holds_a_request_before_anything_is_spent() {
    let server = server();
    let login = server.log_in("app", "");
    let gate = Gate::new();
    server.inject(Fault::none().hold_before(&gate));
    let stream = open(&server, "POST", "/token", &[FORM], &refresh_body(&login.refresh_token));
    server.wait_for_token_requests(1).await;
    gate.wait_for_arrivals(1).await;
    assert_eq!(
        server.refresh_token_state(&login.refresh_token),
        Some(RefreshTokenState::Live)
    );
    // The client goes away; the server has the request all the same.
    drop(stream);
    gate.release();
    let end = Instant::now() + LIMIT;
    while server.refresh_token_state(&login.refresh_token) == Some(RefreshTokenState::Live) {
        assert!(Instant::now() < end, "the request was forgotten");
        tokio::task::yield_now().await;
    }
}

#[test]
fn waiting_for_requests_that_never_come_ends() {
    let server = server();
    assert!(!server.wait_for_token_requests_blocking(1, Duration::from_millis(5)));
}

#[test]
fn a_stopped_server_is_gone_even_with_requests_held() {
    let server = server();
    let login = server.log_in("app", "");
    let gate = Gate::new();
    server.inject(Fault::none().hold_before(&gate));
    let body = refresh_body(&login.refresh_token);
    let mut stream = open(&server, "POST", "/token", &[FORM], &body);
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    let address = server.issuer().replace("http://", "");
    drop(server);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty());
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn raw_bytes_are_sent_as_they_are_with_the_request_handled_or_not() {
    let raw = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nno end";
    for (fault, state) in [
        (Fault::raw(raw), RefreshTokenState::Live),
        (Fault::raw(raw).after_handling(), RefreshTokenState::Spent),
        (Fault::drop_before_handling().after_handling(), RefreshTokenState::Spent),
    ] {
        let server = server();
        let login = server.log_in("app", "");
        server.inject(fault.clone());
        let crate::http::Reply::Broken { received } = refresh(&server, &login.refresh_token) else {
            panic!("the answer was whole");
        };
        assert!(received == raw || received.is_empty(), "{received:?}");
        assert_eq!(server.refresh_token_state(&login.refresh_token), Some(state));
        assert_eq!(server.counters().connections, 1);
    }
}

#[test]
fn each_bad_answer_has_a_name_of_its_own_and_a_refusal_spends_nothing() {
    let table = BadAnswer::table();
    let names: HashSet<&str> = table.iter().map(|bad| bad.name).collect();
    assert_eq!(names.len(), table.len());
    let server = server();
    for bad in table {
        let Meaning::Refused { status, .. } = bad.meaning else {
            continue;
        };
        let login = server.log_in("app", "");
        server.inject(bad.fault);
        assert_eq!(refresh(&server, &login.refresh_token).status(), status, "{}", bad.name);
        assert_eq!(refresh(&server, &login.refresh_token).status(), 200, "{}", bad.name);
    }
}
