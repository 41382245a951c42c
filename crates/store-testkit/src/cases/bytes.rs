//! A record's body comes back byte for byte, whatever it is.

use auth_core::store::TokenStore;

use super::given::{key, load, stored};
use crate::Subject;

/// No bytes at all.
pub async fn empty<S: TokenStore>(subject: &Subject<S>) {
    comes_back(subject, b"").await;
}

/// One byte.
pub async fn one_byte<S: TokenStore>(subject: &Subject<S>) {
    comes_back(subject, b"x").await;
}

/// NUL, line ends and blanks, alone and at both ends.
pub async fn nul_and_newline<S: TokenStore>(subject: &Subject<S>) {
    for body in [
        &b"\0"[..],
        b"\n",
        b"\r\n",
        b" ",
        b"\0a\0",
        b"\na\n",
        b" a ",
        b"a\r\nEND\r\n",
    ] {
        comes_back(subject, body).await;
    }
}

/// Each of the 256 bytes.
pub async fn every_byte<S: TokenStore>(subject: &Subject<S>) {
    comes_back(subject, &(0..=255).collect::<Vec<u8>>()).await;
}

/// What is no UTF-8.
pub async fn not_utf8<S: TokenStore>(subject: &Subject<S>) {
    for body in [&b"\xff\xfe"[..], b"{\"a\":\"\xc3\x28\"}", b"\xed\xa0\x80"] {
        comes_back(subject, body).await;
    }
}

/// 64 KiB without a pattern.
pub async fn kib_64<S: TokenStore>(subject: &Subject<S>) {
    let mut body = vec![0; 64 * 1024];
    let filled = getrandom::fill(&mut body);
    assert!(filled.is_ok(), "{filled:?}");
    comes_back(subject, &body).await;
}

/// JSON as core writes it.
pub async fn json<S: TokenStore>(subject: &Subject<S>) {
    for body in [&b"{}"[..], br#"{"format":1,"a":{"b":[1,2,null]},"c":"d"}"#] {
        comes_back(subject, body).await;
    }
}

/// JSON that a careless copy would spell otherwise: blanks, line ends, escapes,
/// numbers, members twice and out of order.
pub async fn json_spelled_oddly<S: TokenStore>(subject: &Subject<S>) {
    for body in [
        &b"{ \"a\" : 1 }"[..],
        b"{\n  \"a\": 1\n}\n",
        b" {} ",
        b"{\"a\":\"\\u0041\\/\"}",
        b"{\"a\":1.0,\"b\":1e2,\"c\":123456789012345678901234567890,\"d\":-0}",
        b"{\"b\":1,\"a\":2,\"b\":3}",
        "{\"é\":\"\u{2028}\"}".as_bytes(),
    ] {
        comes_back(subject, body).await;
    }
}

/// What begins as JSON and is none, and JSON that is no object.
pub async fn nearly_json<S: TokenStore>(subject: &Subject<S>) {
    for body in [
        &b"{"[..],
        b"{}}",
        b"{}{}",
        b"{\"a\":}",
        b"null",
        b"[]",
        b"\"a\"",
        b"1",
        b"e30=",
    ] {
        comes_back(subject, body).await;
    }
}

async fn comes_back<S: TokenStore>(subject: &Subject<S>, body: &[u8]) {
    let key = key(&format!("body {:?}", &body[..body.len().min(24)]));
    stored(subject.store(), &key, body).await;
    let loaded = load(subject.store(), &key).await.map(|r| r.body().expose().to_vec());
    assert!(
        loaded.as_deref() == Some(body),
        "{} bytes {:?}… came back otherwise",
        body.len(),
        &body[..body.len().min(24)]
    );
    if let Some(second) = subject.reopen().await {
        let loaded = load(&*second, &key).await.map(|r| r.body().expose().to_vec());
        assert!(
            loaded.as_deref() == Some(body),
            "{} bytes came back otherwise in a second handle",
            body.len()
        );
    }
}
