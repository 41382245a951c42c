//! Two memcached nodes.

use test_services::{Memcached, ServiceError};

use super::Service;
use crate::run::Failure;

const ONE: &str = "TOKENKEEP_TEST_MEMCACHED_URL";
const BOTH: &str = "TOKENKEEP_TEST_MEMCACHED_NODES_URL";

/// Two nodes, or the servers that the variables named before.
#[derive(Debug)]
pub(crate) struct MemcachedNodes {
    nodes: Vec<Memcached>,
    environment: Vec<(&'static str, String)>,
}

impl MemcachedNodes {
    /// Starts them, unless both variables are set: then those servers are the ones.
    pub(crate) fn start() -> Result<Self, Failure> {
        let given: Vec<_> = [ONE, BOTH]
            .into_iter()
            .filter_map(|name| Some((name, std::env::var(name).ok()?)))
            .collect();
        if given.len() == 2 {
            return Ok(Self {
                nodes: Vec::new(),
                environment: given,
            });
        }
        if let [(name, _)] = given.as_slice() {
            return Err(Failure(format!("{name} is set; set both {ONE} and {BOTH}, or none")));
        }
        let nodes = [start_node()?, start_node()?];
        let address = |at: usize| nodes[at].address();
        let environment = vec![
            (ONE, format!("memcached://{}", address(0))),
            (BOTH, format!("memcached://{},{}", address(0), address(1))),
        ];
        Ok(Self {
            nodes: nodes.into(),
            environment,
        })
    }
}

impl Service for MemcachedNodes {
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment.clone()
    }

    fn wait(&mut self) -> Result<(), Failure> {
        match self.nodes.first_mut() {
            Some(node) => Err(failure(&node.wait())),
            None => Ok(()),
        }
    }
}

fn start_node() -> Result<Memcached, Failure> {
    Memcached::start().map_err(|error| failure(&error))
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
