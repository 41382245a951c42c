//! The smallest HTTP client that can tell a whole answer from a broken one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use store_testkit::server::AuthorizationServer;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    Whole {
        status: u16,
        head: String,
        body: String,
    },
    /// The connection ended before the answer did.
    Broken {
        received: String,
    },
}

impl Reply {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Whole { status, .. } => *status,
            Self::Broken { received } => panic!("broken answer: {received:?}"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap()
    }

    pub(crate) fn body(&self) -> &str {
        match self {
            Self::Whole { body, .. } => body,
            Self::Broken { received } => panic!("broken answer: {received:?}"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let Self::Whole { head, .. } = self else {
            panic!("broken answer");
        };
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub(crate) fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap().to_owned()
    }

    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken { .. })
    }
}

/// Sends a request and reads until the server closes.
pub(crate) fn send(
    server: &AuthorizationServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut stream = open(server, method, path, headers, body);
    let mut received = Vec::new();
    // A reset ends the answer as much as an orderly close does.
    let _ = stream.read_to_end(&mut received);
    parse(&String::from_utf8_lossy(&received))
}

/// Sends a request and leaves the answer unread.
pub(crate) fn open(
    server: &AuthorizationServer,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let issuer = server.issuer();
    let address = issuer.strip_prefix("http://").unwrap();
    let length = body.len();
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n");
    for (name, value) in headers {
        for part in [name, ": ", value, "\r\n"] {
            request.push_str(part);
        }
    }
    request.push_str("\r\n");
    request.push_str(body);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

pub(crate) fn get(server: &AuthorizationServer, path: &str) -> Reply {
    send(server, "GET", path, &[], "")
}

pub(crate) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

pub(crate) fn form(server: &AuthorizationServer, path: &str, body: &str) -> Reply {
    send(server, "POST", path, &[FORM], body)
}

/// A refresh as the public client `app`.
pub(crate) fn refresh(server: &AuthorizationServer, refresh_token: &str) -> Reply {
    form(server, "/token", &refresh_body(refresh_token))
}

pub(crate) fn refresh_body(refresh_token: &str) -> String {
    format!("grant_type=refresh_token&client_id=app&refresh_token={refresh_token}")
}

pub(crate) fn call_api(server: &AuthorizationServer, access_token: &str) -> Reply {
    let bearer = format!("Bearer {access_token}");
    send(server, "GET", "/api", &[("authorization", &bearer)], "")
}

fn parse(received: &str) -> Reply {
    let broken = || Reply::Broken {
        received: received.to_owned(),
    };
    let Some((head, body)) = received.split_once("\r\n\r\n") else {
        return broken();
    };
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if announced.is_some_and(|length| length != body.len()) {
        return broken();
    }
    Reply::Whole {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
