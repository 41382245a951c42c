//! Credentials in a file or on stdin: a JSON object, or lines of KEY=VALUE.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tokenkeep::Secret;
use tokenkeep::import::Format;

use crate::args::init::Init;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;

const KEYS: &str = "access_token, client_id, client_secret, refresh_token, provider, domain, issuer, token_endpoint, \
                    authorization_endpoint, revocation_endpoint, rotation, default_lifetime, client_auth, scope, \
                    audience, resource";
/// Keys are shown only if they can be no secret: short, and letters alone.
const SHOWN_MAX: usize = 40;

/// The secrets among the credentials.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) access_token: Option<Secret>,
    pub(super) client_secret: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
}

impl Credentials {
    pub(super) fn has_tokens(&self) -> bool {
        self.access_token.is_some() || self.refresh_token.is_some()
    }
}

/// Reads them; what is no secret goes to the arguments that are not given, as if it had
/// been given so.
pub(super) async fn read(from: &Path, args: &mut Init) -> Result<Credentials> {
    let stdin = from == Path::new("-");
    let place = if stdin {
        "stdin".to_owned()
    } else {
        format!("file {}", from.display())
    };
    let text = if stdin {
        input::text().await?
    } else {
        input::text_file(from)?
    };
    let pairs = pairs(text.expose()).map_err(|problem| {
        let hint = match Format::detect(text.expose().as_bytes()) {
            Some(format) => format!(
                "a file of another client: tokenkeep profile import --from {} FILE",
                format.as_str()
            ),
            None => "write a JSON object, or lines of KEY=VALUE; # begins a comment line".to_owned(),
        };
        Failure::new(Exit::Configuration, format!("the credentials in {place}: {problem}")).hint(hint)
    })?;
    let mut credentials = Credentials::default();
    let (mut seen, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for Pair { key, values } in pairs {
        if !seen.insert(key.clone()) {
            let message = format!("the credentials in {place}: {} is there twice", shown(&key));
            return Err(Failure::new(Exit::Configuration, message));
        }
        if !fill(args, &mut credentials, &key, values)? {
            unknown.insert(shown(&key));
        }
    }
    if unknown.is_empty() {
        return Ok(credentials);
    }
    let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("the credentials in {place} have keys that are not known: {names}");
    Err(Failure::new(Exit::Configuration, message).hint(format!("there are {KEYS}")))
}

/// One key with its value; a JSON array gives several.
struct Pair {
    key: String,
    values: Vec<Secret>,
}

/// `false` if the key is not known.
fn fill(args: &mut Init, credentials: &mut Credentials, key: &str, values: Vec<Secret>) -> Result<bool> {
    let Init {
        server, client, target, ..
    } = args;
    let words = |slot: &mut Vec<String>, values: &[Secret]| {
        if slot.is_empty() {
            slot.extend(values.iter().map(|value| value.expose().to_owned()));
        }
    };
    match key {
        "scope" | "scopes" => words(&mut target.scope, &values),
        "resource" | "resources" => words(&mut target.resource, &values),
        _ => {
            let slot = match key {
                "client_id" => &mut client.client_id,
                "client_auth" => &mut client.client_auth,
                "provider" => &mut server.provider,
                "domain" => &mut server.domain,
                "issuer" => &mut server.issuer,
                "token_endpoint" => &mut server.token_endpoint,
                "authorization_endpoint" => &mut server.authorization_endpoint,
                "revocation_endpoint" => &mut server.revocation_endpoint,
                "rotation" => &mut server.rotation,
                "audience" => &mut target.audience,
                _ => return fill_other(args, credentials, key, values),
            };
            let value = one(key, values)?;
            slot.get_or_insert_with(|| value.expose().to_owned());
        }
    }
    Ok(true)
}

fn fill_other(args: &mut Init, credentials: &mut Credentials, key: &str, values: Vec<Secret>) -> Result<bool> {
    let slot = match key {
        "access_token" => &mut credentials.access_token,
        "client_secret" => &mut credentials.client_secret,
        "refresh_token" => &mut credentials.refresh_token,
        "default_lifetime" => {
            let seconds = one(key, values)?.expose().parse();
            let seconds = seconds.map_err(|_| unusable(key, "write a number of seconds"))?;
            args.server.default_lifetime.get_or_insert(seconds);
            return Ok(true);
        }
        _ => return Ok(false),
    };
    *slot = Some(one(key, values)?).filter(|value| !value.is_empty());
    Ok(true)
}

fn one(key: &str, mut values: Vec<Secret>) -> Result<Secret> {
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value),
        _ => Err(unusable(key, "write one text")),
    }
}

