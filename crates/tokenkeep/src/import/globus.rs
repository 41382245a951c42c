//! The Globus SDK's tokens: JSON 2.0 (`data`/namespace/resource server), JSON 1.0 (`by_rs`/resource server), and
//! the SQLite database, whose rows hold the same objects.

#[cfg(feature = "sqlite")]
mod database;

use std::collections::BTreeMap;
use std::path::Path;

use auth_core::{Profile, Target, provider};
use serde::Serialize;
use zeroize::Zeroizing;

use super::error::{FormatError, Problem};
use super::fields::{required, scopes};
use super::json::{Json, Object};
use super::{Entry, Imported, ImportedToken, Written, export};
use auth_core::secret::SecretBytes;

const NAMESPACE: &str = "DEFAULT";
const VERSION: &str = "format_version";
/// Only that it is a text is checked by whoever reads it. No version of the SDK wrote the file.
const WRITER: &str = "0+tokenkeep";

pub(super) fn is_one(json: &Json) -> bool {
    json.as_object()
        .is_some_and(|file| file.has(VERSION) && (file.has("data") || file.has("by_rs")))
}

pub(super) fn read(file: Json) -> Result<Vec<Entry>, FormatError> {
    let mut file = file.object()?;
    let Some(Json::Text(version)) = file.take(VERSION)? else {
        return Err(FormatError::of_field(VERSION, Problem::Kind("a text")));
    };
    let namespaces = match version.expose() {
        "1.0" => vec![(NAMESPACE.to_owned(), Json::Object(file.take_object("by_rs")?))],
        "2.0" => file.take_object("data")?.into_members(),
        _ => return Err(FormatError::of_field(VERSION, Problem::Version("1.0 and 2.0"))),
    };
    let mut rows = Vec::new();
    for (namespace, servers) in namespaces {
        let servers = servers.object().map_err(|error| error.within(&namespace))?;
        let servers = servers.into_members();
        rows.extend(servers.into_iter().map(|(server, data)| Row {
            namespace: namespace.clone(),
            server,
            data,
        }));
    }
    entries(rows)
}

/// Reads the SQLite database at this path.
#[cfg(feature = "sqlite")]
pub(super) fn read_database(path: &Path) -> Result<Vec<Entry>, FormatError> {
    entries(database::rows(path)?)
}

#[cfg(not(feature = "sqlite"))]
pub(super) fn read_database(_path: &Path) -> Result<Vec<Entry>, FormatError> {
    Err(FormatError::of_file(Problem::Unsupported))
}

/// The tokens of one resource server.
struct Row {
    namespace: String,
    server: String,
    data: Json,
}

/// A resource server with a refresh token is a login of its own; the others of a namespace are one together.
fn entries(rows: Vec<Row>) -> Result<Vec<Entry>, FormatError> {
    let mut entries = Vec::new();
    let mut together = BTreeMap::new();
    let mut seen = Vec::new();
    for Row {
        namespace,
        server,
        data,
    } in rows
    {
        let profile = Profile::from_parts([&namespace, &server]);
        let name = profile.as_str().to_owned();
        if seen.contains(&name) {
            return Err(FormatError::of_entry(&name, Problem::Twice));
        }
        let tokens = data.object().and_then(|data| tokens(&server, data));
        seen.push(name.clone());
        match tokens.map_err(|error| error.within(&name)) {
            Ok((token, Some(refresh_token))) => {
                let mut imported = Imported::new(profile, provider::globus());
                imported.target = token.target.clone();
                imported.refresh_token = Some(refresh_token);
                imported.tokens.push(token);
                entries.push(Entry {
                    name,
                    found: Ok(imported),
                });
            }
            Ok((token, None)) => add(&mut together, &namespace, token),
            Err(error) => entries.push(Entry {
                name,
                found: Err(error),
            }),
        }
    }
    entries.extend(together.into_iter().map(|(name, imported)| Entry {
        name,
        found: Ok(imported),
    }));
    Ok(entries)
}

