//! One connection to a node: a question, its answer, the next question.
//!
//! Every question carries a token that its answer must echo. A connection on which
//! anything went wrong is dropped by whoever holds it, so a late answer has nobody to
//! be given to; should one come all the same, its token gives it away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_core::secret::SecretBytes;
use memcache::exp::{
    AsyncMetaConnection, DeleteOptions, Error, GetOptions, MetaCommand, MetaCommandResult, ReturnCode, SetMode,
    SetOptions, build_delete, build_get, build_set, parse_meta_result,
};

use tokio::time::{Instant, timeout_at};

use crate::address::NodeAddress;
use crate::error::Trouble;
use crate::meta::Name;

static ASKED: AtomicU64 = AtomicU64::new(0);

/// One connection. Its numbers for compare-and-swap are of use on it alone: they begin
/// anew when the server does, and no connection outlives its server.
pub(crate) struct Connection {
    inner: AsyncMetaConnection,
    limit: Duration,
    /// The end of the operation that it is lent to.
    deadline: Instant,
}

/// What was found under a name.
pub(crate) struct Item {
    pub(crate) value: SecretBytes,
    cas: u64,
}

impl Connection {
    /// Dials for so long at most, and waits so long for an answer, but not beyond the end of the operation.
    pub(crate) async fn open(
        node: &NodeAddress,
        connecting: Duration,
        limit: Duration,
        deadline: Instant,
    ) -> Result<Self, Trouble> {
        let dialing = AsyncMetaConnection::connect((node.host(), node.port()));
        let inner = timeout_at(deadline.min(Instant::now() + connecting), dialing)
            .await
            .map_err(|_| Trouble::Broken(std::io::ErrorKind::TimedOut.into()))?
            .map_err(Trouble::of)?;
        Ok(Self { inner, limit, deadline })
    }

    /// For the next operation, which ends then.
    pub(crate) fn lent_until(mut self, deadline: Instant) -> Self {
        self.deadline = deadline;
        self
    }

    pub(crate) async fn get(&mut self, name: &Name<'_>) -> Result<Option<Item>, Trouble> {
        let mut options = GetOptions::default();
        options.return_cas = true;
        let answer = self.ask(build_get(&name.stored, &options)).await?;
        match (answer.rc, answer.value, answer.cas) {
            (ReturnCode::En, ..) => Ok(None),
            (ReturnCode::Va, Some(value), Some(cas)) => Ok(Some(Item {
                value: SecretBytes::new(value),
                cas,
            })),
            _ => Err(Trouble::Nonsense),
        }
    }

    /// Puts a value where there is none; false if there is one.
    pub(crate) async fn add(
        &mut self,
        name: &Name<'_>,
        value: &SecretBytes,
        ttl: Option<u32>,
    ) -> Result<bool, Trouble> {
        let mut options = SetOptions::default();
        options.mode = SetMode::Add;
        options.ttl = ttl;
        self.write(build_set(&name.stored, value.expose(), &options)).await
    }

    /// Puts a value in place of the one that was found on this connection; false if that
    /// is not there any more.
    pub(crate) async fn replace(
        &mut self,
        name: &Name<'_>,
        found: &Item,
        value: &SecretBytes,
        ttl: Option<u32>,
    ) -> Result<bool, Trouble> {
        let mut options = SetOptions::default();
        options.compare_cas = Some(found.cas);
        options.ttl = ttl;
        self.write(build_set(&name.stored, value.expose(), &options)).await
    }

    /// Removes the value that was found on this connection; false if that is not there any
    /// more.
    pub(crate) async fn delete(&mut self, name: &Name<'_>, found: &Item) -> Result<bool, Trouble> {
        let mut options = DeleteOptions::default();
        options.compare_cas = Some(found.cas);
        self.write(build_delete(&name.stored, &options)).await
    }

    async fn write(&mut self, command: Result<MetaCommand, Error>) -> Result<bool, Trouble> {
        match self.ask(command).await?.rc {
            ReturnCode::Hd => Ok(true),
            ReturnCode::Ex | ReturnCode::Nf | ReturnCode::Ns => Ok(false),
            _ => Err(Trouble::Nonsense),
        }
    }

    async fn ask(&mut self, command: Result<MetaCommand, Error>) -> Result<MetaCommandResult, Trouble> {
        let token = ASKED.fetch_add(1, Ordering::Relaxed).to_string();
        let command = command.map_err(Trouble::of)?.flag(format!("O{token}"));
        // One timer for each question: another around the whole operation would cost as much as this one.
        let limit = self.deadline.min(Instant::now() + self.limit);
        let answer = timeout_at(limit, self.inner.execute(&command))
            .await
            .map_err(|_| Trouble::Silent(self.limit))?
            .and_then(parse_meta_result)
            .map_err(Trouble::of)?;
        match (answer.opaque.as_deref(), answer.rc) {
            (Some(named), _) if named == token.as_bytes() => Ok(answer),
            (None, ReturnCode::En) => Err(Trouble::TooOld),
            _ => Err(Trouble::Nonsense),
        }
    }
}
