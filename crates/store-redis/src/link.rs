//! Commands over a connection that is made anew when it broke.

use std::time::{Duration, Instant};

use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, Value};
use tokio::sync::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::origin::{Connection, Lane, Origin};
use crate::scripts::Call;
use crate::waiting::Waiting;

/// How long a failure to connect is told to those who come after, so that they need not wait for it too.
const FAILURE_LIFE: Duration = Duration::from_millis(100);

/// The servers, and the connections to them.
pub(crate) struct Link {
    origin: Origin,
    main: Slot,
    /// For writes where `main` would send them again by itself.
    writes: Option<Slot>,
    waiting: Waiting,
}

/// A place for a connection.
pub(crate) struct Slot {
    lane: Lane,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many connections were made so far; names the present one.
    number: u64,
    connection: Option<Connection>,
    failure: Option<(Instant, RedisError)>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) value: Value,
    /// The first attempt was cut off and may have been carried out too.
    pub(crate) repeated: bool,
    /// How many replicas have it, if they were waited for.
    pub(crate) replicas: Option<u32>,
}

/// No answer, or a refusal.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: RedisError,
    /// It may have been carried out all the same.
    pub(crate) perhaps_done: bool,
}

/// Which primary: the one that holds this slot, or the only one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Primary(Option<u16>);

impl Link {
    /// Not connected yet.
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            main: Slot::new(Lane::Main),
            writes: origin.is_cluster().then(|| Slot::new(Lane::Writes)),
            waiting: Waiting::new(),
            origin,
        }
    }

    pub(crate) fn fails_over(&self) -> bool {
        self.origin.fails_over()
    }

    /// All primaries.
    pub(crate) async fn primaries(&self) -> Result<Vec<Primary>, Failed> {
        if !self.origin.is_cluster() {
            return Ok(vec![Primary(None)]);
        }
        let slots = self.read(redis::cmd("CLUSTER").arg("SLOTS")).await?;
        let mut first_slots = first_slots(&slots);
        if first_slots.is_empty() {
            first_slots.push(0);
        }
        Ok(first_slots.into_iter().map(|slot| Primary(Some(slot))).collect())
    }

    /// A command that changes nothing, wherever its key is.
    pub(crate) async fn read(&self, command: &Cmd) -> Result<Value, Failed> {
        self.read_from(Primary(None), command).await
    }

    /// A command that changes nothing, for this primary.
    pub(crate) async fn read_from(&self, primary: Primary, command: &Cmd) -> Result<Value, Failed> {
        match self.main.ask(&self.origin, primary, command).await {
            Err(failed) if failed.is_cut_off() => self.main.ask(&self.origin, primary, command).await,
            outcome => outcome,
        }
    }

    /// A script that does no harm when it is called twice.
    pub(crate) async fn call(&self, call: &Call) -> Result<Reply, Failed> {
        self.repeating(&self.main, call, 0).await
    }

    /// A save or a removal; with the number of replicas to wait for.
    pub(crate) async fn write(&self, call: &Call, replicas: u32) -> Result<Reply, Failed> {
        if replicas == 0 {
            return self
                .repeating(self.writes.as_ref().unwrap_or(&self.main), call, 0)
                .await;
        }
        match self.waiting.take(self.origin.limits.answer).await {
            Some(slot) => self.repeating(&slot, call, replicas).await,
            None => Err(Failed::before(no_answer())),
        }
    }

    /// Once more after a connection that broke: it may have been closed long before, without a reason.
    async fn repeating(&self, slot: &Slot, call: &Call, replicas: u32) -> Result<Reply, Failed> {
        let outcome = self.attempt(slot, call, replicas).await;
        if !outcome.as_ref().is_err_and(Failed::is_cut_off) {
            return outcome;
        }
        match self.attempt(slot, call, replicas).await {
            Ok(reply) => Ok(Reply {
                repeated: true,
                ..reply
            }),
            Err(second) => Err(Failed {
                perhaps_done: true,
                ..second
            }),
        }
    }

    async fn attempt(&self, slot: &Slot, call: &Call, replicas: u32) -> Result<Reply, Failed> {
        match slot.call(&self.origin, call, replicas).await {
            // It was not carried out; this connection follows a key to where it went, and may send it again
            // by itself meanwhile.
            Err(failed) if self.origin.is_cluster() && failed.is_moved() => {
                let reply = self.main.call(&self.origin, call, replicas).await?;
                Ok(Reply {
                    repeated: true,
                    ..reply
                })
            }
            outcome => outcome,
        }
    }
}

impl Slot {
    pub(crate) fn new(lane: Lane) -> Self {
        let state = Mutex::default();
        Self { lane, state }
    }

