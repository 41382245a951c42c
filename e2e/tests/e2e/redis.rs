//! A fleet over Redis, and the command over a server that is not there.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::{Redis, free_port};

use crate::command::{Home, LIMIT, finish};
use crate::kills::STAGE;

const PROCESSES: usize = 32;

#[test]
fn thirty_two_processes_on_a_cold_cache_make_one_token_request() {
    let _stage = STAGE.blocking_lock();
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .latency(Duration::from_millis(50))
        .start()
        .unwrap();
    let redis = Redis::start().unwrap();
    let home = tempfile::tempdir().unwrap();
    let service = |_| {
        ProcessBuilder::new(env!("CARGO_BIN_EXE_service"))
            .env("HOME", home.path())
            .env("SERVICE_STORE", redis.url())
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
fn a_server_that_is_not_there_is_a_failure_of_the_store() {
    let home = Home::new();
    let place = format!("127.0.0.1:{}", free_port().unwrap());
    for arguments in [["token"].as_slice(), &["store", "check"]] {
        let begun = Instant::now();
        let url = format!("redis://app:canary@{place}");
        let output = finish(home.command(arguments).env("TOKENKEEP_STORE", url));
        assert_eq!(output.code(), Some(6), "{}", output.stderr());
        assert!(output.stderr().contains(&place), "{}", output.stderr());
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_password_in_an_argument_is_refused_and_one_in_the_environment_works() {
    let redis = Redis::builder().password("canary").start().unwrap();
    let home = Home::new();
    let in_url = format!("redis://:canary@{}", redis.address());
    let output = finish(home.command(&["store", "check", "--store", &in_url]));
    assert_eq!(output.code(), Some(2), "{}", output.stderr());
    let url = redis.url();
    let check = || home.command(&["store", "check", "--store", &url]);
    assert_eq!(finish(check()).code(), Some(6));
    let output = finish(check().env("TOKENKEEP_REDIS_PASSWORD", "canary"));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert!(!format!("{}{}", output.stdout(), output.stderr()).contains("canary"));
}
