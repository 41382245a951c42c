//! URLs of Redis servers. What is wrong is said without repeating what may be a password.

use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_core::secret::Secret;
use auth_core::store::{Persistence, StoreError};

use crate::config::{Address, Login, RedisConfig, RedisOptions, Servers, TlsFiles};
use crate::error::invalid;

/// Where the password is looked for last.
const PASSWORD_VARIABLE: &str = "TOKENKEEP_REDIS_PASSWORD";

const SCHEMES: &str = "redis://HOST:PORT, redis+cluster://HOST:PORT,HOST:PORT or \
                       redis+sentinel://HOST:PORT,HOST:PORT/NAME; rediss for TLS";
const OPTIONS: &str = "prefix, durability, wait_replicas, allow_volatile_refresh_tokens, connect_timeout, \
                       answer_timeout, username, password_file, sentinel_username, sentinel_password_file, ca, cert, \
                       key";

pub(crate) fn parse(url: &str) -> Result<RedisConfig, StoreError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(SCHEMES))?;
    let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (kind, tls) = kind(scheme)?;
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((userinfo, hosts)) => (login(userinfo)?, hosts),
        None => (Login::default(), authority),
    };
    let (servers, database, port) = place(kind, path)?;
    let config = RedisConfig {
        servers,
        addresses: hosts
            .split(',')
            .map(|host| address(host, port))
            .collect::<Result<_, _>>()?,
        database,
        login,
        sentinel_login: Login::default(),
        tls: tls.then(TlsFiles::default),
        options: RedisOptions::new(),
    };
    let given = options.split('&').filter(|option| !option.is_empty());
    finish(given.into_iter().try_fold(config, with_option)?)
}

/// What the scheme names, before the path is read.
#[derive(Clone, Copy)]
enum Kind {
    Standalone,
    Cluster,
    Sentinel,
}

fn kind(scheme: &str) -> Result<(Kind, bool), StoreError> {
    let (transport, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
    let tls = match transport {
        "redis" => false,
        "rediss" => true,
        _ => return Err(invalid(SCHEMES)),
    };
    match kind {
        "" => Ok((Kind::Standalone, tls)),
        "cluster" => Ok((Kind::Cluster, tls)),
        "sentinel" => Ok((Kind::Sentinel, tls)),
        _ => Err(invalid(SCHEMES)),
    }
}

/// The servers, the database and the usual port.
fn place(kind: Kind, path: &str) -> Result<(Servers, i64, u16), StoreError> {
    match kind {
        Kind::Standalone => Ok((Servers::Standalone, database(path)?, 6379)),
        Kind::Cluster if path.is_empty() => Ok((Servers::Cluster, 0, 6379)),
        Kind::Cluster => Err(invalid("a cluster has no databases: leave out what follows the hosts")),
        Kind::Sentinel => {
            let (name, number) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err(invalid("name the primary: redis+sentinel://HOST:PORT,HOST:PORT/NAME"));
            }
            Ok((Servers::Sentinel(decoded(name)?), database(number)?, 26379))
        }
    }
}

fn database(text: &str) -> Result<i64, StoreError> {
    match text {
        "" => Ok(0),
        text => text
            .parse()
            .ok()
            .filter(|number| *number >= 0)
            .ok_or_else(|| invalid("the database is a number: redis://HOST:PORT/0")),
    }
}

