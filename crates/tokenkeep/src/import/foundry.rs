//! palantir-oauth-client's `~/.foundry/oauth`: INI, a section per host or host:port, and `DEFAULT`; options
//! `token_uri`, `client_id`, `client_secret`, `scopes` with commas between, `refresh_token`.

use auth_core::{Profile, Secret, Target};

use super::error::{FormatError, Problem};
use super::fields::{credential, required, scopes};
use super::ini::{Ini, Section, escaped};
use super::{Entry, Imported, ImportedToken, Written, export, providers};
use auth_core::secret::SecretBytes;

/// The options in the order in which they are written.
const OPTIONS: [&str; 5] = ["token_uri", "client_id", "client_secret", "scopes", "refresh_token"];

pub(super) fn is_one(text: &str) -> bool {
    let ini = Ini::parse(text);
    ini.is_ok_and(|ini| {
        let sections = ini.sections().chain(ini.defaults());
        let mut known = sections.map(|section| ini.value(section, "token_uri"));
        known.any(|found| !matches!(found, Ok(None)))
    })
}

pub(super) fn read(text: &str) -> Result<Vec<Entry>, FormatError> {
    let ini = Ini::parse(text)?;
    // What is inherited is an entry of its own where there is nothing to inherit it.
    let alone = ini.defaults().filter(|_| ini.sections().next().is_none());
    let sections = ini.sections().chain(alone);
    Ok(sections.map(|section| entry(&ini, section)).collect())
}

fn entry(ini: &Ini, section: &Section) -> Entry {
    let found = imported(ini, section).map_err(|error| error.within(&section.name));
    Entry {
        name: section.name.clone(),
        found,
    }
}

fn imported(ini: &Ini, section: &Section) -> Result<Imported, FormatError> {
    let option = |name| match ini.value(section, name)? {
        Some(value) => credential(name, value),
        None => Ok(None),
    };
    let token_uri = required("token_uri", option("token_uri")?)?;
    let mut imported = Imported::new(
        Profile::from_foreign(&section.name),
        providers::foundry(token_uri.expose())?,
    );
    imported.client_id = Some(required("client_id", option("client_id")?)?.expose().to_owned());
    imported.client_secret = option("client_secret")?;
    if let Some(listed) = ini.value(section, "scopes")? {
        imported.target = Target::new().scopes(scopes(listed.expose(), |c| c == ',')?);
    }
    imported.refresh_token = option("refresh_token")?;
    if let Some(token) = option("access_token")? {
        let token = ImportedToken::bearer(imported.target.clone(), token);
        imported.tokens.push(token);
    }
    Ok(imported)
}

/// Writes them as `configparser` does, a percent sign doubled, so that it comes back as one.
pub(super) fn write(profiles: &[Imported]) -> Written {
    let mut text = Vec::with_capacity(64 * 1024);
    let mut sections = Vec::new();
    for profile in profiles {
        let within = |error: FormatError| error.within(profile.profile.as_str());
        let section = host(profile).map_err(within)?;
        if sections.contains(&section) {
            let problem = Problem::Unwritable("is the same host as another profile's, and a host has one place");
            return Err(within(FormatError::of_field("token_uri", problem)));
        }
        let options = options(profile).map_err(within)?;
        text.extend(format!("[{section}]\n").into_bytes());
        for (name, value) in OPTIONS.into_iter().zip(options) {
            if let Some(value) = value {
                text.extend(format!("{name} = {}\n", escaped(&value)).into_bytes());
            }
        }
        text.push(b'\n');
        sections.push(section);
    }
    Ok(SecretBytes::new(text))
}

fn options(imported: &Imported) -> Result<[Option<String>; 5], FormatError> {
    let endpoint = required("token_uri", imported.provider.token_endpoint.as_ref())?;
    let client_id = required("client_id", imported.client_id.clone())?;
    if imported.target.scope_names().any(|scope| scope.contains(',')) {
        let problem = Problem::Unwritable("has a comma, which stands between scopes there");
        return Err(FormatError::of_field("scopes", problem));
    }
    let scopes: Vec<&str> = imported.target.scope_names().collect();
    let exposed = |secret: &Option<Secret>| export::exposed(secret.as_ref()).map(str::to_owned);
    Ok([
        Some(endpoint.as_str().to_owned()),
        Some(client_id),
        exposed(&imported.client_secret),
        Some(scopes.join(",")),
        exposed(&imported.refresh_token),
    ])
}

/// The section under which palantir-oauth-client looks: host, and port where one is written.
fn host(imported: &Imported) -> Result<String, FormatError> {
    export::same_provider(imported, "foundry")?;
    let endpoint = required("token_uri", imported.provider.token_endpoint.as_ref())?;
    let url = endpoint.as_url();
    let host = required("token_uri", url.host_str())?;
    Ok(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::ini::DEFAULT;
    use super::*;

    #[test]
    fn what_others_inherit_is_no_entry_unless_it_is_alone() {
        let names = |text: &str| -> Vec<String> { read(text).unwrap().into_iter().map(|entry| entry.name).collect() };
        assert_eq!(names("[DEFAULT]\nclient_id = a\n[h]\ntoken_uri = https://h/t\n"), ["h"]);
        assert_eq!(names("[DEFAULT]\ntoken_uri = https://h/t\nclient_id = a\n"), [DEFAULT]);
    }
}
