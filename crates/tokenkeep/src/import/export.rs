//! Writing files as their clients read them.

use auth_core::Secret;
use auth_core::secret::SecretBytes;

use super::error::{FormatError, Problem};
use super::{Format, Imported, foundry, globus, pancloud};

/// Writes the file that the client of this format reads.
///
/// # Errors
/// [`FormatError`] names the profile and what of it the format can't hold, or its client would not read:
/// another provider's login (it would go to the wrong server), two profiles in one place, characters that do not
/// come back. yup-oauth2's format is read only.
pub fn write(format: Format, profiles: &[Imported]) -> Result<SecretBytes, FormatError> {
    match format {
        Format::Pancloud => pancloud::write(profiles),
        Format::Foundry => foundry::write(profiles),
        Format::Globus => globus::write(profiles),
        Format::Yup => Err(FormatError::of_file(Problem::Unwritable("this format is read only"))),
    }
}

/// What of a profile does not get into the file, in words.
pub fn lost(format: Format, profile: &Imported) -> Vec<&'static str> {
    let others = profile.tokens.iter().any(|token| token.target != profile.target);
    let id_token = profile.tokens.iter().any(|token| token.id_token.is_some());
    let expiry = profile.tokens.iter().any(|token| token.expires_at.is_some());
    let endpoint = profile.provider.token_endpoint.is_some();
    let scopes = profile.target.scope_names().next().is_some();
    let client = profile.client_id.is_some();
    let losses: &[(bool, &'static str)] = match format {
        Format::Pancloud => &[
            (endpoint, "the token endpoint: pancloud has its own"),
            (expiry, "when the access token ends, but for what it says itself"),
            (others, "access tokens for other targets"),
            (scopes, "scopes"),
            (id_token, "the ID token"),
        ],
        Format::Foundry => &[
            (!profile.tokens.is_empty(), "the access token: the first use refreshes"),
            (!scopes, "that there are no scopes: an empty one is asked for"),
        ],
        Format::Globus => &[(client, "the client id and its secret"), (id_token, "the ID token")],
        Format::Yup => &[],
    };
    losses
        .iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, what)| *what)
        .collect()
}

/// The client sends what it reads to its own server, so it must be that server's.
pub(super) fn same_provider(imported: &Imported, name: &str) -> Result<(), FormatError> {
    if imported.provider.name == name {
        return Ok(());
    }
    Err(FormatError::of_field(
        "provider",
        Problem::Unwritable("is another one: this client would send the credentials to its own"),
    ))
}

/// As Python writes JSON: everything else than ASCII is escaped.
pub(super) fn in_ascii(json: &[u8]) -> SecretBytes {
    let mut written = Vec::with_capacity(json.len() * 6);
    let mut units = [0; 2];
    for character in String::from_utf8_lossy(json).chars() {
        if character.is_ascii() {
            written.push(character as u8);
            continue;
        }
        for unit in character.encode_utf16(&mut units) {
            written.extend(format!("\\u{unit:04x}").into_bytes());
        }
    }
    SecretBytes::new(written)
}

/// What is written of a secret that may be absent.
pub(super) fn exposed(secret: Option<&Secret>) -> Option<&str> {
    secret.map(Secret::expose)
}
