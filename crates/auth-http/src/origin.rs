//! Where a token may go.

use std::fmt;
use std::str::FromStr;

use auth_core::endpoint::{EndpointError, EndpointUrl};
use url::Url;

/// Scheme, host and port (RFC 6454) that a token may be sent to: `https`, or
/// `http` to a loopback address.
///
/// Two are the same only if all three are, after parsing: the host in lower case
/// and in its ASCII form, the port with its default. `api.example.` with a dot
/// at its end is another host.
#[derive(Clone)]
pub struct Origin(EndpointUrl);

/// What is wrong with the text of an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OriginError {
    /// It is no URL that a token may be sent to.
    #[error("a token can't be sent there")]
    Endpoint(#[source] EndpointError),
    /// It has a path or a query: a token is for the whole origin.
    #[error("an origin has no path and no query")]
    Path,
}

impl Origin {
    /// Parses `https://api.example`, with or without a port.
    ///
    /// # Errors
    /// [`OriginError`] if it is anything else.
    pub fn new(text: &str) -> Result<Self, OriginError> {
        let endpoint = EndpointUrl::new(text).map_err(OriginError::Endpoint)?;
        let url = endpoint.as_url();
        if url.path() != "/" || url.query().is_some() {
            return Err(OriginError::Path);
        }
        Ok(Self(endpoint))
    }

    /// Whether the URL is of this origin.
    pub fn holds(&self, url: &Url) -> bool {
        same_origin(self.0.as_url(), url)
    }
}

/// Scheme, host and port are the same. `Url::origin` says it too, but allocates.
pub(crate) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

/// The URL names a user, as credentials of its own.
pub(crate) fn has_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.holds(other.0.as_url())
    }
}

impl Eq for Origin {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(origin: &str, url: &str) -> bool {
        Origin::new(origin).unwrap().holds(&Url::parse(url).unwrap())
    }

    #[test]
    fn other_spellings_of_the_same_origin_are_the_same() {
        for url in [
            "https://api.example",
            "https://api.example:443/v1?x=1#y",
            "HTTPS://API.EXAMPLE/",
            "https://%61pi.example/",
            "https://\u{ff41}pi.example/",
            "https:\\\\api.example\\v1",
        ] {
            assert!(holds("https://api.example", url), "{url}");
        }
        assert!(holds("https://API.example:443/", "https://api.example/x"));
        assert!(holds("http://127.0.0.1:80", "http://2130706433/"));
        assert!(holds("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/"));
        assert_eq!(Origin::new("https://a.example:443"), Origin::new("https://A.example/"));
    }

    #[test]
    fn anything_else_is_another_origin() {
        for url in [
            "http://api.example/",
            "https://api.example:444/",
            "https://api.example:80/",
            "https://api.example./",
            "https://api.example@evil.example/",
            "https://api.example:443@evil.example/",
            "https://evil.example/https://api.example/",
            "https://evil.example/?api.example",
            "https://evil.example#api.example",
            "https://evil.example\\api.example/",
            "https://api.example.evil.example/",
            "https://xapi.example/",
            "https://x.api.example/",
            "https://api-example/",
            "https://\u{430}pi.example/",
            "https://xn--pi-7kc.example/",
            "https://ap\u{131}.example/",
            "https://[::1]/",
            "https://127.0.0.1/",
            "wss://api.example/",
            "ftp://api.example/",
            "file://api.example/",
            "data:text/plain,api.example",
            "blob:https://api.example/1",
            "about:blank",
        ] {
            assert!(!holds("https://api.example", url), "{url}");
        }
        for url in [
            "http://127.0.0.2:8080/",
            "http://127.0.0.1:8081/",
            "http://localhost:8080/",
            "http://[::1]:8080/",
            "http://[::ffff:127.0.0.1]:8080/",
            "https://127.0.0.1:8080/",
        ] {
            assert!(!holds("http://127.0.0.1:8080", url), "{url}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_without_being_shown() {
        for text in [
            "api.example",
            "http://api.example",
            "http://localhost:1",
            "https://user:canary@api.example",
            "https://api.example/v1",
            "https://api.example/?canary",
            "https://api.example/#canary",
            "ftp://api.example",
            "https://",
            "https://a%2Fb",
            "",
        ] {
            let error = Origin::new(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{text}");
        }
    }
}
