//! A successful answer of the token endpoint (RFC 6749 section 5.1), parsed:
//! tolerant where servers differ, strict where tokens could be forged or lost.

use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::json;
use crate::secret::Secret;

/// The longest token that is accepted, in bytes.
const TOKEN_MAX: usize = 64 * 1024;

/// What a token endpoint granted.
///
/// - `expires_in` may be a number, a float or a string, may be missing or null;
///   negative counts as 0;
/// - a type, scope, lifetime or refresh token of another kind than expected, or an
///   ID token that can't be one, counts as missing: a good token is not thrown away
///   for them;
/// - what is no token among the other tokens is left out;
/// - an empty refresh token is none, and a byte order mark before all is nothing;
/// - a member given twice, a token with characters outside `VSCHAR`
///   (RFC 6749 appendix A) or over 64 KiB, and nesting deeper than 32 are refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TokenResponse {
    /// The access token.
    pub access_token: Secret,
    /// Its type; `Bearer` where the server says nothing.
    pub token_type: String,
    /// How long it lives.
    pub expires_in: Option<Duration>,
    /// The refresh token, if there is a new one.
    pub refresh_token: Option<Secret>,
    /// How long the refresh token lives, if the server says so.
    pub refresh_expires_in: Option<Duration>,
    /// The scopes granted, if the server says so.
    pub scope: Option<Vec<String>>,
    /// The ID token; kept, not verified.
    pub id_token: Option<Secret>,
    /// The resource server that the access token is for, if the server says so (Globus).
    pub resource_server: Option<String>,
    /// The tokens for other resource servers that came in the same answer (Globus).
    pub other_tokens: Vec<TokenResponse>,
}

/// Why an answer is no token response. Quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenResponseError {
    /// A token has characters that no token may have.
    #[error("{0} has characters outside printable ASCII")]
    Characters(&'static str),
    /// It is no JSON object with an access token, from this place on.
    #[error("not a JSON token response (line {line}, column {column})")]
    Malformed {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// The access token is empty.
    #[error("the access token is empty")]
    NoAccessToken,
    /// Brackets nest too deep.
    #[error("nested deeper than {} levels", json::DEPTH_MAX)]
    TooDeep,
    /// A token is too long.
    #[error("{0} is longer than {TOKEN_MAX} bytes")]
    TooLong(&'static str),
}

impl TokenResponse {
    /// A bearer token from elsewhere (RFC 6750); the other members can be set.
    pub fn bearer(access_token: impl Into<Secret>) -> Self {
        Self {
            access_token: access_token.into(),
            token_type: "Bearer".into(),
            expires_in: None,
            refresh_token: None,
            refresh_expires_in: None,
            scope: None,
            id_token: None,
            resource_server: None,
            other_tokens: Vec::new(),
        }
    }

    /// Parses the body of an answer.
    ///
    /// # Errors
    /// [`TokenResponseError`] says what is wrong, without quoting it.
    pub fn parse(body: &[u8]) -> Result<Self, TokenResponseError> {
        let body = json::object(body).ok_or(TokenResponseError::Malformed { line: 1, column: 1 })?;
        if json::too_deep(body) {
            return Err(TokenResponseError::TooDeep);
        }
        let wire: Wire = serde_json::from_slice(body).map_err(|error| TokenResponseError::Malformed {
            line: error.line(),
            column: error.column(),
        })?;
        Self::read(wire)
    }

    fn read(wire: Wire) -> Result<Self, TokenResponseError> {
        let access_token = token("access_token", Some(wire.access_token))?.ok_or(TokenResponseError::NoAccessToken)?;
        Ok(Self {
            access_token,
            token_type: wire
                .token_type
                .0
                .filter(|kind| !kind.is_empty())
                .unwrap_or_else(|| "Bearer".into()),
            expires_in: wire.expires_in.0,
            refresh_token: token("refresh_token", wire.refresh_token.0)?,
            refresh_expires_in: wire
                .refresh_token_expires_in
                .0
                .or(wire.refresh_expires_in.0)
                .filter(|d| !d.is_zero()),
            scope: wire.scope.0.or(wire.scopes.0),
            // A side show: a bad one must not cost the tokens beside it.
            id_token: token("id_token", wire.id_token.0).unwrap_or(None),
            resource_server: wire.resource_server.0.filter(|name| !name.is_empty()),
            other_tokens: wire.other_tokens.0,
        })
    }
}

// Derived: a known member given twice is an error, unknown members are ignored.
#[derive(Deserialize)]
struct Wire {
    access_token: String,
    #[serde(default)]
    token_type: Text,
    #[serde(default)]
    expires_in: Seconds,
    #[serde(default)]
    refresh_token: Text,
    #[serde(default)]
    refresh_token_expires_in: Seconds,
    #[serde(default)]
    refresh_expires_in: Seconds,
    #[serde(default)]
    scope: Scopes,
    /// Foundry's name for it.
    #[serde(default)]
    scopes: Scopes,
    #[serde(default)]
    id_token: Text,
    #[serde(default)]
    resource_server: Text,
    #[serde(default)]
    other_tokens: Others,
}

fn token(name: &'static str, value: Option<String>) -> Result<Option<Secret>, TokenResponseError> {
    let Some(value) = value.map(Secret::new).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    if value.expose().len() > TOKEN_MAX {
        return Err(TokenResponseError::TooLong(name));
    }
    if !value.expose().bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Err(TokenResponseError::Characters(name));
    }
    Ok(Some(value))
}

#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            Other(IgnoredAny),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => Some(text),
            Form::Other(_) => None,
        }))
    }
}