fn add(together: &mut BTreeMap<String, Imported>, namespace: &str, token: ImportedToken) {
    let profile = Profile::from_parts([namespace]);
    let name = profile.as_str().to_owned();
    let imported = together
        .entry(name)
        .or_insert_with(|| Imported::new(profile, provider::globus()));
    // Alone, it is what the profile hands out by itself.
    imported.target = if imported.tokens.is_empty() {
        token.target.clone()
    } else {
        Target::new()
    };
    imported.tokens.push(token);
}

type Tokens = (ImportedToken, Option<auth_core::Secret>);

fn tokens(server: &str, mut data: Object) -> Result<Tokens, FormatError> {
    if let Some(named) = data.word("resource_server")?
        && named != server
    {
        let problem = Problem::Kind("that under which it stands");
        return Err(FormatError::of_field("resource_server", problem));
    }
    let target = Target::new().resource_server(server);
    let access_token = required("access_token", data.credential("access_token")?)?;
    let mut token = ImportedToken::bearer(target, access_token);
    token.expires_at = Some(required("expires_at_seconds", data.seconds("expires_at_seconds")?)?);
    let scope = data.word("scope")?;
    token.scopes = scopes(required("scope", scope)?.as_str(), char::is_whitespace)?;
    if let Some(token_type) = data.word("token_type")? {
        token.token_type = token_type;
    }
    Ok((token, data.credential("refresh_token")?))
}

/// Writes JSON 2.0.
pub(super) fn write(profiles: &[Imported]) -> Written {
    let mut namespaces: BTreeMap<String, BTreeMap<&str, TokenData<'_>>> = BTreeMap::new();
    for profile in profiles {
        let within = |error: FormatError| error.within(profile.profile.as_str());
        export::same_provider(profile, "globus").map_err(within)?;
        if profile.tokens.is_empty() {
            return Err(within(FormatError::of_field("access_token", Problem::Missing)));
        }
        for token in &profile.tokens {
            let own = token.target == profile.target;
            let data = token_data(profile, token, own).map_err(within)?;
            let namespace = namespaces.entry(namespace(profile, data.resource_server)).or_default();
            if namespace.insert(data.resource_server, data).is_some() {
                let problem = Problem::Unwritable("is there already, and has one place in a namespace");
                return Err(within(FormatError::of_field("resource_server", problem)));
            }
        }
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let file = File {
        data: namespaces,
        version: "2.0",
        writer: WRITER,
    };
    serde_json::to_writer(&mut *bytes, &file).map_err(|error| FormatError::io(error.into()))?;
    Ok(SecretBytes::new(bytes.to_vec()))
}

#[derive(Serialize)]
struct File<'a> {
    data: BTreeMap<String, BTreeMap<&'a str, TokenData<'a>>>,
    #[serde(rename = "format_version")]
    version: &'static str,
    #[serde(rename = "globus-sdk.version")]
    writer: &'static str,
}

#[derive(Serialize)]
struct TokenData<'a> {
    resource_server: &'a str,
    scope: String,
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    expires_at_seconds: i64,
    token_type: &'a str,
}

fn token_data<'a>(profile: &'a Imported, token: &'a ImportedToken, own: bool) -> Result<TokenData<'a>, FormatError> {
    let refresh_token = profile.refresh_token.as_ref().filter(|_| own);
    Ok(TokenData {
        resource_server: required("resource_server", token.target.resource_server_name())?,
        scope: token.scopes.join(" "),
        access_token: token.token.expose(),
        refresh_token: export::exposed(refresh_token),
        expires_at_seconds: required("expires_at_seconds", token.expires_at)?.unix_seconds(),
        token_type: &token.token_type,
    })
}

/// The first part of a name that was made of namespace and resource server, else the whole.
fn namespace(profile: &Imported, server: &str) -> String {
    match profile.profile.parts() {
        Some(parts) if parts.len() == 2 && parts[1] == server => parts.into_iter().next().unwrap_or_default(),
        _ => profile.profile.to_foreign(),
    }
}
