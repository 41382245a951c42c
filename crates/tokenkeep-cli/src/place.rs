//! What a store is called in messages and in records that move: without secrets, and
//! the same whatever the spelling of its URL.

use std::path::{Path, PathBuf};

use tokenkeep::TokenStore;
use tokenkeep::store::Persistence;
use tokenkeep::store::json::JsonConfig;

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// What schemes begin with, and the parameters that tell one store from another at the
/// same address, with their usual values.
const NAMES: [(&str, &str, &str); 5] = [
    ("memcached", "namespace", "tokenkeep"),
    ("mongodb", "collection", "tokens"),
    ("mongodb", "namespace", "tokenkeep"),
    ("redis", "prefix", "tokenkeep:"),
    ("sqlite", "namespace", "default"),
];

/// MongoDB's database, where neither the path nor a parameter names one.
const USUAL_DATABASE: &str = "tokenkeep";

/// A store's name: its scheme, and its file or its servers, without user, password and
/// parameters other than those that tell one store from another.
pub(crate) fn label(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let place = match place.strip_prefix("//") {
        Some(rest) => servers_and_path(scheme, rest, parameters),
        None => file(scheme, place),
    };
    let parameters = names(scheme, parameters);
    format!("{scheme}:{place}{parameters}")
}

/// Refuses a store that ends with this command, for what is to stay.
pub(crate) fn must_last(store: &dyn TokenStore, label: &str) -> Result<()> {
    if store.capabilities().persistence != Persistence::Memory {
        return Ok(());
    }
    let message = format!("{label} ends with this command, and all that was moved there with it");
    Err(Failure::new(Exit::Configuration, message).hint("name a store that lasts, as json:PATH"))
}

fn servers_and_path(scheme: &str, rest: &str, parameters: &str) -> String {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut hosts: Vec<String> = hosts.split(',').map(|host| with_port(scheme, host)).collect();
    hosts.sort_unstable();
    let path = decoded(scheme, path.trim_end_matches('/'));
    let path = match scheme {
        "redis" | "rediss" => database_number(&path),
        "redis+sentinel" | "rediss+sentinel" => match path.split_once('/') {
            Some((name, number)) if database_number(number) == "0" => name.to_owned(),
            _ => path,
        },
        _ if scheme.starts_with("mongodb") => database(path, parameters),
        _ => path,
    };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("//{}{slash}{path}", hosts.join(","))
}

/// Redis's.
fn database_number(text: &str) -> String {
    let number = if text.is_empty() { Ok(0) } else { text.parse::<u64>() };
    number.map_or_else(|_| text.to_owned(), |number| number.to_string())
}

/// MongoDB's.
fn database(path: String, parameters: &str) -> String {
    let named = parameter("mongodb", parameters, "database").unwrap_or(path);
    if named.is_empty() {
        USUAL_DATABASE.to_owned()
    } else {
        named
    }
}

fn with_port(scheme: &str, host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let port = match scheme {
        "memcached" => "11211",
        "mongodb" => "27017",
        "redis+sentinel" | "rediss+sentinel" => "26379",
        _ if scheme.starts_with("redis") => "6379",
        _ => "",
    };
    if has_port || port.is_empty() {
        return host;
    }
    format!("{host}:{port}")
}

/// The path as the file system knows it, as far as it is there yet.
fn file(scheme: &str, path: &str) -> String {
    let path = match path {
        "" => usual_file(scheme),
        path => Some(PathBuf::from(path)),
    };
    path.map(|path| canonical(&path).display().to_string())
        .unwrap_or_default()
}

fn usual_file(scheme: &str) -> Option<PathBuf> {
    match scheme {
        "json" => Some(JsonConfig::in_data_folder().ok()?.path().to_owned()),
        #[cfg(feature = "sqlite")]
        "sqlite" => {
            let usual = tokenkeep::store::sqlite::SqliteConfig::in_data_folder();
            Some(usual.ok()?.path().to_owned())
        }
        _ => None,
    }
}

fn canonical(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => canonical(folder).join(name),
        _ => path,
    }
}

fn names(scheme: &str, parameters: &str) -> String {
    let kept = NAMES.iter().filter(|(schemes, ..)| scheme.starts_with(schemes));
    let kept = kept.filter_map(|(_, name, usual)| {
        let value = parameter(scheme, parameters, name).filter(|value| value != usual)?;
        Some(format!("{name}={value}"))
    });
    let kept: Vec<String> = kept.collect();
    if kept.is_empty() {
        return String::new();
    }
    format!("?{}", kept.join("&"))
}

/// The value that counts: of several the last.
fn parameter(scheme: &str, parameters: &str, name: &str) -> Option<String> {
    let mut values = parameters.split('&').filter_map(|parameter| {
        let (known, value) = parameter.split_once('=')?;
        (known == name).then_some(value)
    });
    values.next_back().map(|value| decoded(scheme, value))
}

