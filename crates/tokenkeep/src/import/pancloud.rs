//! pancloud's `credentials.json`, a database of `tinydb` 3: `{"profiles": {ID: {…}}}`, each document one profile by
//! its field `profile`, the other four fields text or null.

use auth_core::{Profile, Secret, Target, provider};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use zeroize::Zeroizing;

use super::error::{FormatError, Problem};
use super::fields::required;
use super::json::{Json, Object};
use super::{Entry, Imported, ImportedToken, Written, export, jwt};

const TABLE: &str = "profiles";

pub(super) fn is_one(json: &Json) -> bool {
    let documents = json.as_object().and_then(|file| file.get(TABLE));
    documents.is_some_and(|documents| documents.as_object().is_some())
}

pub(super) fn read(file: Json) -> Result<Vec<Entry>, FormatError> {
    let documents = file.object()?.take_object(TABLE)?.into_members();
    documents
        .into_iter()
        .map(|(id, document)| entry(&id, document))
        .collect()
}

/// A document without a name can be no entry: nobody could ask for it.
fn entry(id: &str, document: Json) -> Result<Entry, FormatError> {
    let nameless = |error: FormatError| error.within(&format!("document {id}"));
    let mut document = document.object().map_err(nameless)?;
    let name = document.take("profile").map_err(nameless)?;
    let Some(Json::Text(name)) = name else {
        return Err(nameless(FormatError::of_field("profile", Problem::Kind("a text"))));
    };
    let name = name.expose().to_owned();
    let found = imported(&name, document).map_err(|error| error.within(&name));
    Ok(Entry { name, found })
}

fn imported(name: &str, mut document: Object) -> Result<Imported, FormatError> {
    let mut imported = Imported::new(Profile::from_foreign(name), provider::pancloud());
    imported.client_id = document.word("client_id")?;
    imported.client_secret = document.credential("client_secret")?;
    imported.refresh_token = document.credential("refresh_token")?;
    if let Some(token) = document.credential("access_token")? {
        let mut token = ImportedToken::bearer(Target::new(), token);
        token.expires_at = jwt::expiry(&token.token);
        imported.tokens.push(token);
    }
    // pancloud refreshes with all three or not at all; an access token is good by itself.
    let any = imported.client_id.is_some() || imported.client_secret.is_some() || imported.refresh_token.is_some();
    if any {
        required("client_id", imported.client_id.as_ref())?;
        required("client_secret", imported.client_secret.as_ref())?;
    } else if imported.tokens.is_empty() {
        return Err(FormatError::of_file(Problem::Empty));
    }
    Ok(imported)
}

/// Writes them as pancloud does: four spaces, sorted, no line end.
pub(super) fn write(profiles: &[Imported]) -> Written {
    let documents: Result<Vec<_>, _> = profiles.iter().map(document).collect();
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let mut serializer = Serializer::with_formatter(&mut *bytes, PrettyFormatter::with_indent(b"    "));
    let file = File {
        profiles: Documents(documents?),
    };
    file.serialize(&mut serializer)
        .map_err(|error| FormatError::io(error.into()))?;
    Ok(export::in_ascii(&bytes))
}

fn document(imported: &Imported) -> Result<Document<'_>, FormatError> {
    let within = |error: FormatError| error.within(imported.profile.as_str());
    export::same_provider(imported, "pancloud").map_err(within)?;
    let client_id = imported.client_id.as_deref();
    if imported.refresh_token.is_some() {
        required("client_secret", imported.client_secret.as_ref()).map_err(within)?;
    }
    let nothing = client_id.is_none() && imported.own_token().is_none();
    if nothing {
        return Err(within(FormatError::of_file(Problem::Empty)));
    }
    Ok(Document {
        access_token: imported.own_token().map(|token| token.token.expose()),
        client_id,
        client_secret: imported.client_secret.as_ref().map(Secret::expose),
        profile: imported.profile.to_foreign(),
        refresh_token: imported.refresh_token.as_ref().map(Secret::expose),
    })
}

#[derive(Serialize)]
struct File<'a> {
    profiles: Documents<'a>,
}

/// By their numbers, from 1.
struct Documents<'a>(Vec<Document<'a>>);

/// The fields in the order in which pancloud sorts them.
#[derive(Serialize)]
struct Document<'a> {
    access_token: Option<&'a str>,
    client_id: Option<&'a str>,
    client_secret: Option<&'a str>,
    profile: String,
    refresh_token: Option<&'a str>,
}

impl Serialize for Documents<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            (1..)
                .zip(&self.0)
                .map(|(id, document): (u64, _)| (id.to_string(), document)),
        )
    }
}
