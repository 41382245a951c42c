//! All that is known of a profile, without secrets.

use serde_json::{Value, json};
use tokenkeep::provider::{Provider, Rotation};
use tokenkeep::record::{ClientRecord, GrantRecord, HistoryEntry};
use tokenkeep::{ClientRegistration, SecretSource};

use super::origin;
use crate::args::more::ProfileShow;
use crate::error::Result;
use crate::output;
use crate::session::Session;
use crate::text::rfc3339;

/// The version of the JSON form.
const SCHEMA: u64 = 1;

pub(super) async fn run(session: &Session, args: &ProfileShow) -> Result<()> {
    let (client, grant) = (session.client_record().await?, session.grant_record().await?);
    if client.is_none() && grant.is_none() {
        return Err(session.unknown_profile(session.profile()).await);
    }
    let origins = if args.origin {
        Some(origin::of(session, client.as_ref(), grant.as_ref())?)
    } else {
        None
    };
    let client = match client {
        Some(record) => client_object(session, record)?,
        None => Value::Null,
    };
    let mut object = json!({
        "schema": SCHEMA,
        "profile": session.profile().as_str(),
        "store": session.place(),
        "store_from": session.settings.store_origin.to_string(),
        "client": client,
        "login": grant.as_ref().map(login_object),
        "history": grant.as_ref().map(|grant| grant.history.iter().map(event).collect::<Vec<_>>()),
    });
    if let Some(origins) = &origins {
        object["origin"] = json!(origins);
    }
    if args.json {
        return output::result(format!("{object:#}\n").as_bytes());
    }
    let text = lines(&object) + &origins.map(|origins| origin::lines(&origins)).unwrap_or_default();
    output::result(text.as_bytes())
}

fn client_object(session: &Session, record: ClientRecord) -> Result<Value> {
    let registration = ClientRegistration::from_record(record);
    let provider = registration.provider();
    Ok(json!({
        "client_id": registration.client_id(),
        "client_secret_from": secret_from(session, &registration)?,
        "authentication": registration.authentication().as_str(),
        "provider": provider.name,
        "issuer": provider.issuer.as_ref().map(ToString::to_string),
        "authorization_endpoint": provider.authorization_endpoint.as_ref().map(ToString::to_string),
        "token_endpoint": provider.token_endpoint.as_ref().map(ToString::to_string),
        "revocation_endpoint": provider.revocation_endpoint.as_ref().map(ToString::to_string),
        "rotation": rotation(provider),
        "default_lifetime_s": provider.default_lifetime.map(|lifetime| lifetime.as_secs()),
    }))
}

/// Where it is read now, in the order in which it is looked for; never itself.
fn secret_from(session: &Session, registration: &ClientRegistration) -> Result<Option<String>> {
    if !registration.authentication().needs_secret() {
        return Ok(None);
    }
    let elsewhere = session.secret_elsewhere()?;
    Ok(match elsewhere.as_ref().unwrap_or(registration.secret_source()) {
        SecretSource::Environment(name) => Some(format!("environment variable {name}")),
        SecretSource::File(path) => Some(format!("file {}", path.display())),
        SecretSource::Value(_) => Some("store".to_owned()),
        _ => Some("nowhere".to_owned()),
    })
}

fn rotation(provider: &Provider) -> String {
    match provider.rotation {
        Rotation::Grace(grace) => format!("grace:{}", grace.as_secs()),
        Rotation::NonRotating => "none".to_owned(),
        _ => "strict".to_owned(),
    }
}

fn login_object(grant: &GrantRecord) -> Value {
    let target = &grant.recipe.target;
    json!({
        "grant": grant.recipe.grant,
        "scopes": target.scope_names().collect::<Vec<_>>(),
        "audience": target.audience_name(),
        "resources": target.resource_names().collect::<Vec<_>>(),
        "access_expires_at": grant.access.as_ref().and_then(|access| access.expires_at).and_then(rfc3339),
        "granted_scopes": grant.access.as_ref().map(|access| &access.scopes),
        "has_refresh_token": grant.refresh_token.is_some(),
        "refresh_expires_at": grant.refresh_expires_at.and_then(rfc3339),
        "refresh_token_refused": grant.is_refused(),
        "refresh_under_way": grant.mark.is_some(),
        "last_refresh": grant.refreshed_at.and_then(rfc3339),
        "moved_to": grant.departure.as_ref().map(|departure| &departure.to),
        "logged_out_at": grant.ended.and_then(|ended| rfc3339(ended.at)),
    })
}

fn event(entry: &HistoryEntry) -> Value {
    json!({
        "at": rfc3339(entry.at),
        "outcome": entry.outcome,
        "detail": entry.detail,
        "host": entry.host,
    })
}

/// The same for people: a line for each thing that is known.
fn lines(object: &Value) -> String {
    let mut lines: Vec<String> = ["profile", "store", "store_from"]
        .iter()
        .filter_map(|name| line(name, &object[*name]))
        .collect();
    for section in ["client", "login"] {
        if let Some(fields) = object[section].as_object() {
            lines.push(section.to_owned());
            lines.extend(
                fields
                    .iter()
                    .filter_map(|(name, value)| line(&format!("  {name}"), value)),
            );
        }
    }
    if let Some(events) = object["history"].as_array() {
        lines.push("history".to_owned());
        lines.extend(events.iter().map(event_line));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn event_line(event: &Value) -> String {
    let words = ["at", "outcome", "detail", "host"].map(|name| event[name].as_str());
    let words: Vec<&str> = words.into_iter().flatten().collect();
    format!("  {}", words.join("  "))
}

fn line(name: &str, value: &Value) -> Option<String> {
    let text = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            words.join(" ")
        }
        other => other.to_string(),
    };
    (!text.is_empty()).then(|| format!("{:28}{text}", name.replace('_', " ")))
}
