//! What a store is called in messages and in records that move: without secrets, and
//! the same whatever the spelling of its URL.

use std::path::{Path, PathBuf};

use tokenkeep::TokenStore;
use tokenkeep::store::Persistence;
use tokenkeep::store::json::JsonConfig;

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// The parameters that tell one store from another at the same address, with their
/// usual values.
const NAMES: [(&str, &str, &[&str]); 4] = [
    ("collection", "mongodb", &["tokens"]),
    ("database", "mongodb", &["tokenkeep"]),
    ("namespace", "", &["default", "tokenkeep"]),
    ("prefix", "redis", &["tokenkeep:"]),
];

/// A store's name: its scheme, and its file or its servers, without user, password and
/// parameters other than those that tell one store from another.
pub(crate) fn label(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else {
        return url.to_owned();
    };
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let place = match place.strip_prefix("//") {
        Some(servers) => format!("//{}", servers_and_path(scheme, servers)),
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

fn servers_and_path(scheme: &str, rest: &str) -> String {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (_, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let mut hosts: Vec<String> = hosts.split(',').map(|host| with_port(scheme, host)).collect();
    hosts.sort_unstable();
    let path = path.trim_end_matches('/');
    let path = match scheme {
        "redis" | "rediss" if path.is_empty() => "0",
        _ => path,
    };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("{}{slash}{path}", hosts.join(","))
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
    let mut kept: Vec<&str> = parameters
        .split('&')
        .filter(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            NAMES
                .iter()
                .any(|(known, schemes, usual)| *known == name && scheme.starts_with(schemes) && !usual.contains(&value))
        })
        .collect();
    kept.sort_unstable();
    if kept.is_empty() {
        return String::new();
    }
    format!("?{}", kept.join("&"))
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
            ("mongodb+srv://H/", "mongodb+srv://h"),
            ("json:/none/../none/t.json?create=no", "json:/none/../none/t.json"),
            ("sqlite:/none/t?namespace=eu", "sqlite:/none/t?namespace=eu"),
            ("sqlite:/none/t?namespace=default", "sqlite:/none/t"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(label(url), name, "{url}");
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
