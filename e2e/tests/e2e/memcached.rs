//! A fleet over Memcached, and the command over a node that is not there.

use std::collections::HashSet;
use std::time::Duration;

use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::{Memcached, free_port};

use crate::command::{Home, LIMIT};

const PROCESSES: usize = 32;

#[test]
fn thirty_two_processes_on_a_cold_cache_make_one_token_request() {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .latency(Duration::from_millis(50))
        .start()
        .unwrap();
    let nodes = [Memcached::start().unwrap(), Memcached::start().unwrap()];
    let url = format!("memcached://{},{}", nodes[0].address(), nodes[1].address());
    let home = Home::new();
    let service = |_| {
        ProcessBuilder::new(env!("CARGO_BIN_EXE_service"))
            .env("HOME", home.folder())
            .env("SERVICE_STORE", &url)
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
fn a_node_that_is_not_there_is_a_failure_of_the_store() {
    let home = Home::new();
    let node = format!("127.0.0.1:{}", free_port().unwrap());
    for arguments in [["token"].as_slice(), &["store", "check"]] {
        let command = home.command(arguments);
        let output = crate::command::finish(command.env("TOKENKEEP_STORE", format!("memcached://{node}")));
        assert_eq!(output.code(), Some(6), "{}", output.stderr());
        assert!(output.stderr().contains(&node), "{}", output.stderr());
    }
}