#[derive(Default)]
struct Seconds(Option<Duration>);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Whole(u64),
            Float(f64),
            Text(String),
            Other(IgnoredAny),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Whole(seconds) => Some(Duration::from_secs(seconds)),
            Form::Float(seconds) => Some(from_float(seconds)),
            Form::Text(text) => text
                .trim()
                .parse()
                .ok()
                .filter(|seconds: &f64| seconds.is_finite())
                .map(from_float),
            Form::Other(_) => None,
        }))
    }
}

#[derive(Default)]
struct Others(Vec<TokenResponse>);

impl<'de> Deserialize<'de> for Others {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            List(Vec<Member>),
            Other(IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Member {
            Token(Box<Wire>),
            Other(IgnoredAny),
        }
        let Form::List(list) = Form::deserialize(deserializer)? else {
            return Ok(Self::default());
        };
        let readable = |member| match member {
            Member::Token(wire) => TokenResponse::read(*wire).ok(),
            Member::Other(_) => None,
        };
        Ok(Self(list.into_iter().filter_map(readable).collect()))
    }
}

fn from_float(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

#[derive(Default)]
struct Scopes(Option<Vec<String>>);

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Text(String),
            List(Vec<String>),
            Other(IgnoredAny),
        }
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Text(text) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
            Form::List(list) => Some(list),
            Form::Other(_) => None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lifetime(value: &str) -> Option<Duration> {
        TokenResponse::parse(format!(r#"{{"access_token":"a","expires_in":{value}}}"#).as_bytes())
            .unwrap()
            .expires_in
    }

    #[test]
    fn lifetimes_in_every_form() {
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(lifetime("3600"), seconds(3600));
        assert_eq!(lifetime("\"3600\""), seconds(3600));
        assert_eq!(lifetime("3600.0"), seconds(3600));
        assert_eq!(lifetime("\"3600.5\""), Some(Duration::from_millis(3_600_500)));
        assert_eq!(lifetime("0"), seconds(0));
        assert_eq!(lifetime("-5"), seconds(0));
        assert_eq!(lifetime("1e300"), Some(Duration::MAX));
        assert_eq!(lifetime("9223372036854775808"), seconds(9_223_372_036_854_775_808));
        assert_eq!(lifetime("null"), None);
        assert_eq!(lifetime("\"soon\""), None);
        assert_eq!(
            TokenResponse::parse(br#"{"access_token":"a"}"#).unwrap().expires_in,
            None
        );
    }

    #[test]
    fn what_servers_leave_out_or_write_otherwise() {
        let marked = TokenResponse::parse(b"\xef\xbb\xbf{\"access_token\":\"a\"}").unwrap();
        assert_eq!(marked.access_token, "a".into());
        let body = br#"{"access_token":"a","token_type":null,"refresh_token":"","scope":["x","y"],"extra":{"a":[1]}}"#;
        let response = TokenResponse::parse(body).unwrap();
        assert_eq!(response.token_type, "Bearer");
        assert_eq!(response.refresh_token, None);
        assert_eq!(response.scope, Some(vec!["x".into(), "y".into()]));
        let named_otherwise = TokenResponse::parse(br#"{"access_token":"a","scopes":"x y"}"#).unwrap();
        assert_eq!(named_otherwise.scope, response.scope);
    }

    #[test]
    fn what_could_be_forged_or_lost_is_refused() {
        let refused = |body: &str| TokenResponse::parse(body.as_bytes()).unwrap_err();
        assert!(matches!(
            refused(r#"{"access_token":"a","access_token":"b"}"#),
            TokenResponseError::Malformed { line: 1, .. }
        ));
        assert_eq!(refused(r#"{"access_token":""}"#), TokenResponseError::NoAccessToken);
        assert_eq!(
            refused(r#"{"access_token":"a\r\nX: y"}"#),
            TokenResponseError::Characters("access_token")
        );
        assert_eq!(
            refused(r#"{"access_token":"a","refresh_token":"ü"}"#),
            TokenResponseError::Characters("refresh_token")
        );
        assert_eq!(
            refused(&format!(r#"{{"access_token":"{}"}}"#, "a".repeat(TOKEN_MAX + 1))),
            TokenResponseError::TooLong("access_token")
        );
        assert_eq!(
            refused(&format!(r#"{{"access_token":"a","x":{}"#, "[".repeat(40))),
            TokenResponseError::TooDeep
        );
        for body in [
            "",
            "[]",
            r#"["a"]"#,
            r#"["a","Bearer",3600,"r",null,null,null,null]"#,
            "null",
            "<html>",
            r#"{"access_token":5}"#,
            r#"{"access_token":"a""#,
        ] {
            assert!(matches!(refused(body), TokenResponseError::Malformed { .. }), "{body}");
        }
    }

    #[test]
    fn a_good_token_is_not_thrown_away_for_its_company() {
        let body = "{\"access_token\":\"a\",\"refresh_token\":\"r\",\"token_type\":{},\"scope\":5,\"expires_in\":true,\"id_token\":\"ü\"}";
        let response = TokenResponse::parse(body.as_bytes()).unwrap();
        assert_eq!(
            (response.refresh_token, response.token_type.as_str()),
            (Some("r".into()), "Bearer")
        );
        assert_eq!(
            (response.scope, response.expires_in, response.id_token),
            (None, None, None)
        );
    }

    #[test]
    fn tokens_of_another_kind_are_none() {
        let body = br#"{"access_token":"a","refresh_token":false,"id_token":5}"#;
        let response = TokenResponse::parse(body).unwrap();
        assert_eq!((response.refresh_token, response.id_token), (None, None));
    }

    proptest! {
        #[test]
        fn never_panics_and_never_quotes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = TokenResponse::parse(&body);
        }
    }
}