    async fn call(&self, origin: &Origin, call: &Call, replicas: u32) -> Result<Reply, Failed> {
        if replicas > 0 {
            return self.call_and_wait(origin, call, replicas).await;
        }
        let outcome = match self.ask(origin, Primary(None), &call.by_hash()).await {
            Err(failed) if failed.error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(origin, Primary(None), &call.by_text()).await
            }
            outcome => outcome,
        };
        outcome.map(|value| Reply {
            value,
            repeated: false,
            replicas: None,
        })
    }

    /// In one piece, so that the server counts the replicas of this very write.
    async fn call_and_wait(&self, origin: &Origin, call: &Call, replicas: u32) -> Result<Reply, Failed> {
        let replicas_limit = (origin.limits.answer / 2).as_millis().max(1);
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas)
            .arg(u64::try_from(replicas_limit).unwrap_or(u64::MAX));
        let (number, mut connection) = self.connection(origin).await.map_err(Failed::before)?;
        let answer = timeout(origin.limits.answer, connection.ask_both(call.by_text(), wait)).await;
        let (value, replicas) = self.judged(number, answer).await?;
        Ok(Reply {
            value,
            repeated: false,
            replicas: Some(count(&replicas)),
        })
    }

    async fn ask(&self, origin: &Origin, primary: Primary, command: &Cmd) -> Result<Value, Failed> {
        let (number, mut connection) = self.connection(origin).await.map_err(Failed::before)?;
        let answer = timeout(origin.limits.answer, connection.ask(primary, command)).await;
        self.judged(number, answer).await
    }

    /// Gives up the connection where the outcome says so.
    async fn judged<T>(&self, number: u64, answer: Result<RedisResult<T>, Elapsed>) -> Result<T, Failed> {
        let failed = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Failed::after(error),
            Err(_) => Failed::after(no_answer()),
        };
        if failed.wants_other_connection() {
            self.forget(number).await;
        }
        Err(failed)
    }

    async fn connection(&self, origin: &Origin) -> RedisResult<(u64, Connection)> {
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((state.number, connection.clone()));
        }
        if let Some((at, error)) = &state.failure
            && at.elapsed() < FAILURE_LIFE
        {
            return Err(error.clone());
        }
        // Rare and large: in a box, so that no other command has room for it.
        let connecting = Box::pin(origin.connect(self.lane));
        let made = timeout(origin.connect_limit(), connecting).await;
        match made.unwrap_or_else(|_| Err(no_answer())) {
            Ok(connection) => {
                state.number += 1;
                state.failure = None;
                state.connection = Some(connection.clone());
                Ok((state.number, connection))
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn forget(&self, number: u64) {
        let mut state = self.state.lock().await;
        if state.number == number {
            state.connection = None;
        }
    }
}

impl Connection {
    async fn ask(&mut self, primary: Primary, command: &Cmd) -> RedisResult<Value> {
        match (self, primary) {
            (Self::Node(connection), _) => command.query_async(connection).await,
            (Self::Cluster(connection), Primary(None)) => command.query_async(connection).await,
            (Self::Cluster(connection), Primary(Some(slot))) => {
                let routing = RoutingInfo::SingleNode(on_primary_of(slot));
                connection
                    .route_command(command.clone(), routing)
                    .await?
                    .extract_error()
            }
        }
    }

    /// One after the other on one connection; to where the first one's key is.
    async fn ask_both(&mut self, first: Cmd, second: Cmd) -> RedisResult<(Value, Value)> {
        let mut pipeline = redis::pipe();
        pipeline.add_command(first).add_command(second);
        match self {
            Self::Node(connection) => pipeline.query_async(connection).await,
            Self::Cluster(connection) => pipeline.query_async(connection).await,
        }
    }
}

impl Failed {
    fn before(error: RedisError) -> Self {
        Self {
            error,
            perhaps_done: false,
        }
    }

    /// An answer that refuses the (first) command is one: then nothing was done.
    fn after(error: RedisError) -> Self {
        let refused = error.clone().into_server_errors();
        let is_answer = refused.is_some_and(|refused| refused.first().is_none_or(|(number, _)| *number == 0))
            || error.kind() == ErrorKind::ClusterConnectionNotFound;
        Self {
            error,
            perhaps_done: !is_answer,
        }
    }

    /// The connection ended before the answer came.
    fn is_cut_off(&self) -> bool {
        self.perhaps_done && self.error.is_io_error() && !self.error.is_timeout()
    }

    fn is_moved(&self) -> bool {
        !self.perhaps_done && (self.error.is_cluster_error() || self.is_of_role())
    }

    /// This user may not, or nobody.
    pub(crate) fn is_not_permitted(&self) -> bool {
        let code = crate::cause::code(&self.error);
        !self.perhaps_done && matches!(code.as_deref(), Some("NOPERM" | "ERR"))
    }

    /// Not a primary, or not yet.
    fn is_of_role(&self) -> bool {
        matches!(
            self.error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
        )
    }

    fn wants_other_connection(&self) -> bool {
        self.perhaps_done || self.is_of_role() || self.error.kind() == ErrorKind::ClusterConnectionNotFound
    }
}

fn no_answer() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

fn count(value: &Value) -> u32 {
    match value {
        Value::Int(count) => u32::try_from(*count).unwrap_or(0),
        _ => 0,
    }
}

fn on_primary_of(slot: u16) -> SingleNodeRoutingInfo {
    SingleNodeRoutingInfo::SpecificNode(Route::new(slot, SlotAddr::Master))
}

/// One slot of each primary, from the answer to `CLUSTER SLOTS`.
fn first_slots(answer: &Value) -> Vec<u16> {
    let Value::Array(ranges) = answer else {
        return Vec::new();
    };
    let mut seen = Vec::new();
    let mut slots = Vec::new();
    for range in ranges {
        if let Value::Array(range) = range
            && let [Value::Int(first), _, primary, ..] = range.as_slice()
            && !seen.contains(&primary)
        {
            seen.push(primary);
            slots.extend(u16::try_from(*first));
        }
    }
    slots
}
