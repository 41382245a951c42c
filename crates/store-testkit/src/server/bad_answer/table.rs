//! The rows, by what went wrong.

use std::time::Duration;

use super::super::Fault;
use super::{BadAnswer, Meaning};

/// Good tokens, for answers that are bad in another way.
const TOKENS: &str = r#""access_token":"canary-of-the-server-access","token_type":"Bearer","expires_in":3600"#;

const MIB: usize = 1024 * 1024;

/// Refusals in the words of RFC 6749 section 5.2, or nearly.
pub(super) fn refusals() -> Vec<BadAnswer> {
    let code = |name, status, code| BadAnswer::new(name, json(status, &error(code)), refused(status, Some(code)));
    let dead =
        |name, status, code| BadAnswer::new(name, json(status, &error(code)), Meaning::GrantRefused { status, code });
    vec![
        dead("invalid_grant", 400, "invalid_grant"),
        dead("invalid_grant with 401", 401, "invalid_grant"),
        dead("invalid_grant with 403", 403, "invalid_grant"),
        dead("invalid_grant inside a success", 200, "invalid_grant"),
        code("invalid_client", 401, "invalid_client"),
        code("invalid_client with 400", 400, "invalid_client"),
        code("invalid_client with 403", 403, "invalid_client"),
        code("invalid_request", 400, "invalid_request"),
        code("invalid_scope", 400, "invalid_scope"),
        code("unauthorized_client", 400, "unauthorized_client"),
        code("unsupported_grant_type", 400, "unsupported_grant_type"),
        code("access_denied", 403, "access_denied"),
        code("a code of the provider's own", 403, "interaction_required"),
        code("slow_down", 400, "slow_down"),
        code("temporarily_unavailable", 400, "temporarily_unavailable"),
        code("server_error", 500, "server_error"),
        code("an error inside a success", 200, "temporarily_unavailable"),
        BadAnswer::new(
            "an error beside a token",
            json(200, &format!(r#"{{"error":"consent_required",{TOKENS}}}"#)),
            refused(200, Some("consent_required")),
        ),
        BadAnswer::new(
            "an error of another kind",
            json(400, r#"{"error":{"code":190,"message":"no"}}"#),
            refused(400, None),
        ),
        BadAnswer::new(
            "an error that is an array",
            json(400, r#"["invalid_grant","no"]"#),
            refused(400, None),
        ),
        BadAnswer::new(
            "an error too deep to look at",
            json(400, &format!(r#"{{"error":"invalid_grant","x":{}"#, "[".repeat(40))),
            refused(400, None),
        ),
    ]
}

/// "Not now", with a pause in every form of RFC 9110 section 10.2.3, and in none.
pub(super) fn pauses() -> Vec<BadAnswer> {
    const HOUR: Option<u64> = Some(3600);
    let pause = |name, status, retry_after: &str, seconds: Option<u64>| {
        let fault = Fault::answer(status).header("retry-after", retry_after);
        let retry_after = seconds.map(Duration::from_secs);
        let code = None;
        BadAnswer::new(
            name,
            fault,
            Meaning::Refused {
                status,
                code,
                retry_after,
            },
        )
    };
    vec![
        pause("429 with seconds", 429, "120", Some(120)),
        pause(
            "429 with a time that is over",
            429,
            "Sun, 06 Nov 1994 08:49:37 GMT",
            Some(0),
        ),
        pause("429 with a time far away", 429, "Fri, 31 Dec 9999 23:59:59 GMT", HOUR),
        pause("429 with a huge number", 429, "999999", HOUR),
        pause("429 with nonsense", 429, "soon", None),
        pause("503 with seconds", 503, "90", Some(90)),
        pause("503 with a number of 30 digits", 503, &"9".repeat(30), HOUR),
        pause("503 with a negative number", 503, "-5", None),
        pause("503 with a fraction", 503, "1.5", None),
        BadAnswer::new("503 with nothing", Fault::answer(503), refused(503, None)),
    ]
}

/// Answers of what stands between us and the token endpoint.
pub(super) fn of_others() -> Vec<BadAnswer> {
    let page = |name, status| BadAnswer::new(name, html(status), refused(status, None));
    // Where it leads is the token endpoint itself: who follows is counted there.
    let elsewhere = |name, status| BadAnswer::new(name, Fault::redirect(status, "/token"), refused(status, None));
    vec![
        BadAnswer::new("a page with 200", html(200), Meaning::Unknown),
        page("a page with 400", 400),
        page("a page with 401", 401),
        page("a page with 403", 403),
        page("a page with 404", 404),
        page("a page with 407", 407),
        page("a page with 500", 500),
        page("a page with 502", 502),
        page("a page with 504", 504),
        page("a page with 511", 511),
        elsewhere("a redirect with 301", 301),
        elsewhere("a redirect with 302", 302),
        elsewhere("a redirect with 303", 303),
        elsewhere("a redirect with 307", 307),
        elsewhere("a redirect with 308", 308),
        BadAnswer::new("not modified", Fault::answer(304), refused(304, None)),
    ]
}

/// Answers that end too early, too late or never.
pub(super) fn broken_off() -> Vec<BadAnswer> {
    let unknown = |name, fault| BadAnswer::new(name, fault, Meaning::Unknown);
    let half = r#"{"access_token":"canary-of-the-server"#;
    vec![
        unknown("closed without an answer", Fault::drop_before_handling()),
        unknown("nothing but a status line", Fault::raw("HTTP/1.1 200 OK\r\n")),
        unknown("no body where one was announced", head("content-length: 100\r\n", "")),
        unknown(
            "half a body where all was announced",
            head("content-length: 100\r\n", half),
        ),
        unknown("half a body that is all", head("content-length: 37\r\n", half)),
        unknown("half a body up to the close", head("", half)),
        unknown(
            "a body longer than announced",
            head("content-length: 20\r\n", &granted()),
        ),
        unknown(
            "a chunk that does not end",
            head("transfer-encoding: chunked\r\n", "64\r\n{\"access"),
        ),
        unknown("an empty body", json(200, "")),
        unknown("no content", Fault::answer(204)),
        unknown("more than a MiB, announced", json(200, &padded(2 * MIB))),
        unknown("more than a MiB, up to the close", head("", &padded(2 * MIB))),
        unknown("chunks without end", endless_chunks()),
        unknown("more than a MiB of an error", json(400, &"x".repeat(2 * MIB))),
        BadAnswer::new(
            "no answer for half a minute",
            json(200, &granted()).delay_before(Duration::from_secs(30)),
            Meaning::TimedOut,
        ),
    ]
}

/// Bytes that are no HTTP.
pub(super) fn no_http() -> Vec<BadAnswer> {
    let unknown = |name, fault| BadAnswer::new(name, fault, Meaning::Unknown);
    vec![
        unknown("another protocol", Fault::raw("SSH-2.0-OpenSSH_9.9\r\n")),
        unknown("the body alone", Fault::raw(granted())),
        unknown("bytes of TLS", Fault::raw(&b"\x15\x03\x01\x00\x02\x02\x16"[..])),
        unknown(
            "a status that is none",
            Fault::raw("HTTP/1.1 OK\r\ncontent-length: 0\r\n\r\n"),
        ),
        unknown("a NUL in a header", head("x: a\0b\r\n", &granted())),
        unknown("200 headers", head(&"x: y\r\n".repeat(200), &granted())),
        unknown(
            "a header of a MiB",
            head(&format!("x: {}\r\n", "y".repeat(MIB)), &granted()),
        ),
        unknown(
            "two lengths",
            head("content-length: 2\r\ncontent-length: 90\r\n", &granted()),
        ),
        unknown("a negative length", head("content-length: -1\r\n", &granted())),
        unknown(
            "a chunk of no size",
            head("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        ),
    ]
}

/// Successes that are no token response.
pub(super) fn no_tokens() -> Vec<BadAnswer> {
    let unknown = |name, body: &str| BadAnswer::new(name, json(200, body), Meaning::Unknown);
    let bytes = |name, body: Vec<u8>| BadAnswer::new(name, json(200, "").body(body), Meaning::Unknown);
    let utf16 = granted().encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        unknown("no object", r#"["canary-of-the-server"]"#),
        unknown(
            "the members without their names",
            r#"["canary-of-the-server","Bearer",3600,null,null,null,null,null]"#,
        ),
        unknown("nothing in the object", "{}"),
        unknown("null", "null"),
        unknown("no access token", r#"{"token_type":"Bearer","expires_in":3600}"#),
        unknown("an access token that is null", r#"{"access_token":null}"#),
        unknown("an access token that is a number", r#"{"access_token":12345}"#),
        unknown("an access token that is an object", r#"{"access_token":{"a":1}}"#),
        unknown("an access token that is empty", r#"{"access_token":""}"#),
        unknown("tokens one level down", &format!(r#"{{"data":{{{TOKENS}}}}}"#)),
        unknown("a form", "access_token=canary-of-the-server&token_type=bearer"),
        unknown("deep JSON", &format!(r#"{{{TOKENS},"x":{}"#, "[".repeat(5000))),
        unknown("a NUL behind the object", &format!("{}\0", granted())),
        unknown("two objects", &format!("{0}{0}", granted())),
        bytes("UTF-16", utf16),
        bytes("nothing but NULs", vec![0; 100]),
        bytes(
            "a token that is no UTF-8",
            b"{\"access_token\":\"canary-of-the-server-\xff\xfe\"}".to_vec(),
        ),
        BadAnswer::new(
            "compressed, which was not asked for",
            json(200, "")
                .header("content-encoding", "gzip")
                .body(&b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*J-.\xce\xcc\xcf\x03\x00"[..]),
            Meaning::Unknown,
        ),
    ]
}

/// Tokens that may not be trusted, or not be sent on.
pub(super) fn forged() -> Vec<BadAnswer> {
    let unknown = |name, body: &str| BadAnswer::new(name, json(200, body), Meaning::Unknown);
    vec![
        unknown(
            "two access tokens",
            r#"{"access_token":"canary-of-the-server-1","access_token":"canary-of-the-server-2"}"#,
        ),
        unknown(
            "two refresh tokens",
            r#"{"access_token":"canary-of-the-server","refresh_token":"r1","refresh_token":"r2"}"#,
        ),
        unknown(
            "a line break in the access token",
            r#"{"access_token":"canary-of-the-server\r\nX-Evil: 1"}"#,
        ),
        unknown(
            "a NUL in the access token",
            r#"{"access_token":"canary-of-the-server\u0000"}"#,
        ),
        unknown(
            "an access token beyond ASCII",
            r#"{"access_token":"canary-of-the-server-ü"}"#,
        ),
        unknown(
            "a control character in the refresh token",
            r#"{"access_token":"canary-of-the-server","refresh_token":"canary-of-the-server\u001b[2J"}"#,
        ),
        unknown(
            "an access token of 100 KiB",
            &format!(r#"{{"access_token":"canary-of-the-server{}"}}"#, "a".repeat(100 * 1024)),
        ),
    ]
}

/// What servers send that is not quite right, and good enough.
pub(super) fn tolerated() -> Vec<BadAnswer> {
    let good = |name, body: &str| BadAnswer::new(name, json(200, body), Meaning::Granted);
    let with = |name, members: &str| {
        good(
            name,
            &format!(r#"{{"access_token":"canary-of-the-server-access",{members}}}"#),
        )
    };
    vec![
        good(
            "nothing but an access token",
            r#"{"access_token":"canary-of-the-server"}"#,
        ),
        with(
            "a token type that nobody knows",
            r#""token_type":"sausage","expires_in":60"#,
        ),
        with("a token type that is null", r#""token_type":null,"expires_in":60"#),
        with("a lifetime below zero", r#""expires_in":-3600"#),
        with("a lifetime of zero", r#""expires_in":0"#),
        with("a lifetime as text", r#""expires_in":"3600""#),
        with("a lifetime with a fraction", r#""expires_in":3599.97"#),
        with("a lifetime beyond all time", r#""expires_in":1e300"#),
        with("a lifetime of 2^63 seconds", r#""expires_in":9223372036854775808"#),
        with("a lifetime in words", r#""expires_in":"an hour""#),
        with("a refresh token that is empty", r#""refresh_token":"","expires_in":60"#),
        with(
            "a refresh token that is null",
            r#""refresh_token":null,"expires_in":60"#,
        ),
        with(
            "a refresh token that is false",
            r#""refresh_token":false,"expires_in":60"#,
        ),
        with("an ID token that is a number", r#""id_token":5,"expires_in":60"#),
        with("an ID token beyond ASCII", r#""id_token":"ü","expires_in":60"#),
        with("an error that is null", r#""error":null,"expires_in":60"#),
        with("an error that is empty", r#""error":"","expires_in":60"#),
        with(
            "scopes as a list, and strangers",
            r#""scope":["a"],"x":{"y":[1]},"expires_in":60"#,
        ),
        good("a byte order mark", &format!("\u{feff}{}", granted())),
        BadAnswer::new(
            "the wrong content type",
            Fault::answer(200).header("content-type", "text/html").body(granted()),
            Meaning::Granted,
        ),
        BadAnswer::new(
            "no content type, and another success",
            Fault::answer(201).body(granted()),
            Meaning::Granted,
        ),
    ]
}

fn refused(status: u16, code: Option<&'static str>) -> Meaning {
    Meaning::Refused {
        status,
        code,
        retry_after: None,
    }
}

fn json(status: u16, body: &str) -> Fault {
    Fault::answer(status)
        .header("content-type", "application/json")
        .body(body.to_owned())
}

fn html(status: u16) -> Fault {
    Fault::answer(status)
        .header("content-type", "text/html")
        .body("<!doctype html><title>sorry</title><p>canary-of-the-server")
}

fn error(code: &str) -> String {
    format!(r#"{{"error":"{code}","error_description":"it is as it is","trace":"canary-of-the-server"}}"#)
}

fn granted() -> String {
    format!("{{{TOKENS}}}")
}

/// Good tokens, too long.
fn padded(length: usize) -> String {
    format!(r#"{{"x":"{}",{TOKENS}}}"#, "x".repeat(length))
}

/// A success with these headers, then this body, then the end.
fn head(headers: &str, body: &str) -> Fault {
    Fault::raw(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
}

/// Four times what anybody may read, and no last chunk.
fn endless_chunks() -> Fault {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    head("transfer-encoding: chunked\r\n", &chunk.repeat(64))
}
