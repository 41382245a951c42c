//! Why a command failed, and what to do.

use std::error::Error;
use std::io;
use std::sync::Arc;

use auth_core::store::StoreErrorKind;
use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::link::Failed;

/// What it is, and what to do.
pub(crate) fn of(failed: &Failed) -> (StoreErrorKind, String) {
    let error = &failed.error;
    if let Some(cause) = tls_cause(error) {
        return cause;
    }
    let code = code(error).unwrap_or_default();
    if code == "NOPERM" {
        return (StoreErrorKind::Denied, missing_permission(&detail(error)));
    }
    let (kind, advice) = of_error(error, &code)
        .or_else(|| of_code(&code))
        .unwrap_or_else(|| of_connection(failed));
    (kind, advice.to_owned())
}

/// What the kind of error says, or the text of an answer.
fn of_error(error: &RedisError, code: &str) -> Option<(StoreErrorKind, &'static str)> {
    Some(match (error.kind(), code) {
        // So older servers say it where a script is stopped, without naming the command.
        (_, "ERR") if detail(error).contains("user executing the script") => (
            StoreErrorKind::Denied,
            "the user may not run what the scripts call: ACL SETUSER USER +hget +hset +exists +del +persist +pexpireat \
             +set +get +pexpire +pttl, and ~PREFIX*",
        ),
        (_, "ERR") if detail(error).contains("cluster support disabled") => (
            StoreErrorKind::Invalid,
            "this server is in no cluster: redis:// for one server",
        ),
        (ErrorKind::AuthenticationFailed, _) => (StoreErrorKind::Denied, WRONG_PASSWORD),
        // The driver's words for a database that it may not choose, or that there is not.
        (ErrorKind::Server(ServerErrorKind::ResponseError), "") => (
            StoreErrorKind::Denied,
            "the server refused the database: is its number below the server's `databases`, and may the user run \
             +select?",
        ),
        (ErrorKind::MasterNameNotFoundBySentinel, _) => (
            StoreErrorKind::Unavailable,
            "no sentinel answers, or none knows a primary of this name now",
        ),
        (ErrorKind::InvalidClientConfig, _) => (
            StoreErrorKind::Invalid,
            "the driver does not take this address: redis+sentinel:// names sentinels (port 26379), redis:// one server",
        ),
        (ErrorKind::Parse, _) => (
            StoreErrorKind::Unavailable,
            "does not answer as Redis does: is the port right, and TLS (rediss://) where it is spoken?",
        ),
        _ => return None,
    })
}

const WRONG_PASSWORD: &str =
    "user name or password is wrong or missing: password_file=FILE or TOKENKEEP_REDIS_PASSWORD, and username=";

/// What the code says that an answer begins with.
fn of_code(code: &str) -> Option<(StoreErrorKind, &'static str)> {
    let unavailable = |advice| (StoreErrorKind::Unavailable, advice);
    Some(match code {
        "NOAUTH" | "WRONGPASS" => (StoreErrorKind::Denied, WRONG_PASSWORD),
        "READONLY" => unavailable("this server is a read-only replica: name the primary, or use redis+sentinel://"),
        "OOM" => unavailable("the server's memory is full: raise its maxmemory, or free some"),
        "MISCONF" => unavailable("the server can't save to its disk and takes no writes: look into its log"),
        "LOADING" => unavailable("the server is starting and loads its data"),
        "NOREPLICAS" => unavailable("the server has fewer replicas than its min-replicas-to-write and takes no writes"),
        "WRONGTYPE" => (
            StoreErrorKind::Corrupt,
            "something else is stored under this key and was kept: choose another prefix=",
        ),
        "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "MASTERDOWN" | "BUSY" => {
            unavailable("the servers are busy with themselves (fail-over, moved slots, a long script)")
        }
        _ => return None,
    })
}

/// What is left: no answer, or one that refuses without a reason that is known.
fn of_connection(failed: &Failed) -> (StoreErrorKind, &'static str) {
    let error = &failed.error;
    let advice = match (error.is_timeout(), failed.perhaps_done) {
        (true, false) => {
            "no connection in time: are host and port right, and does the port speak TLS (rediss://), or not \
             (redis://)? A server far away needs a longer connect_timeout="
        }
        (true, true) => "no answer in time: the server is busy, or far away (answer_timeout=)",
        _ if error.is_io_error() || error.kind() == ErrorKind::ClusterConnectionNotFound => {
            "can't be reached, or the connection broke: is the server running, host and port right?"
        }
        _ => "the server refused",
    };
    (StoreErrorKind::Unavailable, advice)
}

fn tls_cause(error: &RedisError) -> Option<(StoreErrorKind, String)> {
    let cause = match io_error(error)?.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => (
            StoreErrorKind::Denied,
            "the server's certificate is not trusted: name its authority with ca=FILE, and the host that it is for",
        ),
        rustls::Error::AlertReceived(_) => (
            StoreErrorKind::Denied,
            "the server refused the TLS connection: does it ask for a certificate (cert= and key=)?",
        ),
        rustls::Error::InvalidMessage(_) => (
            StoreErrorKind::Invalid,
            "the server does not speak TLS on this port: redis:// in place of rediss://, or another port",
        ),
        _ => (StoreErrorKind::Denied, "the TLS connection failed"),
    };
    Some((cause.0, cause.1.to_owned()))
}

/// `NOPERM` says in its text which command or key it is about.
fn missing_permission(text: &str) -> String {
    let command = text.split('\'').nth(1).filter(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '|' | '-' | '_');
        !name.is_empty() && name.len() <= 30 && name.chars().all(plain)
    });
    match command {
        Some(command) => format!("the user may not run {command}: ACL SETUSER USER +{command}"),
        None if text.contains("key") => "the user may not use keys of this prefix: ACL SETUSER USER ~PREFIX*".into(),
        None => "the user lacks a permission: see ACL LOG".into(),
    }
}

fn detail(error: &RedisError) -> String {
    let answers = error.clone().into_server_errors();
    let first = answers.as_deref().and_then(<[_]>::first);
    first
        .and_then(|(_, answer)| answer.details())
        .unwrap_or_default()
        .to_owned()
}

/// The code that the server's answer begins with.
pub(crate) fn code(error: &RedisError) -> Option<String> {
    let answers = error.clone().into_server_errors()?;
    let code = answers.first()?.1.code().to_owned();
    let plain = code.len() <= 20 && code.chars().all(|c| c.is_ascii_uppercase());
    Some(if plain { code } else { "an error".into() })
}

pub(crate) fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    shared.map_or_else(|| source.downcast_ref(), |shared| shared.downcast_ref())
}
