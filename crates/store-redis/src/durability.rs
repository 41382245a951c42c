//! What a record survives: asked of the servers, never assumed.

use auth_core::store::Persistence;
use redis::{Cmd, Value};

use crate::config::RedisOptions;
use crate::error::Fault;
use crate::link::{Failed, Link, Primary};

/// What the servers promise together: the weakest primary counts.
pub(crate) async fn find(link: &Link, options: &RedisOptions, place: &str) -> Result<Finding, Fault> {
    let failed = |failed: Failed| Fault::of(&failed, place, false);
    let mut weakest: Option<Finding> = None;
    for primary in link.primaries().await.map_err(failed)? {
        let state = State::read(link, primary).await.map_err(failed)?;
        let finding = state.judged(link.fails_over(), options);
        if weakest
            .as_ref()
            .is_none_or(|weakest| finding.persistence < weakest.persistence)
        {
            weakest = Some(finding);
        }
    }
    Ok(weakest.unwrap_or_else(|| Finding::new(Persistence::UntilRestart, "no primary was found")))
}

/// What one server says of itself; `None` where it may not be asked.
#[derive(Debug, Default)]
struct State {
    append_only: Option<bool>,
    fsync: Option<String>,
    eviction: Option<String>,
    memory_limit: Option<u64>,
    replicas: Option<u32>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) persistence: Persistence,
    /// Why it is not more, and what to do.
    pub(crate) reason: Option<String>,
}

impl State {
    async fn read(link: &Link, primary: Primary) -> Result<Self, Failed> {
        let persistence = info(link, primary, "persistence").await?;
        let memory = info(link, primary, "memory").await?;
        let replication = info(link, primary, "replication").await?;
        Ok(Self {
            append_only: field(&persistence, "aof_enabled").map(|enabled| enabled == "1"),
            fsync: setting(link, primary, "appendfsync").await?,
            eviction: field(&memory, "maxmemory_policy").map(str::to_owned),
            memory_limit: field(&memory, "maxmemory").and_then(|bytes| bytes.parse().ok()),
            replicas: field(&replication, "connected_slaves").and_then(|count| count.parse().ok()),
        })
    }

    fn judged(&self, fails_over: bool, options: &RedisOptions) -> Finding {
        let policy = self.eviction.as_deref().unwrap_or("noeviction");
        let limited = self.memory_limit.is_none_or(|bytes| bytes > 0);
        if policy.starts_with("allkeys") && limited {
            let reason = format!(
                "its maxmemory-policy is {policy}, so it drops records to make room; CONFIG SET maxmemory-policy noeviction"
            );
            return Finding::new(Persistence::Evictable, &reason);
        }
        if options.wait_replicas > 0 {
            return Finding {
                persistence: Persistence::DurableReplicated,
                reason: None,
            };
        }
        let replicas = self.replicas.unwrap_or(0);
        let until_restart = |reason: &str| Finding::new(Persistence::UntilRestart, reason);
        if fails_over && replicas > 0 {
            return until_restart(
                "a fail-over may lose the last writes, as nobody waits for replicas; add wait_replicas=1",
            );
        }
        match (self.append_only, self.fsync.as_deref()) {
            (Some(true), Some("always")) => Finding {
                persistence: Persistence::DurableNode,
                reason: None,
            },
            (Some(true), Some(other)) => until_restart(&format!(
                "its appendfsync is {other}, so loss of power costs the last second or more; CONFIG SET appendfsync always"
            )),
            (Some(true), None) => until_restart(
                "this user may not ask for its appendfsync; allow +config|get, or say durability=node if it is always",
            ),
            (Some(false), _) => {
                until_restart("its append-only file is off; CONFIG SET appendonly yes and appendfsync always")
            }
            (None, _) => until_restart(
                "this user may not ask how it persists; allow +info and +config|get, or say durability= by what is so",
            ),
        }
    }
}

