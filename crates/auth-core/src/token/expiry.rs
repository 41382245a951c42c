//! When an access token expires: the earlier of `expires_in` and, where the token
//! is a JWT, its `exp`; with neither, the provider's default.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenResponse;
use crate::clock::Timestamp;

// What is further away than this is as good as never, and would not fit a JSON
// number of every reader.
const LIFETIME_MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The end of the access token of this response, got at this time; `None` if
/// nobody says.
pub(crate) fn expires_at(
    response: &TokenResponse,
    default: Option<Duration>,
    received_at: Timestamp,
) -> Option<Timestamp> {
    let said = response
        .expires_in
        .map(|lifetime| received_at.plus(lifetime.min(LIFETIME_MAX)));
    let written = jwt_expiry(response.access_token.expose());
    match (said, written) {
        // A token that was over before it came: our clock is ahead of the server's.
        (Some(said), Some(written)) if written <= received_at => Some(said),
        (Some(said), Some(written)) => Some(said.min(written)),
        (Some(end), None) | (None, Some(end)) => Some(end),
        (None, None) => default.map(|lifetime| received_at.plus(lifetime)),
    }
}

#[derive(serde::Deserialize)]
struct Claims {
    exp: Option<f64>,
}

// Not a verification: the token is the resource server's to judge; only the end
// is read off, where there is one.
fn jwt_expiry(token: &str) -> Option<Timestamp> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = zeroize::Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    if super::json::too_deep(&payload) {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let seconds = claims.exp.filter(|exp| (0.0..=4e9 * 1000.0).contains(exp))?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range one line above")]
    Some(Timestamp::from_unix_seconds(seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(token: &str, expires_in: &str) -> TokenResponse {
        TokenResponse::parse(format!(r#"{{"access_token":"{token}"{expires_in}}}"#).as_bytes()).unwrap()
    }

    fn jwt(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    #[test]
    fn the_earlier_end_counts() {
        let now = Timestamp::from_unix_seconds(1000);
        let end = |token: &str, said: &str| expires_at(&response(token, said), Some(Duration::from_secs(7)), now);
        let at = |seconds| Some(Timestamp::from_unix_seconds(seconds));
        assert_eq!(end("opaque", r#","expires_in":60"#), at(1060));
        assert_eq!(end(&jwt(r#"{"exp":1030}"#), r#","expires_in":60"#), at(1030));
        assert_eq!(end(&jwt(r#"{"exp":9999}"#), r#","expires_in":60"#), at(1060));
        assert_eq!(end(&jwt(r#"{"exp":900}"#), r#","expires_in":60"#), at(1060));
        assert_eq!(end(&jwt(r#"{"exp":1030.7}"#), ""), at(1030));
        assert_eq!(end("opaque", ""), at(1007));
        assert_eq!(end(&jwt(r#"{"exp":"soon"}"#), ""), at(1007));
        assert_eq!(end("a.b.c", ""), at(1007));
        assert_eq!(expires_at(&response("opaque", ""), None, now), None);
    }

    #[test]
    fn payloads_with_url_safe_letters_are_read() {
        let token = jwt(r#"{"exp":1030,"n":"ÿþ?>"}"#);
        assert!(token.contains('-') || token.contains('_'), "{token}");
        let now = Timestamp::from_unix_seconds(1000);
        assert_eq!(
            expires_at(&response(&token, ""), None, now),
            Some(Timestamp::from_unix_seconds(1030))
        );
    }
}
