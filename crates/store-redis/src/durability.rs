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
        weakest = Some(weakest.map_or(finding.clone(), |weakest| weakest.and(finding)));
    }
    Ok(weakest.unwrap_or_else(|| Finding::new(Persistence::UntilRestart, "no primary was found")))
}

/// What one server says of itself; `None` where it may not be asked.
#[derive(Debug, Default)]
struct State {
    append_only: Option<bool>,
    fsync: Option<String>,
    /// Whether it does not sync while it writes its file anew.
    unsynced_rewrites: Option<bool>,
    eviction: Option<String>,
    memory_limit: Option<u64>,
    replicas: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) persistence: Persistence,
    /// Why it is not more, and what to do.
    pub(crate) reason: Option<String>,
    /// To make room it may drop what has an end.
    pub(crate) drops_what_ends: bool,
}

impl State {
    async fn read(link: &Link, primary: Primary) -> Result<Self, Failed> {
        let persistence = info(link, primary, "persistence").await?;
        let memory = info(link, primary, "memory").await?;
        let replication = info(link, primary, "replication").await?;
        Ok(Self {
            append_only: field(&persistence, "aof_enabled").map(|enabled| enabled == "1"),
            fsync: setting(link, primary, "appendfsync").await?,
            unsynced_rewrites: setting(link, primary, "no-appendfsync-on-rewrite")
                .await?
                .map(|value| value == "yes"),
            eviction: field(&memory, "maxmemory_policy").map(str::to_owned),
            memory_limit: field(&memory, "maxmemory").and_then(|bytes| bytes.parse().ok()),
            replicas: field(&replication, "connected_slaves").and_then(|count| count.parse().ok()),
        })
    }

    fn judged(&self, fails_over: bool, options: &RedisOptions) -> Finding {
        let limited = self.memory_limit.is_none_or(|bytes| bytes > 0);
        let makes_room = limited && self.eviction.as_deref() != Some("noeviction");
        let kept = match self.eviction.as_deref() {
            Some(policy) if makes_room && policy.starts_with("allkeys") => Finding::new(
                Persistence::Evictable,
                &format!(
                    "its maxmemory-policy is {policy}, so it drops records to make room; CONFIG SET maxmemory-policy noeviction"
                ),
            ),
            None if makes_room => until_restart(
                "this user may not ask whether it drops records to make room; allow +info, or say durability= by what is so",
            ),
            _ if options.wait_replicas > 0 => self.with_replicas(options.wait_replicas),
            _ if fails_over && self.replicas.unwrap_or(0) > 0 => {
                until_restart("a fail-over may lose the last writes, as nobody waits for replicas; add wait_replicas=1")
            }
            _ => self.alone(),
        };
        Finding {
            drops_what_ends: makes_room,
            ..kept
        }
    }

    fn with_replicas(&self, wanted: u32) -> Finding {
        match self.replicas {
            Some(have) if have < wanted => until_restart(&format!(
                "it has {have} replicas of the {wanted} of wait_replicas=, so that no login can be saved for sure; add some, or ask for fewer"
            )),
            _ => Finding::full(Persistence::DurableReplicated),
        }
    }

    /// What the file of this one server keeps.
    fn alone(&self) -> Finding {
        match (self.append_only, self.fsync.as_deref()) {
            (Some(true), Some("always")) if self.unsynced_rewrites == Some(true) => until_restart(
                "its no-appendfsync-on-rewrite is yes, so loss of power may cost all since it began to write its file anew; CONFIG SET no-appendfsync-on-rewrite no",
            ),
            (Some(true), Some("always")) => Finding::full(Persistence::DurableNode),
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

fn until_restart(reason: &str) -> Finding {
    Finding::new(Persistence::UntilRestart, reason)
}

impl Finding {
    fn full(persistence: Persistence) -> Self {
        Self {
            persistence,
            reason: None,
            drops_what_ends: false,
        }
    }

    fn new(persistence: Persistence, reason: &str) -> Self {
        Self {
            reason: Some(reason.to_owned()),
            ..Self::full(persistence)
        }
    }

    /// What this server and another promise together.
    fn and(self, other: Self) -> Self {
        let drops_what_ends = self.drops_what_ends || other.drops_what_ends;
        let weaker = if other.persistence < self.persistence {
            other
        } else {
            self
        };
        Self {
            drops_what_ends,
            ..weaker
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
            unsynced_rewrites: Some(false),
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
            (
                State {
                    unsynced_rewrites: Some(true),
                    ..durable()
                },
                "no-appendfsync-on-rewrite",
            ),
            (
                State {
                    eviction: None,
                    memory_limit: None,
                    ..durable()
                },
                "+info",
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
    fn replicas_that_are_not_there_promise_nothing() {
        let found = |replicas| {
            let state = State { replicas, ..durable() };
            state.judged(true, &RedisOptions::new().wait_replicas(2))
        };
        assert_eq!(found(Some(2)).persistence, Persistence::DurableReplicated);
        assert_eq!(found(None).persistence, Persistence::DurableReplicated);
        let too_few = found(Some(1));
        assert_eq!(too_few.persistence, Persistence::UntilRestart);
        assert!(too_few.reason.unwrap().contains("1 replicas of the 2"));
    }

    #[test]
    fn a_server_that_makes_room_promises_nothing() {
        let evicting = |policy: &str, limit| State {
            eviction: Some(policy.into()),
            memory_limit: Some(limit),
            replicas: Some(1),
            ..durable()
        };
        let found = |state: State| {
            let finding = state.judged(false, &RedisOptions::new().wait_replicas(1));
            (finding.persistence, finding.drops_what_ends)
        };
        assert_eq!(found(evicting("allkeys-lru", 1)), (Persistence::Evictable, true));
        assert_eq!(
            found(evicting("allkeys-lru", 0)),
            (Persistence::DurableReplicated, false)
        );
        assert_eq!(
            found(evicting("volatile-lru", 1)),
            (Persistence::DurableReplicated, true)
        );
        assert_eq!(
            found(evicting("noeviction", 1)),
            (Persistence::DurableReplicated, false)
        );
    }

    #[test]
    fn nobody_knows_whether_room_is_made() {
        let unknown = State {
            eviction: None,
            memory_limit: None,
            replicas: None,
            ..durable()
        };
        let finding = unknown.judged(true, &RedisOptions::new().wait_replicas(1));
        assert_eq!(finding.persistence, Persistence::UntilRestart);
        assert!(finding.drops_what_ends);
    }

    #[test]
    fn the_weakest_server_counts() {
        let dropping = Finding {
            drops_what_ends: true,
            ..Finding::full(Persistence::DurableNode)
        };
        let weak = until_restart("why");
        let both = dropping.and(weak);
        assert_eq!(both.persistence, Persistence::UntilRestart);
        assert!(both.drops_what_ends && both.reason.is_some());
    }

    #[test]
    fn fields_of_info_are_found() {
        let info = "# Memory\r\nmaxmemory_policy:noeviction\r\nmaxmemory:0\r\n";
        assert_eq!(field(info, "maxmemory"), Some("0"));
        assert_eq!(field(info, "aof_enabled"), None);
    }
}
