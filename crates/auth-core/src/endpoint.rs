//! Endpoints and issuers: https, or http to a loopback literal.

use std::fmt;
use std::str::FromStr;

use url::{Host, Url};

/// The URL of an OAuth endpoint, parsed: `https`, or `http` to a loopback
/// address (127.0.0.0/8, `[::1]`); no user information, no fragment
/// (RFC 6749 section 3.1 and 3.2).
///
/// `Display` and `Debug` leave the query out: it may hold what is not for logs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EndpointUrl(Url);

impl EndpointUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with it, without showing it.
    pub fn new(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(EndpointError::NotEncrypted),
            _ => return Err(EndpointError::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInformation);
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment);
        }
        Ok(Self(url))
    }

    /// The parsed URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, with its query.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.0.path())
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({self})")
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// The identifier of an authorization server (RFC 8414 section 2): a URL of
/// [`EndpointUrl`]'s kind without a query, kept exactly as written, because
/// issuers are compared as strings (RFC 8414 section 3.3, RFC 9207 section 2.4).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    text: String,
    url: EndpointUrl,
}

impl Issuer {
    /// Parses an issuer identifier.
    ///
    /// # Errors
    /// [`EndpointError`] says what is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Self, EndpointError> {
        let text = text.into();
        let url = EndpointUrl::new(&text)?;
        if url.as_url().query().is_some() {
            return Err(EndpointError::Query);
        }
        Ok(Self { text, url })
    }

    /// The identifier, exactly as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The identifier as a URL.
    pub fn url(&self) -> &EndpointUrl {
        &self.url
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.text)
    }
}

/// Why a text is no endpoint. It never shows the text: a mistyped URL may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// It has a `#fragment`.
    #[error("an endpoint URL has no #fragment")]
    Fragment,
    /// It does not parse.
    #[error("not a URL; write it like https://auth.example/path")]
    NotAUrl,
    /// Plain http to another machine.
    #[error("http is allowed to 127.0.0.1 and [::1] only; use https")]
    NotEncrypted,
    /// An issuer with a `?query`.
    #[error("an issuer has no ?query")]
    Query,
    /// Neither https nor http.
    #[error("an endpoint URL begins with https://")]
    Scheme,
    /// It has `user:password@`.
    #[error("an endpoint URL carries no user name or password")]
    UserInformation,
}

// `localhost` is a name, and names can be resolved to anything.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

macro_rules! serde_as_text {
    ($($kind:ty),*) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::new(text.as_ref()).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(EndpointUrl, Issuer);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_and_loopback_only() {
        for good in [
            "https://a.example/token?x=1",
            "http://127.0.0.1:8080/t",
            "http://[::1]/t",
        ] {
            assert!(EndpointUrl::new(good).is_ok(), "{good}");
        }
        let refusals = [
            ("http://a.example/", EndpointError::NotEncrypted),
            ("http://localhost/", EndpointError::NotEncrypted),
            ("ftp://a.example/", EndpointError::Scheme),
            ("https://u:p@a.example/", EndpointError::UserInformation),
            ("https://a.example/#f", EndpointError::Fragment),
            ("a.example", EndpointError::NotAUrl),
        ];
        for (text, error) in refusals {
            assert_eq!(EndpointUrl::new(text), Err(error), "{text}");
        }
    }

    #[test]
    fn display_leaves_the_query_out() {
        let url = EndpointUrl::new("https://a.example/token?key=canary").unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://a.example/token EndpointUrl(https://a.example/token)"
        );
    }

    #[test]
    fn issuers_are_compared_as_written() {
        let plain = Issuer::new("https://a.example").unwrap();
        assert_ne!(plain, Issuer::new("https://a.example/").unwrap());
        assert_ne!(plain, Issuer::new("https://A.example").unwrap());
        assert_eq!(Issuer::new("https://a.example?x"), Err(EndpointError::Query));
    }
}
