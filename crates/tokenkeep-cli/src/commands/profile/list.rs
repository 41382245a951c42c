//! Names and states.

use serde_json::{Value, json};

use crate::args::more::ProfileList;
use crate::commands::status;
use crate::error::Result;
use crate::output;
use crate::session::Session;

/// The version of the JSON form.
const SCHEMA: u64 = 1;

pub(super) async fn run(session: &Session, args: &ProfileList) -> Result<()> {
    let profiles = status::profiles(session).await?;
    let entries = status::entries(session, &profiles).await;
    if args.json {
        let profiles: Vec<Value> = entries
            .iter()
            .map(|entry| json!({ "profile": entry.profile.as_str(), "state": entry.state.name() }))
            .collect();
        let object = json!({ "schema": SCHEMA, "store": session.place(), "profiles": profiles });
        return output::result(format!("{object:#}\n").as_bytes());
    }
    let width = entries.iter().map(|entry| entry.profile.as_str().chars().count()).max();
    let width = width.unwrap_or_default();
    for entry in &entries {
        let line = format!("{:width$}  {}\n", entry.profile.as_str(), entry.state.word());
        output::result(line.as_bytes())?;
    }
    Ok(())
}