impl Finding {
    fn new(persistence: Persistence, reason: &str) -> Self {
        Self {
            persistence,
            reason: Some(reason.to_owned()),
        }
    }
}

async fn info(link: &Link, primary: Primary, section: &str) -> Result<String, Failed> {
    let mut info = redis::cmd("INFO");
    info.arg(section);
    Ok(asked(link, primary, &info)
        .await?
        .and_then(|answer| redis::from_redis_value(answer).ok())
        .unwrap_or_default())
}

async fn setting(link: &Link, primary: Primary, name: &str) -> Result<Option<String>, Failed> {
    let mut get = redis::cmd("CONFIG");
    get.arg("GET").arg(name);
    let answer = asked(link, primary, &get).await?;
    let pair: Option<Vec<String>> = answer.and_then(|answer| redis::from_redis_value(answer).ok());
    Ok(pair.and_then(|pair| pair.into_iter().nth(1)))
}

/// The answer, or nothing where the server refuses it: a user may lack the permission, a service may have
/// taken the command away.
async fn asked(link: &Link, primary: Primary, command: &Cmd) -> Result<Option<Value>, Failed> {
    match link.read_from(primary, command).await {
        Ok(answer) => Ok(Some(answer)),
        Err(failed) if failed.is_not_permitted() => Ok(None),
        Err(failed) => Err(failed),
    }
}

fn field<'i>(info: &'i str, name: &str) -> Option<&'i str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn durable() -> State {
        State {
            append_only: Some(true),
            fsync: Some("always".into()),
            eviction: Some("noeviction".into()),
            memory_limit: Some(0),
            replicas: Some(0),
        }
    }

    #[test]
    fn only_a_synced_file_is_durable() {
        assert_eq!(
            durable().judged(false, &RedisOptions::new()).persistence,
            Persistence::DurableNode
        );
        for (state, word) in [
            (
                State {
                    append_only: Some(false),
                    ..durable()
                },
                "appendonly",
            ),
            (
                State {
                    append_only: None,
                    ..durable()
                },
                "+info",
            ),
            (
                State {
                    fsync: Some("everysec".into()),
                    ..durable()
                },
                "everysec",
            ),
            (
                State {
                    fsync: None,
                    ..durable()
                },
                "+config|get",
            ),
        ] {
            let finding = state.judged(false, &RedisOptions::new());
            assert_eq!(finding.persistence, Persistence::UntilRestart);
            assert!(finding.reason.as_ref().unwrap().contains(word), "{finding:?}");
        }
    }

    #[test]
    fn a_fail_over_needs_replicas_that_are_waited_for() {
        let replicated = State {
            replicas: Some(1),
            ..durable()
        };
        let alone = RedisOptions::new();
        assert_eq!(replicated.judged(true, &alone).persistence, Persistence::UntilRestart);
        assert_eq!(replicated.judged(false, &alone).persistence, Persistence::DurableNode);
        let waiting = RedisOptions::new().wait_replicas(1);
        assert_eq!(
            replicated.judged(true, &waiting).persistence,
            Persistence::DurableReplicated
        );
    }

    #[test]
    fn a_server_that_makes_room_promises_nothing() {
        let evicting = |policy: &str, limit| State {
            eviction: Some(policy.into()),
            memory_limit: Some(limit),
            ..durable()
        };
        let found = |state: State| state.judged(false, &RedisOptions::new().wait_replicas(1)).persistence;
        assert_eq!(found(evicting("allkeys-lru", 1)), Persistence::Evictable);
        assert_eq!(found(evicting("allkeys-lru", 0)), Persistence::DurableReplicated);
        assert_eq!(found(evicting("volatile-lru", 1)), Persistence::DurableReplicated);
    }

    #[test]
    fn fields_of_info_are_found() {
        let info = "# Memory\r\nmaxmemory_policy:noeviction\r\nmaxmemory:0\r\n";
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "aof_enabled"), None);
    }
}