fn address(text: &str, usual: u16) -> Result<Address, StoreError> {
    let wrong = || invalid("a server is HOST or HOST:PORT, and [ADDRESS]:PORT for IPv6; several are joined by commas");
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            (
                host,
                if port.is_empty() {
                    None
                } else {
                    port.strip_prefix(':').or(Some(""))
                },
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = port.map_or(Ok(usual), |port| port.parse().map_err(|_| wrong()))?;
    if host.is_empty() {
        return Err(wrong());
    }
    let host = host.to_owned();
    Ok(Address { host, port })
}

fn login(userinfo: &str) -> Result<Login, StoreError> {
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let given = |text: &str| decoded(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    Ok(Login {
        username: given(username)?,
        password: given(password)?.map(Secret::new),
    })
}

fn with_option(mut config: RedisConfig, option: &str) -> Result<RedisConfig, StoreError> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let value = decoded(value)?;
    match name {
        "prefix" => config.options = config.options.prefix(value)?,
        "durability" => config.options = config.options.durability(durability(&value)?),
        "wait_replicas" => {
            let replicas = value
                .parse()
                .map_err(|_| invalid("wait_replicas= takes a number of replicas"))?;
            config.options = config.options.wait_replicas(replicas);
        }
        "allow_volatile_refresh_tokens" => match value.as_str() {
            "true" => config.options = config.options.allow_volatile_refresh_tokens(),
            "false" => {}
            _ => return Err(invalid("allow_volatile_refresh_tokens= is true or false")),
        },
        "connect_timeout" => config.options = config.options.connect_timeout(milliseconds(&value)?),
        "answer_timeout" => config.options = config.options.answer_timeout(milliseconds(&value)?),
        "username" => config.login.username = Some(value),
        "password_file" => config.login.password = Some(password_in(Path::new(&value))?),
        "sentinel_username" => config.sentinel_login.username = Some(value),
        "sentinel_password_file" => config.sentinel_login.password = Some(password_in(Path::new(&value))?),
        "ca" | "cert" | "key" => set_tls_file(&mut config, name, value.into())?,
        "password" => {
            return Err(invalid(format!(
                "a password does not belong into a URL: use password_file=FILE or the variable {PASSWORD_VARIABLE}"
            )));
        }
        _ => return Err(invalid(format!("this option is not known; there are {OPTIONS}"))),
    }
    Ok(config)
}

fn milliseconds(text: &str) -> Result<Duration, StoreError> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number
        .map(Duration::from_millis)
        .ok_or_else(|| invalid("connect_timeout= and answer_timeout= take milliseconds, 1 at least"))
}

fn set_tls_file(config: &mut RedisConfig, name: &str, file: PathBuf) -> Result<(), StoreError> {
    let tls = config.tls.as_mut();
    let tls = tls.ok_or_else(|| invalid("ca=, cert= and key= are for TLS: begin the URL with rediss"))?;
    *match name {
        "ca" => &mut tls.authority,
        "cert" => &mut tls.certificate,
        _ => &mut tls.key,
    } = Some(file);
    Ok(())
}

fn durability(name: &str) -> Result<Persistence, StoreError> {
    match name {
        "evictable" => Ok(Persistence::Evictable),
        "until-restart" => Ok(Persistence::UntilRestart),
        "node" => Ok(Persistence::DurableNode),
        "replicated" => Ok(Persistence::DurableReplicated),
        _ => Err(invalid("durability= is evictable, until-restart, node or replicated")),
    }
}

/// The password from the environment where none was given, and what has to fit together.
fn finish(mut config: RedisConfig) -> Result<RedisConfig, StoreError> {
    if config.servers == Servers::Standalone && config.addresses.len() > 1 {
        return Err(invalid("several servers need redis+cluster:// or redis+sentinel://"));
    }
    if config.login.password.is_none() {
        config.login.password = std::env::var(PASSWORD_VARIABLE)
            .ok()
            .filter(|password| !password.is_empty())
            .map(Secret::new);
    }
    if config.login.username.is_some() && config.login.password.is_none() {
        return Err(invalid(format!(
            "a user name needs a password: password_file=FILE or the variable {PASSWORD_VARIABLE}"
        )));
    }
    match &config.tls {
        Some(tls) if tls.certificate.is_some() != tls.key.is_some() => Err(invalid(
            "cert= and key= go together: the certificate and its private key",
        )),
        _ => Ok(config),
    }
}

fn password_in(file: &Path) -> Result<Secret, StoreError> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        invalid(format!(
            "password file {} can't be read: {}",
            file.display(),
            error.kind()
        ))
    })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Secret::new(line)),
        _ => Err(invalid(format!("password file {} has no first line", file.display()))),
    }
}

