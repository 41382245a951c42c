//! What is found out about the servers before they are used.

use std::time::Duration;

use auth_core::store::{Lease, LeaseId, StoreErrorKind};
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Collection, Database, IndexModel};
use tokio::sync::OnceCell;

use crate::documents::{Names, UNTIL};
use crate::error::{Doing, Fault};
use crate::leases;

/// How long the TTL index leaves what is past its end: the server's clock decides
/// only about what nobody has asked for since.
const SWEPT_AFTER: Duration = Duration::from_secs(3_600);

/// What is known of the servers. Each is found out once, by who needs it first;
/// a failure is found out again.
#[derive(Debug, Default)]
pub(crate) struct Server {
    is_replicated: OnceCell<()>,
    has_index: OnceCell<()>,
    judges_time: OnceCell<()>,
}

/// What an operation relies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// That a majority means something.
    Majority,
    /// That what ends is swept, too.
    Sweeping,
    /// That leases exclude, too.
    Leases,
}

impl Server {
    /// Finds out what is needed and not known yet.
    pub(crate) async fn check(&self, need: Need, documents: &Collection<Document>, names: &Names) -> Result<(), Fault> {
        let database = documents.client().database("admin");
        self.is_replicated.get_or_try_init(|| ask_for_members(database)).await?;
        if need >= Need::Sweeping {
            self.has_index.get_or_try_init(|| make_index(documents)).await?;
        }
        if need >= Need::Leases {
            self.judges_time
                .get_or_try_init(|| try_leases(documents, names))
                .await?;
        }
        Ok(())
    }
}

async fn ask_for_members(admin: Database) -> Result<(), Fault> {
    let answer = admin.run_command(doc! { "hello": 1 }).await;
    let answer = answer.map_err(|error| Fault::of(&error, Doing::Ask))?;
    let is_router = answer.get_str("msg").is_ok_and(|text| text == "isdbgrid");
    if is_router || answer.contains_key("setName") {
        return Ok(());
    }
    Err(Fault::new(
        StoreErrorKind::Unsupported,
        "this server is no member of a replica set, so no majority can acknowledge a write: start it with --replSet \
         and call rs.initiate(); one member is enough",
    ))
}

/// `_id` has its unique index by itself.
async fn make_index(documents: &Collection<Document>) -> Result<(), Fault> {
    let options = IndexOptions::builder()
        .name("tokenkeep_until".to_owned())
        .expire_after(SWEPT_AFTER)
        .build();
    let index = IndexModel::builder().keys(doc! { UNTIL: 1 }).options(options).build();
    let Err(error) = documents.create_index(index).await else {
        return Ok(());
    };
    let fault = Fault::of(&error, Doing::Ask);
    // Without the right to make it, or with an administrator's own: loads look at the
    // end themselves.
    let is_refused = fault.kind() == StoreErrorKind::Denied || matches!(crate::error::code_of(&error), Some(85 | 86));
    if !is_refused {
        return Err(fault);
    }
    tracing::warn!(
        target: "tokenkeep",
        collection = documents.name(),
        "the TTL index could not be made; records past their end are hidden, but stay in the database"
    );
    Ok(())
}

/// A lease whose time is over can be taken, a living one can't: by the same steps as
/// every lease, on a document of its own.
async fn try_leases(documents: &Collection<Document>, names: &Names) -> Result<(), Fault> {
    let (gone, holder, other) = (LeaseId::random(), LeaseId::random(), LeaseId::random());
    let name = names.lease(&format!("?{}", gone.as_str()));
    // So long that it is not over before it is asked for again, however slowly the server answers.
    let long = Duration::from_secs(600);
    let mut taken = Vec::new();
    for (id, ttl) in [(&gone, Duration::ZERO), (&holder, long), (&other, long)] {
        taken.push(leases::take(documents, &name, id, ttl).await? == Lease::Granted);
    }
    leases::give_back(documents, &name, &holder).await?;
    if taken == [true, true, false] {
        return Ok(());
    }
    leases::give_back(documents, &name, &other).await?;
    Err(Fault::new(
        StoreErrorKind::Unsupported,
        "this server does not judge leases by its own clock as MongoDB does, so they would exclude nobody: take \
         MongoDB 4.4 or later",
    ))
}
