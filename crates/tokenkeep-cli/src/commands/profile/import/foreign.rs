//! The files of other clients, as profiles of ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::import::{self, Entry, Format, FormatError, Imported, Problem, Records};
use tokenkeep::record::TokenRecord;
use tokenkeep::{Profile, Provider, Secret};

use super::{Arriving, Parcel};
use crate::args::bundle::ForeignArgs;
use crate::bundle::{Bundled, BundledGrant};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::session::Session;
use crate::text::{most_alike, rfc3339};

/// How many entries an error names.
const NAMES_SHOWN: usize = 5;

/// What a file does not say of the client.
struct Given {
    client_id: Option<String>,
    client_secret: Option<Secret>,
    token_endpoint: Option<EndpointUrl>,
}

/// Reads the file of another client; nothing of it is used if anything is wrong.
pub(super) async fn read(session: &Session, args: &ForeignArgs, format: Format, file: Option<&Path>) -> Result<Parcel> {
    let given = given(args)?;
    let path = match file {
        Some(path) => path.to_owned(),
        None => usual_place(format)?,
    };
    let place = (path != Path::new("-")).then(|| path.display().to_string());
    let entries = match &place {
        Some(_) => import::read_file(Some(format), &path).map(|(_, entries)| entries),
        None => import::read(format, &input::bundle(&path).await?),
    };
    let shown = place.clone().unwrap_or_else(|| "stdin".to_owned());
    let profiles = entries
        .map_err(|error| unusable(&shown, error))
        .and_then(|entries| chosen(entries, &args.entry, &shown))?
        .into_iter()
        .map(|entry| profile(session, format, entry, &given).map_err(|error| unusable(&shown, error)))
        .collect::<Result<Vec<_>>>()?;
    if profiles.is_empty() {
        return Err(Failure::new(Exit::Failure, format!("{shown} has no entry")));
    }
    if place.is_some() {
        warn_of_readers(session, &path);
    }
    Ok(Parcel { profiles, place })
}

/// Says on stdout what an import would do.
pub(super) fn would(arriving: &[Arriving]) -> Result<()> {
    let lines: Vec<String> = arriving.iter().map(line).collect();
    output::result(lines.concat().as_bytes())
}

fn line(Arriving { bundled, tokens, .. }: &Arriving) -> String {
    let mut parts = Vec::new();
    if let Some(client) = bundled.client.as_ref().filter(|client| !client.client_id.is_empty()) {
        parts.push(format!("client {}", client.client_id));
        parts.extend(client.client_secret.as_ref().map(|_| "its secret".to_owned()));
    }
    if let Some(BundledGrant { record, .. }) = &bundled.grant {
        parts.extend(record.refresh_token.as_ref().map(|_| "a refresh token".to_owned()));
        let own = record.access.iter().map(|access| (access, None));
        let others = tokens
            .iter()
            .map(|token| (&token.access, token.target.resource_server_name()));
        for (access, server) in own.chain(others) {
            let of = server.map(|server| format!(" of {server}")).unwrap_or_default();
            let end = access.expires_at.and_then(rfc3339);
            let until = end.map(|end| format!(" until {end}")).unwrap_or_default();
            parts.push(format!("an access token{of}{until}"));
        }
    }
    format!("would import {}: {}\n", bundled.profile, parts.join(", "))
}

fn given(args: &ForeignArgs) -> Result<Given> {
    let secret = args.client_secret_file.as_deref();
    let endpoint = args.token_endpoint.as_deref().map(EndpointUrl::new).transpose();
    Ok(Given {
        client_id: args.client_id.clone(),
        client_secret: secret
            .map(|path| input::secret_file(path, "client secret"))
            .transpose()?,
        token_endpoint: endpoint.map_err(|error| Failure::of(Exit::Usage, error))?,
    })
}

fn usual_place(format: Format) -> Result<PathBuf> {
    let places = format.usual_places();
    if let Some(path) = places.iter().find(|path| path.exists()) {
        return Ok(path.clone());
    }
    let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    let message = if looked.is_empty() {
        format!("where a file of {} is, nobody can know: name it", format.as_str())
    } else {
        format!("there is no file of {} at {}", format.as_str(), looked.join(" or "))
    };
    Err(Failure::new(Exit::Usage, message).hint(format!("tokenkeep profile import --from {} FILE", format.as_str())))
}