fn decoded(text: &str) -> Result<String, StoreError> {
    let wrong = || invalid("an escape in the URL is not %XX, or not UTF-8");
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).ok_or_else(wrong)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        bytes.extend_from_slice(&piece.as_bytes()[2..]);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> RedisConfig {
        parse(url).unwrap()
    }

    #[test]
    fn the_three_kinds() {
        let one = parsed("redis://h/3");
        assert_eq!(
            (one.place().as_str(), one.database, one.tls.is_some()),
            ("h:6379", 3, false)
        );
        let cluster = parsed("rediss+cluster://a:1,[::1]:2");
        assert_eq!(cluster.place(), "the cluster of a:1, [::1]:2");
        assert!(cluster.tls.is_some());
        let sentinel = parsed("redis+sentinel://a,b:5/main/2");
        assert_eq!(sentinel.servers, Servers::Sentinel("main".into()));
        assert_eq!(
            (sentinel.place().as_str(), sentinel.database),
            ("primary main of the sentinels a:26379, b:5", 2)
        );
    }

    #[test]
    fn a_password_is_kept_and_not_shown() {
        let config = parsed("redis://us%40er:p%2Fw+@h");
        assert_eq!(config.login.username.as_deref(), Some("us@er"));
        assert_eq!(config.login.password.as_ref().map(Secret::expose), Some("p/w+"));
        assert!(!format!("{config:?} {}", config.place()).contains("p/w"));
    }

    #[test]
    fn a_password_file_has_it_in_its_first_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "secret one\n").unwrap();
        let config = parsed(&format!("redis://h?username=u&password_file={}", file.path().display()));
        assert_eq!(config.login.password.as_ref().map(Secret::expose), Some("secret one"));
        std::fs::write(file.path(), "").unwrap();
        assert!(parse(&format!("redis://h?password_file={}", file.path().display())).is_err());
    }

    #[test]
    fn options_are_read() {
        let config = parsed("rediss://h?prefix=team/a:&wait_replicas=2&durability=node&ca=/c&cert=/d&key=/e%20f");
        let due = RedisOptions::new().prefix("team/a:").unwrap();
        assert_eq!(
            config.options,
            due.wait_replicas(2).durability(Persistence::DurableNode)
        );
        assert_eq!(config.tls.unwrap().key, Some("/e f".into()));
        let patient = parsed("redis://h?connect_timeout=900&answer_timeout=5000&allow_volatile_refresh_tokens=true");
        let due = RedisOptions::new().connect_timeout(Duration::from_millis(900));
        let due = due.answer_timeout(Duration::from_secs(5));
        assert_eq!(patient.options, due.allow_volatile_refresh_tokens());
    }

    #[test]
    fn what_is_wrong_is_said_without_a_password() {
        for (url, hint) in [
            ("http://h", "redis+cluster"),
            ("redis:h", "redis://HOST"),
            ("redis+x://h", "redis+cluster"),
            ("redis://", "HOST:PORT"),
            ("redis://u:canary/1@h", "HOST:PORT"),
            ("redis://:canary@h:x", "HOST:PORT"),
            ("redis://:canary%zz@h", "%XX"),
            ("redis://h/x", "number"),
            ("redis://a,b", "redis+cluster"),
            ("redis+cluster://a/1", "no databases"),
            ("redis+sentinel://a", "NAME"),
            ("redis://h?password=canary", "password_file"),
            ("redis://h?nonsense=canary", "wait_replicas"),
            ("redis://h?durability=canary", "until-restart"),
            ("redis://h?wait_replicas=canary", "number"),
            ("redis://h?allow_volatile_refresh_tokens=canary", "true or false"),
            ("redis://h?connect_timeout=canary", "milliseconds"),
            ("redis://h?answer_timeout=0", "milliseconds"),
            ("redis://h?prefix={canary}", "A-Z"),
            ("redis://h?ca=/x", "rediss"),
            ("rediss://h?cert=/x", "go together"),
            ("redis://h?username=canary", "needs a password"),
            ("redis://h?password_file=/nowhere/at/all", "can't be read"),
        ] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), auth_core::store::StoreErrorKind::Invalid, "{url}");
            let text = error.to_string();
            assert!(text.contains(hint) && !text.contains("canary"), "{url}: {text}");
        }
    }
}