fn unusable(key: &str, why: &str) -> Failure {
    Failure::new(Exit::Configuration, format!("{key} can't be used: {why}"))
}

fn pairs(text: &str) -> Result<Vec<Pair>, String> {
    if text.trim_start().starts_with('{') {
        of_json(text)
    } else {
        text.lines()
            .enumerate()
            .filter_map(|(index, line)| of_line(index + 1, line).transpose())
            .collect()
    }
}

fn of_json(text: &str) -> Result<Vec<Pair>, String> {
    let members: serde_json::Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| format!("no JSON object (line {}, column {})", error.line(), error.column()))?;
    let mut pairs = Vec::new();
    for (key, value) in members {
        let values = match value {
            Value::Null => continue,
            Value::Array(values) => values.into_iter().map(text_of).collect(),
            value => text_of(value).map(|text| vec![text]),
        };
        let values = values.ok_or_else(|| format!("{} is neither text nor a list of texts", shown(&key)))?;
        pairs.push(Pair {
            key: normal(&key),
            values,
        });
    }
    Ok(pairs)
}

fn text_of(value: Value) -> Option<Secret> {
    match value {
        Value::String(text) => Some(Secret::new(text)),
        Value::Number(number) => Some(Secret::new(number.to_string())),
        _ => None,
    }
}

fn of_line(number: usize, line: &str) -> Result<Option<Pair>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    // What is in the line may be a secret.
    let (key, value) = line
        .split_once('=')
        .ok_or_else(|| format!("line {number} is not KEY=VALUE"))?;
    let value = unquoted(value.trim()).ok_or_else(|| format!("line {number} has a quote that does not end"))?;
    if value.is_empty() {
        return Ok(None);
    }
    Ok(Some(Pair {
        key: normal(key.trim()),
        values: vec![Secret::new(value)],
    }))
}

fn unquoted(value: &str) -> Option<&str> {
    let quote = ['"', '\''].into_iter().find(|quote| value.starts_with(*quote));
    match quote {
        Some(quote) => value.strip_prefix(quote)?.strip_suffix(quote),
        None => Some(value),
    }
}

/// `TOKENKEEP_CLIENT_ID`, `CLIENT_ID` and `client_id` are one.
fn normal(key: &str) -> String {
    let key = key.to_ascii_lowercase();
    key.strip_prefix("tokenkeep_").map(str::to_owned).unwrap_or(key)
}

fn shown(key: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphabetic() || "_-.".contains(c);
    if !key.is_empty() && key.len() <= SHOWN_MAX && key.chars().all(harmless) {
        key.to_owned()
    } else {
        "one that may be a secret itself".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Vec<String>)>, String> {
        let texts = |pair: Pair| {
            (
                pair.key,
                pair.values.iter().map(|value| value.expose().to_owned()).collect(),
            )
        };
        pairs(text).map(|pairs| pairs.into_iter().map(texts).collect())
    }

    fn pair(key: &str, values: &[&str]) -> (String, Vec<String>) {
        (key.into(), values.iter().map(|&value| value.into()).collect())
    }

    #[test]
    fn lines() {
        let text = "# mine\n\nexport TOKENKEEP_CLIENT_ID = app\nscope='a b'\r\nCLIENT_SECRET=\"x=#y\"\naudience=\n";
        let pairs = [
            pair("client_id", &["app"]),
            pair("scope", &["a b"]),
            pair("client_secret", &["x=#y"]),
        ];
        assert_eq!(read(text), Ok(pairs.to_vec()));
    }

    #[test]
    fn json() {
        let text = r#" {"scope": ["a", "b"], "default_lifetime": 60, "issuer": null}"#;
        let pairs = [pair("default_lifetime", &["60"]), pair("scope", &["a", "b"])];
        assert_eq!(read(text), Ok(pairs.to_vec()));
    }

    #[test]
    fn nothing_of_a_broken_text_is_shown() {
        for text in [
            "canary",
            "client_id=x\ncanary canary",
            "{\"client_secret\": canary}",
            "{\"client_secret\": {\"canary\": 1}}",
            "client_secret='canary",
            "[\"canary\"]",
        ] {
            let problem = read(text).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
        assert!(!shown("c2VjcmV0LXRva2Vu1").contains("c2V"));
    }
}
