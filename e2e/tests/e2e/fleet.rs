//! Many processes of a service that want a token of their own from a store with nothing in it; and the command
//! over a server that is not there.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::{Memcached, Redis};

use crate::command::{Home, LIMIT, binary, finish, patient};
use crate::kills::STAGE;

const PROCESSES: usize = 32;

/// No other test is given this port.
const NOBODY_LISTENS: &str = "127.0.0.1:1";

/// Less than the 30 seconds that the driver of MongoDB would take by itself, and all that a busy machine may need.
const SECONDS: Duration = Duration::from_secs(25);

#[test]
fn a_cold_cache_in_redis_costs_one_token_request() {
    let redis = Redis::start().unwrap();
    make_one_token_request(&patient(&redis.url()));
}

#[test]
fn a_cold_cache_in_memcached_costs_one_token_request() {
    let nodes = [Memcached::start().unwrap(), Memcached::start().unwrap()];
    make_one_token_request(&patient(&format!(
        "memcached://{},{}",
        nodes[0].address(),
        nodes[1].address()
    )));
}

fn make_one_token_request(store: &str) {
    let _stage = STAGE.blocking_lock();
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .latency(Duration::from_millis(50))
        .start()
        .unwrap();
    let home = Home::new();
    let service = |_| {
        ProcessBuilder::new(env!("CARGO_BIN_EXE_service"))
            .env("HOME", home.folder())
            .env("SERVICE_STORE", store)
            .env("SERVICE_TOKEN_ENDPOINT", server.token_endpoint())
    };
    let outputs = run_many(PROCESSES, LIMIT, service).unwrap();
    let tokens: HashSet<String> = outputs
        .iter()
        .map(|output| {
            assert_eq!(output.code(), Some(0), "{}", output.stderr());
            output.stdout()
        })
        .collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    assert_eq!(server.counters().token_requests, 1);
}

#[test]
fn a_redis_that_is_not_there_is_a_failure_of_the_store() {
    is_a_failure_of_the_store(&format!("redis://app:canary@{NOBODY_LISTENS}"), NOBODY_LISTENS);
}

#[test]
fn a_memcached_that_is_not_there_is_a_failure_of_the_store() {
    is_a_failure_of_the_store(&format!("memcached://{NOBODY_LISTENS}"), NOBODY_LISTENS);
}

#[test]
fn a_mongodb_that_is_not_there_is_a_failure_of_the_store() {
    let url = format!("mongodb://app:canary@{NOBODY_LISTENS}");
    is_a_failure_of_the_store(&url, "mongodb store");
}

/// Within seconds, and it says this, but no password.
fn is_a_failure_of_the_store(url: &str, said: &str) {
    // Built before the time is taken.
    binary();
    let home = Home::new();
    // Memcached can't list, there or not.
    let listing = if url.starts_with("memcached:") {
        "token"
    } else {
        "status"
    };
    for arguments in [["token"].as_slice(), &[listing], &["store", "check"]] {
        let begun = Instant::now();
        let output = finish(home.command(arguments).env("TOKENKEEP_STORE", url));
        assert_eq!(output.code(), Some(6), "{}", output.stderr());
        assert!(output.stderr().contains(said), "{}", output.stderr());
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
        assert!(begun.elapsed() < SECONDS, "{:?}", begun.elapsed());
    }
}
