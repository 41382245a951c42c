//! yup-oauth2's token cache: a JSON array of `{"scopes": […], "token": {…}}`, in no order. Entries have no names.

mod time;

use auth_core::{Profile, Target};

use super::error::{FormatError, Problem};
use super::fields::scopes;
use super::json::{Json, Object};
use super::{Entry, Imported, ImportedToken, providers};

const NAME: &str = "default";

pub(super) fn is_one(json: &Json) -> bool {
    let Json::List(list) = json else { return false };
    let is_entry = |item: &Json| {
        item.as_object()
            .is_some_and(|item| item.has("scopes") && item.has("token"))
    };
    !list.is_empty() && list.iter().all(is_entry)
}

pub(super) fn read(file: Json) -> Result<Vec<Entry>, FormatError> {
    let Json::List(list) = file else {
        return Err(FormatError::of_file(Problem::Kind("a JSON array")));
    };
    let mut found = Vec::new();
    for (number, item) in (1..).zip(list) {
        let place = format!("number {number}");
        let read = item.object().and_then(scopes_and_token);
        found.push(read.map_err(|error: FormatError| error.within(&place))?);
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(FormatError::of_entry(&pair[0].0.join(" "), Problem::Twice));
    }
    let alone = found.len() == 1;
    let named = (1..).zip(found).map(|(number, (scopes, token)): (u32, _)| {
        let profile = if alone {
            Profile::default()
        } else {
            Profile::from_parts([NAME, &number.to_string()])
        };
        let name = profile.as_str().to_owned();
        let found = imported(profile, scopes, token).map_err(|error| error.within(&name));
        Entry { name, found }
    });
    Ok(named.collect())
}

fn scopes_and_token(mut entry: Object) -> Result<(Vec<String>, Object), FormatError> {
    let Some(Json::List(list)) = entry.take("scopes")? else {
        return Err(FormatError::of_field("scopes", Problem::Kind("a list")));
    };
    let mut words = Vec::new();
    for item in list {
        let Json::Text(text) = item else {
            return Err(FormatError::of_field("scopes", Problem::Kind("a list of texts")));
        };
        words.extend(scopes(text.expose(), char::is_whitespace)?);
    }
    words.sort();
    words.dedup();
    Ok((words, entry.take_object("token")?))
}

fn imported(profile: Profile, scopes: Vec<String>, mut token: Object) -> Result<Imported, FormatError> {
    let mut imported = Imported::new(profile, providers::google()?);
    imported.target = Target::new().scopes(scopes.clone());
    imported.refresh_token = token.credential("refresh_token")?;
    if let Some(access_token) = token.credential("access_token")? {
        let mut access = ImportedToken::bearer(imported.target.clone(), access_token);
        access.scopes = scopes;
        access.expires_at = time::expiry(&mut token)?;
        access.id_token = token.credential("id_token")?;
        if let Some(token_type) = token.word("token_type")? {
            access.token_type = token_type;
        }
        imported.tokens.push(access);
    }
    if imported.refresh_token.is_none() && imported.tokens.is_empty() {
        return Err(FormatError::of_file(Problem::Empty));
    }
    Ok(imported)
}
