//! Reading an answer of the token endpoint: granted, refused, or not to be read.

use std::num::IntErrorKind;
use std::time::Duration;

use http::HeaderMap;
use serde::Deserialize;

use super::{TokenResponse, TokenResponseError, json};
use crate::clock::Timestamp;
use crate::error::Refusal;
use crate::secret::Secret;
use crate::transport::HttpResponse;

const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);
const DESCRIPTION_MAX: usize = 200;

/// What an answer means.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Tokens.
    Granted(Box<TokenResponse>),
    /// A definite no: what was sent is as good as before, unless the refusal is
    /// of the refresh token itself.
    Refused(Box<Refusal>),
    /// A success that can't be read: what was sent counts as spent (it may hold
    /// tokens that nobody will ever see).
    Unreadable(TokenResponseError),
}

impl Answer {
    /// Whether it says that the refresh token or code itself is good for nothing
    /// any more (RFC 6749 section 5.2, and codes that providers put in its place).
    pub(crate) fn refuses_the_grant(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(
                    refusal.code.as_deref(),
                    Some("invalid_grant" | "refresh_token_reused" | "bad_refresh_token")
                )
            }
            _ => false,
        }
    }

    /// Whether it is a refusal whose code or description is one of these.
    pub(crate) fn is_refused_with(&self, codes: &[String]) -> bool {
        match self {
            Self::Refused(refusal) => [&refusal.code, &refusal.description]
                .into_iter()
                .flatten()
                .any(|said| codes.contains(said)),
            _ => false,
        }
    }
}

/// Reads an answer. `sent` are the secrets of the request: a server that echoes
/// them does not get them into an error.
pub(crate) fn read_answer(response: &HttpResponse, sent: &[&Secret], now: Timestamp) -> Answer {
    let status = response.status();
    let body = response.body().expose();
    let error = read_error(body);
    if status.is_success() && error.is_none() {
        return match TokenResponse::parse(body) {
            Ok(granted) => Answer::Granted(Box::new(granted)),
            Err(error) => Answer::Unreadable(error),
        };
    }
    let error = error.unwrap_or_default();
    Answer::Refused(Box::new(Refusal {
        code: error.error.and_then(|code| clean(&code, 64, sent)),
        description: error
            .error_description
            .and_then(|text| clean(&text, DESCRIPTION_MAX, sent)),
        retry_after: retry_after(response.headers(), now),
        ..Refusal::new(status.as_u16())
    }))
}

#[derive(Default, Deserialize)]
struct Wire {
    error: Option<String>,
    error_description: Option<String>,
}

fn read_error(body: &[u8]) -> Option<Wire> {
    let body = json::object(body)?;
    if json::too_deep(body) {
        return None;
    }
    serde_json::from_slice::<Wire>(body)
        .ok()
        .filter(|wire| wire.error.as_deref().is_some_and(|code| !code.is_empty()))
}

// Printable ASCII only (a terminal would obey control characters), and nothing
// that we sent as a secret.
fn clean(text: &str, max: usize, sent: &[&Secret]) -> Option<String> {
    let mut text: String = text.chars().filter(|c| matches!(c, ' '..='~')).collect();
    for secret in sent.iter().filter(|secret| secret.expose().len() >= 4) {
        text = text.replace(secret.expose(), "[redacted]");
    }
    text.truncate(max);
    Some(text).filter(|text| !text.is_empty())
}

fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    let duration = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Duration::MAX,
        Err(_) => Timestamp::from(httpdate::parse_http_date(text).ok()?).since(now),
    };
    Some(duration.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut response = http::Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(body.as_bytes().to_vec().into()).unwrap();
        read_answer(
            &response,
            &[&Secret::new("canary-secret")],
            Timestamp::from_unix_seconds(784_111_770),
        )
    }

    fn refusal(answer: Answer) -> Refusal {
        match answer {
            Answer::Refused(refusal) => *refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn tokens() {
        assert!(matches!(read(200, &[], r#"{"access_token":"a"}"#), Answer::Granted(_)));
        assert!(matches!(
            read(201, &[("content-type", "text/plain")], r#"{"access_token":"a"}"#),
            Answer::Granted(_)
        ));
    }

    #[test]
    fn a_success_that_cannot_be_read_counts_as_spent() {
        for body in ["", "<html>", r#"{"access_tok"#, "{}", "[]"] {
            assert!(matches!(read(200, &[], body), Answer::Unreadable(_)), "{body}");
        }
    }

    #[test]
    fn an_error_in_a_success_is_an_error() {
        let answer = read(200, &[], r#"{"error":"invalid_grant"}"#);
        assert!(answer.refuses_the_grant());
        assert!(read(400, &[], "\u{feff}{\"error\":\"invalid_grant\"}").refuses_the_grant());
    }

    #[test]
    fn only_the_grant_itself_is_final() {
        assert!(read(400, &[], r#"{"error":"invalid_grant"}"#).refuses_the_grant());
        for (status, body) in [
            (400, r#"{"error":"invalid_client"}"#),
            (401, r#"{"error":"invalid_client"}"#),
            (400, r#"{"error":"invalid_scope"}"#),
            (400, "<html>"),
            (404, ""),
            (429, "slow down"),
            (503, r#"{"error":{"code":5}}"#),
            (302, ""),
        ] {
            let answer = read(status, &[], body);
            assert!(!answer.refuses_the_grant(), "{status} {body}");
            assert_eq!(refusal(answer).status, status);
        }
    }

    #[test]
    fn retry_after_in_both_forms_and_capped() {
        let after = |value: &str| refusal(read(429, &[("retry-after", value)], "")).retry_after;
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("99999"), Some(RETRY_AFTER_MAX));
        assert_eq!(after(&"9".repeat(30)), Some(RETRY_AFTER_MAX));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn what_the_server_says_is_made_safe() {
        let body =
            "{\"error\":\"bad\\u001b[2J\",\"error_description\":\"got canary-\\u0000secret \\u001b]0;x\\u0007 end\"}";
        let refusal = refusal(read(400, &[], body));
        assert_eq!(refusal.code.as_deref(), Some("bad[2J"));
        assert_eq!(refusal.description.as_deref(), Some("got [redacted] ]0;x end"));
        let long = format!(r#"{{"error":"x","error_description":"{}"}}"#, "y".repeat(5000));
        assert_eq!(
            super::tests::refusal(read(400, &[], &long)).description.unwrap().len(),
            DESCRIPTION_MAX
        );
    }
}
