//! Seals every record anew, and says under which keys records are.

use serde_json::{Value, json};
use tokenkeep::seal::{KeysInUse, KmsStore, RewrapReport, keys_in_use, rewrap};
use tokenkeep::store::StoreErrorKind;

use super::SCHEMA;
use crate::args::more::StoreRewrap;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::{output, sealing};

pub(super) async fn run(session: &Session, args: &StoreRewrap) -> Result<()> {
    let store = match (&session.settings.seal, args.accept_plaintext) {
        (Some(seal), true) => {
            let seal = seal.clone().accept_plaintext();
            sealing::wrap(&seal, sealed(session)?.inner().clone()).await?
        }
        _ => sealed(session)?.clone(),
    };
    let report = rewrap(&store, |_| {}).await?;
    for (key, error) in &report.failed {
        session.notice(&format!("{key}: {error}"));
    }
    let others = report.remaining.besides(store.writing_key());
    if args.json {
        output::result(format!("{:#}\n", object(&store, &report)).as_bytes())?;
    } else {
        session.notice(&summary(&store, &report, others));
    }
    if others > 0 || !report.failed.is_empty() {
        return Err(Failure::silent(Exit::Store));
    }
    Ok(())
}

/// The store with its seal, or the error that it has none.
pub(super) fn sealed(session: &Session) -> Result<&KmsStore> {
    session.sealed.as_ref().ok_or_else(|| {
        Failure::new(Exit::Usage, "the store is not sealed")
            .hint("say the key with --seal key-file:PATH or aws-kms:KEY, or in the environment variable TOKENKEEP_SEAL")
    })
}

/// How the store is sealed, and what it holds by key; null without a seal.
pub(super) async fn seal_of(session: &Session) -> Result<Value> {
    let Some(store) = &session.sealed else {
        return Ok(Value::Null);
    };
    let found = match keys_in_use(store).await {
        Ok(found) => Some(found),
        Err(error) if error.kind() == StoreErrorKind::Unsupported => None,
        Err(error) => return Err(error.into()),
    };
    Ok(json!({
        "key": store.writing_key().as_str(),
        "key_from": session.settings.seal_origin.to_string(),
        "records": found.as_ref().map(in_use),
    }))
}

/// The same for people.
pub(super) fn seal_lines(seal: &Value) -> String {
    let Some(key) = seal["key"].as_str() else {
        return "it is not sealed: whoever reads it has the tokens\n".to_owned();
    };
    let keys = seal["records"]["keys"].as_object().into_iter().flatten();
    let under = keys.map(|(key, count)| format!("  records                 {count} under {key}\n"));
    let others = [("not sealed", "plain"), ("damaged", "unknown")];
    let others = others.into_iter().filter_map(|(word, name)| {
        let count = seal["records"][name].as_u64().filter(|count| *count > 0)?;
        Some(format!("  records                 {count} {word}\n"))
    });
    let head = format!("it is sealed\n  new records under       {key}\n");
    std::iter::once(head).chain(under).chain(others).collect()
}

fn in_use(found: &KeysInUse) -> Value {
    let keys: serde_json::Map<_, _> = found
        .keys
        .iter()
        .map(|(key, count)| (key.to_string(), json!(count)))
        .collect();
    json!({ "keys": keys, "plain": found.plain, "unknown": found.unknown })
}

fn object(store: &KmsStore, report: &RewrapReport) -> Value {
    let failed: Vec<Value> = report
        .failed
        .iter()
        .map(|(key, error)| json!({ "record": key.to_string(), "error": error.to_string() }))
        .collect();
    json!({
        "schema": SCHEMA,
        "key": store.writing_key().as_str(),
        "rewrapped": report.rewrapped,
        "current": report.current,
        "failed": failed,
        "remaining": in_use(&report.remaining),
    })
}

fn summary(store: &KmsStore, report: &RewrapReport, others: u64) -> String {
    let done = format!(
        "{} records sealed anew under {}, {} were already",
        report.rewrapped,
        store.writing_key(),
        report.current
    );
    if others == 0 {
        return format!("{done}; no record needs another key");
    }
    format!("{done}; {others} records are still under other keys, plain or damaged: keep the old keys, and do it again")
}
