//! When a JWT says that it ends. Not a verification: the token is its server's to judge.

use auth_core::Secret;
use auth_core::clock::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::json::Json;

/// The `exp` of a JWT (RFC 7519 section 4.1.4); `None` if it is none, or says nothing of it.
pub(super) fn expiry(token: &Secret) -> Option<Timestamp> {
    let mut parts = token.expose().split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    let claims = Json::parse(std::str::from_utf8(&payload).ok()?).ok()?;
    match claims.as_object()?.get("exp")? {
        Json::Number(number) => number.as_i64().map(Timestamp::from_unix_seconds),
        // pancloud takes a number in a text too.
        Json::Text(text) => text.expose().parse().ok().map(Timestamp::from_unix_seconds),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jwt_with_an_end_has_one() {
        let jwt = |payload: &str| Secret::new(format!("e30.{}.x", URL_SAFE_NO_PAD.encode(payload)));
        for (token, end) in [
            (jwt(r#"{"exp":1800000000,"sub":"ü?>"}"#), Some(1_800_000_000)),
            (jwt(r#"{"exp":"1800000000"}"#), Some(1_800_000_000)),
            (jwt("{}"), None),
            (jwt("no json"), None),
            (Secret::new("opaque"), None),
            (Secret::new("a.b.c.d"), None),
        ] {
            assert_eq!(expiry(&token).map(Timestamp::unix_seconds), end);
        }
    }
}
