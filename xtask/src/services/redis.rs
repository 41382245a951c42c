//! Redis: one server, a cluster, a primary with a replica and a sentinel, one with TLS and users.

use test_services::{Redis, RedisCluster, RedisSentinel, ServiceError};

use super::Service;
use crate::run::Failure;

const ONE: &str = "TOKENKEEP_TEST_REDIS_URL";
const CLUSTER: &str = "TOKENKEEP_TEST_REDIS_CLUSTER_URL";
const SENTINEL: &str = "TOKENKEEP_TEST_REDIS_SENTINEL_URL";
const TLS: &str = "TOKENKEEP_TEST_REDIS_TLS_URL";

/// The user of the server with TLS may do what the store needs.
const RULES: &str = "~test:* +info +config|get +eval +evalsha +hget +hmget +hset +exists +del +persist +pexpireat \
                     +set +get +pexpire +pttl +scan";
const PASSWORD: &str = "app-password";

/// The servers that no variable names yet.
#[derive(Debug)]
pub(crate) struct RedisServers {
    one: Option<Redis>,
    cluster: Option<RedisCluster>,
    sentinel: Option<RedisSentinel>,
    tls: Option<Redis>,
    environment: Vec<(&'static str, String)>,
}

impl RedisServers {
    /// Starts those that no variable names: a variable that is set stays.
    pub(crate) fn start() -> Result<Self, Failure> {
        let one = unless_set(ONE, Redis::start)?;
        let cluster = unless_set(CLUSTER, RedisCluster::start)?;
        let sentinel = unless_set(SENTINEL, RedisSentinel::start)?;
        let tls = unless_set(TLS, || Redis::builder().user("app", PASSWORD, RULES).tls().start())?;
        let mut environment = Vec::new();
        environment.extend(one.as_ref().map(|server| (ONE, server.url())));
        environment.extend(cluster.as_ref().map(|servers| (CLUSTER, servers.url())));
        environment.extend(sentinel.as_ref().map(|servers| (SENTINEL, servers.url())));
        if let Some(server) = &tls {
            environment.push((TLS, tls_url(server)?));
        }
        Ok(Self {
            one,
            cluster,
            sentinel,
            tls,
            environment,
        })
    }
}

impl Service for RedisServers {
    fn environment(&self) -> Vec<(&'static str, String)> {
        self.environment.clone()
    }

    fn wait(&mut self) -> Result<(), Failure> {
        let mut servers: Vec<&mut Redis> = self.one.iter_mut().chain(&mut self.tls).collect();
        servers.extend(self.cluster.iter_mut().flat_map(RedisCluster::nodes));
        servers.extend(self.sentinel.iter_mut().flat_map(RedisSentinel::servers));
        match servers.into_iter().next() {
            Some(server) => Err(failure(&server.wait())),
            None => Ok(()),
        }
    }
}

fn unless_set<T>(variable: &str, start: impl FnOnce() -> Result<T, ServiceError>) -> Result<Option<T>, Failure> {
    if std::env::var_os(variable).is_some() {
        return Ok(None);
    }
    start().map(Some).map_err(|error| failure(&error))
}

fn tls_url(server: &Redis) -> Result<String, Failure> {
    let password = server.folder().join("password");
    std::fs::write(&password, PASSWORD).map_err(|error| Failure(format!("no password file for redis: {error}")))?;
    let (Some(url), Some(files)) = (server.tls_url(), server.certificates()) else {
        return Err(Failure("redis was started without TLS".into()));
    };
    Ok(format!(
        "{url}?ca={}&cert={}&key={}&username=app&password_file={}",
        files.authority.display(),
        files.client.display(),
        files.client_key.display(),
        password.display()
    ))
}

fn failure(error: &ServiceError) -> Failure {
    Failure(error.to_string())
}