/// Only the URLs of these servers have escapes, and a plus sign stands for itself.
fn decoded(scheme: &str, text: &str) -> String {
    if !scheme.starts_with("mongodb") && !scheme.starts_with("redis") {
        return text.to_owned();
    }
    let pair = format!("text={}", text.replace('&', "%26").replace('+', "%2B"));
    let mut pairs = url::form_urlencoded::parse(pair.as_bytes());
    pairs.next().map(|(_, text)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_for_every_spelling() {
        for (url, name) in [
            ("redis://u:canary@H:6379/0?wait_replicas=1", "redis://h:6379/0"),
            ("redis://h", "redis://h:6379/0"),
            ("redis://h/", "redis://h:6379/0"),
            ("rediss://[::1]/2?prefix=a:&ca=/x", "rediss://[::1]:6379/2?prefix=a:"),
            ("redis://h?prefix=tokenkeep:", "redis://h:6379/0"),
            ("redis+sentinel://b,a:1/main", "redis+sentinel://a:1,b:26379/main"),
            ("memcached://B,a:1?plaintext=allow", "memcached://a:1,b:11211"),
            (
                "mongodb://u:canary@b@h/x?collection=c&tls=true",
                "mongodb://h:27017/x?collection=c",
            ),
            ("mongodb+srv://H/", "mongodb+srv://h/tokenkeep"),
            (
                "mongodb://h/?namespace=default",
                "mongodb://h:27017/tokenkeep?namespace=default",
            ),
            (
                "mongodb://h?namespace=eu&namespace=tokenkeep",
                "mongodb://h:27017/tokenkeep",
            ),
            ("mongodb://h/x?w=1", "mongodb://h:27017/x"),
            (
                "mongodb://h/a+b?collection=c=%26d",
                "mongodb://h:27017/a+b?collection=c=&d",
            ),
            ("mongodb://h/?database=x", "mongodb://h:27017/x"),
            ("mongodb://h/y?database=%78", "mongodb://h:27017/x"),
            (
                "memcached://a?namespace=default",
                "memcached://a:11211?namespace=default",
            ),
            ("memcached://a?namespace=tokenkeep", "memcached://a:11211"),
            ("redis://h/03?prefix=a%3A", "redis://h:6379/3?prefix=a:"),
            ("redis+sentinel://a/main/0", "redis+sentinel://a:26379/main"),
            ("redis+sentinel://a/main/1", "redis+sentinel://a:26379/main/1"),
            ("json:/none/../none/t.json?create=no", "json:/none/../none/t.json"),
            ("sqlite:/none/t?namespace=eu", "sqlite:/none/t?namespace=eu"),
            ("sqlite:/none/t?namespace=default", "sqlite:/none/t"),
            (
                "sqlite:/none/t?namespace=tokenkeep",
                "sqlite:/none/t?namespace=tokenkeep",
            ),
            ("memory:", "memory:"),
        ] {
            assert_eq!(label(url), name, "{url}");
        }
    }

    #[test]
    fn the_usual_values_are_those_of_the_stores() {
        use tokenkeep::store;

        let config = |url: &str| match url.split(':').next().unwrap() {
            #[cfg(feature = "memcached")]
            "memcached" => format!("{:?}", store::memcached::MemcachedConfig::from_url(url).unwrap()),
            #[cfg(feature = "mongo")]
            "mongodb" => format!("{:?}", store::mongo::MongoConfig::from_url(url).unwrap()),
            "redis" => format!("{:?}", store::redis::RedisConfig::from_url(url).unwrap()),
            #[cfg(feature = "sqlite")]
            "sqlite" => format!("{:?}", store::sqlite::SqliteConfig::from_url(url).unwrap()),
            _ => String::new(),
        };
        for (scheme, name, usual) in NAMES {
            let url = if scheme == "sqlite" {
                "sqlite:/none/t".to_owned()
            } else {
                format!("{scheme}://h")
            };
            let url = url.replace("memcached://h", "memcached://[::1]");
            assert_eq!(
                config(&url),
                config(&format!("{url}?{name}={usual}")),
                "{scheme} {name}"
            );
        }
    }

    #[test]
    fn a_file_has_the_path_that_it_is_found_at() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::os::unix::fs::symlink(&real, real.join("link")).unwrap();
        let name = format!("json:{}", real.join("t.json").display());
        let linked = format!("json:{}", real.join("link/./t.json").display());
        assert_eq!(label(&linked), name, "before it is there");
        std::fs::write(real.join("t.json"), "").unwrap();
        assert_eq!(label(&linked), name);
    }
}