/// The entries that are meant: those named, or all.
fn chosen(entries: Vec<Entry>, names: &[String], place: &str) -> Result<Vec<Entry>> {
    for name in names {
        if !entries.iter().any(|entry| entry.name == *name) {
            let known = entries.into_iter().map(|entry| entry.name).collect();
            let known = most_alike(name, known, NAMES_SHOWN).join(", ");
            let message = format!("{place} has no entry {name}; it has {known}");
            return Err(Failure::new(Exit::Configuration, message));
        }
    }
    let meant = |entry: &Entry| names.is_empty() || names.contains(&entry.name);
    Ok(entries.into_iter().filter(meant).collect())
}

fn profile(
    session: &Session,
    format: Format,
    entry: Entry,
    given: &Given,
) -> Result<(Bundled, Vec<TokenRecord>), FormatError> {
    let mut imported = entry.found?;
    complete(&mut imported, given);
    if format == Format::Yup {
        imported.profile = named_as(session, &imported.profile);
    }
    let over = imported.tokens.iter().filter(|token| {
        let end = token.expires_at;
        end.is_some_and(|end| end <= Session::now())
    });
    let (over, all) = (over.count(), imported.tokens.len());
    let has_refresh_token = imported.refresh_token.is_some();
    let Records {
        profile,
        client,
        grant,
        tokens,
        ..
    } = imported.into_records(Session::now())?;
    if over > 0 && !has_refresh_token {
        session.notice(&format!(
            "of {profile} {over} of {all} access tokens are over, and left out"
        ));
    } else if grant.is_none() {
        session.notice(&format!("{profile} has no refresh token: log in with its client"));
    }
    let grant = grant.map(|record| BundledGrant {
        record,
        keep_until: None,
    });
    let bundled = Bundled {
        profile,
        client: Some(client),
        grant,
    };
    Ok((bundled, tokens))
}

/// Entries without a name are called as `-p` says.
fn named_as(session: &Session, numbered: &Profile) -> Profile {
    let usual = Profile::default();
    let number = numbered.as_str().strip_prefix(usual.as_str()).unwrap_or_default();
    let name = format!("{}{number}", session.profile());
    Profile::new(name).unwrap_or_else(|_| numbered.clone())
}

/// With what the file does not say; what it says of the client counts.
fn complete(imported: &mut Imported, given: &Given) {
    imported.client_id = imported.client_id.take().or_else(|| given.client_id.clone());
    imported.client_secret = imported.client_secret.take().or_else(|| given.client_secret.clone());
    if let Some(endpoint) = &given.token_endpoint {
        at(&mut imported.provider, endpoint);
    }
}

/// The provider elsewhere: nothing of it goes to the usual place.
fn at(provider: &mut Provider, endpoint: &EndpointUrl) {
    let same = |other: &EndpointUrl| other.origin() == endpoint.origin();
    for known in [
        &mut provider.authorization_endpoint,
        &mut provider.revocation_endpoint,
        &mut provider.developer_token_endpoint,
    ] {
        *known = known.take().filter(same);
    }
    provider.issuer = provider.issuer.take().filter(|issuer| same(issuer.url()));
    provider.token_endpoint = Some(endpoint.clone());
}

/// Who could read it may have its credentials.
fn warn_of_readers(session: &Session, path: &Path) {
    let Ok(found) = fs::metadata(path) else { return };
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        session.notice(&format!(
            "{} can be read by other users (mode {mode:04o}): chmod 600 it, or remove it",
            path.display()
        ));
    }
}

fn unusable(place: &str, error: FormatError) -> Failure {
    let hint = match (error.problem(), error.field()) {
        (Problem::Missing, Some("client_id")) => Some("name the client with --client-id ID".to_owned()),
        (Problem::Other(format), _) => Some(format!("tokenkeep profile import --from {format} FILE")),
        _ if error.entry().is_some() => Some("import the other entries by their names: --entry NAME".to_owned()),
        _ => None,
    };
    let message = format!("{place} can't be imported; nothing was written");
    Failure::caused(Exit::Failure, message, error).or_hint(|| hint)
}
