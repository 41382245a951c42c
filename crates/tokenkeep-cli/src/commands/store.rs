//! `tokenkeep store`: the store itself.

mod accept;
mod migrate;
mod probe;
mod rewrap;

use serde_json::{Value, json};
use tokenkeep::store::{Capabilities, LeaseEnd};

use self::probe::Step;
use crate::args::more::{StoreCheck, StoreCommand};
use crate::error::Result;
use crate::output;
use crate::session::Session;

/// The version of the JSON form.
const SCHEMA: u64 = 1;

pub(super) async fn run(session: &Session, command: &StoreCommand) -> Result<()> {
    match command {
        StoreCommand::Check(args) => check(session, args).await,
        StoreCommand::Migrate(args) => migrate::run(session, args).await,
        StoreCommand::Rewrap(args) => rewrap::run(session, args).await,
        StoreCommand::Accept(args) => accept::run(session, args).await,
    }
}

async fn check(session: &Session, args: &StoreCheck) -> Result<()> {
    let steps = probe::run(session.store.as_ref()).await?;
    let capabilities = session.store.capabilities();
    let seal = rewrap::seal_of(session).await?;
    let text = if args.json {
        let mut object = object(session, &steps, &capabilities);
        object["seal"] = seal;
        format!("{object:#}\n")
    } else {
        lines(session, &steps, &capabilities) + &rewrap::seal_lines(&seal)
    };
    output::result(text.as_bytes())
}

fn object(session: &Session, steps: &[Step], capabilities: &Capabilities) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|step| json!({ "step": step.name, "took_us": u64::try_from(step.took.as_micros()).unwrap_or(u64::MAX) }))
        .collect();
    json!({
        "schema": SCHEMA,
        "store": session.place(),
        "store_from": session.settings.store_origin.to_string(),
        "kind": session.store.name(),
        "steps": steps,
        "promises": {
            "persistence": capabilities.persistence.to_string(),
            "lease_scope": capabilities.lease_scope.to_string(),
            "lease_end": lease_end(capabilities.lease_end),
            "lists": capabilities.lists,
            "largest_record": capabilities.largest_record,
        },
    })
}

fn lines(session: &Session, steps: &[Step], capabilities: &Capabilities) -> String {
    let mut lines = vec![format!("{} ({})", session.place(), session.settings.store_origin)];
    lines.extend(
        steps
            .iter()
            .map(|step| format!("  ok  {:26}{:.1} ms", step.name, step.took.as_secs_f64() * 1000.0)),
    );
    let largest = match capabilities.largest_record {
        Some(bytes) => format!("{bytes} bytes"),
        None => "no limit".to_owned(),
    };
    lines.extend([
        "it promises".to_owned(),
        format!("  what is saved           {}", capabilities.persistence),
        format!("  a lease binds           {}", capabilities.lease_scope),
        format!("  a lease ends            {}", lease_end(capabilities.lease_end)),
        format!(
            "  lists its profiles      {}",
            if capabilities.lists { "yes" } else { "no" }
        ),
        format!("  largest record          {largest}"),
    ]);
    lines.push(String::new());
    lines.join("\n")
}

fn lease_end(end: LeaseEnd) -> &'static str {
    match end {
        LeaseEnd::ByHolder => "with its holder",
        _ => "by time",
    }
}
