//! Which requests are answered at all.

use http::header::HOST;
use http::{Method, Request, StatusCode};

/// What this listener goes by.
#[derive(Debug)]
pub(super) struct Rules {
    port: u16,
    path: String,
}

/// What a request is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// The redirect URI, with this query.
    Callback(String),
    /// A page of ours, perhaps.
    Page(String),
    /// What browsers ask for unasked.
    Favicon,
    /// Not for us.
    Refused(StatusCode),
}

impl Rules {
    pub(super) fn new(port: u16, path: String) -> Self {
        Self { port, path }
    }

    pub(super) fn read<B>(&self, request: &Request<B>) -> Asked {
        if !self.is_for_us(request) {
            return Asked::Refused(StatusCode::MISDIRECTED_REQUEST);
        }
        if request.method() != Method::GET {
            return Asked::Refused(StatusCode::METHOD_NOT_ALLOWED);
        }
        let path = request.uri().path();
        if path == self.path {
            return Asked::Callback(request.uri().query().unwrap_or_default().to_owned());
        }
        match path {
            "/favicon.ico" => Asked::Favicon,
            path => Asked::Page(path.to_owned()),
        }
    }

    // A page of another site whose name was made to lead to 127.0.0.1 sends its own
    // name as `Host` (DNS rebinding).
    fn is_for_us<B>(&self, request: &Request<B>) -> bool {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let literal = |literal: &str| {
            host.as_bytes() == format!("{literal}:{}", self.port).as_bytes()
                || (self.port == 80 && host.as_bytes() == literal.as_bytes())
        };
        request.uri().authority().is_none() && (literal("127.0.0.1") || literal("[::1]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, uri: &str, hosts: &[&str]) -> Asked {
        let mut request = Request::builder().method(method).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        Rules::new(4567, "/back".into()).read(&request.body(()).unwrap())
    }

    #[test]
    fn the_redirect_uri_and_nothing_else() {
        for host in ["127.0.0.1:4567", "[::1]:4567"] {
            assert_eq!(asked("GET", "/back?a=b", &[host]), Asked::Callback("a=b".into()));
        }
        assert_eq!(asked("GET", "/favicon.ico", &["127.0.0.1:4567"]), Asked::Favicon);
        assert_eq!(
            asked("GET", "/back/", &["127.0.0.1:4567"]),
            Asked::Page("/back/".into())
        );
    }

    #[test]
    fn other_hosts_are_refused() {
        let wrong: [&[&str]; 9] = [
            &[],
            &["127.0.0.1"],
            &["127.0.0.1:80"],
            &["127.0.0.1:45670"],
            &["localhost:4567"],
            &["evil.example:4567"],
            &["127.0.0.1:4567.evil.example"],
            &["127.0.0.1:4567", "127.0.0.1:4567"],
            &["127.1:4567"],
        ];
        for hosts in wrong {
            assert_eq!(
                asked("GET", "/back?a=b", hosts),
                Asked::Refused(StatusCode::MISDIRECTED_REQUEST),
                "{hosts:?}"
            );
        }
        let absolute = asked("GET", "http://evil.example/back", &["127.0.0.1:4567"]);
        assert_eq!(absolute, Asked::Refused(StatusCode::MISDIRECTED_REQUEST));
    }

    #[test]
    fn other_methods_are_refused() {
        for method in ["POST", "HEAD", "OPTIONS", "PUT", "CONNECT"] {
            let asked = asked(method, "/back", &["127.0.0.1:4567"]);
            assert_eq!(asked, Asked::Refused(StatusCode::METHOD_NOT_ALLOWED), "{method}");
        }
    }

    #[test]
    fn port_80_may_be_left_out() {
        let request = Request::builder()
            .uri("/back")
            .header(HOST, "127.0.0.1")
            .body(())
            .unwrap();
        let rules = Rules::new(80, "/back".into());
        assert_eq!(rules.read(&request), Asked::Callback(String::new()));
    }
}
