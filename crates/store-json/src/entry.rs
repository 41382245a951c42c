//! One record in the file: a JSON object on a line.

use std::io::{self, Write};
use std::ops::Range;

use auth_core::clock::Timestamp;
use auth_core::record::{Hints, Record, Version};
use auth_core::secret::SecretBytes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::members::{Damage, Members, Position, offset};

/// Why a record can't be used: where in the file, and what is wrong there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordDamage(pub(crate) Damage);

/// A record as it is spelled, and what it says.
pub(crate) struct Entry {
    pub(crate) text: SecretBytes,
    /// Where it begins in the file, or where a file of its own would.
    at: Position,
    pub(crate) head: Result<Head, RecordDamage>,
}

/// What a record says.
pub(crate) struct Head {
    pub(crate) version: Version,
    pub(crate) keep_until: Option<Timestamp>,
    pub(crate) hints: Hints,
    body: Body,
}

/// Where in the entry's text the body is.
enum Body {
    Json(Range<usize>),
    Sealed(Range<usize>),
}

impl Entry {
    pub(crate) fn parse(value: &RawValue, at: Position) -> Self {
        let text = value.get();
        Self {
            at,
            head: Head::parse(text).map_err(|damage| RecordDamage(damage.after(at))),
            text: SecretBytes::new(text.as_bytes().to_vec()),
        }
    }

    /// A new record; members of the old one that this version does not know stay.
    pub(crate) fn of(record: &Record, old: Option<&SecretBytes>) -> Self {
        let body = record.body().expose();
        let room = body.len() * 4 / 3 + old.map_or(0, SecretBytes::len) + 512;
        let mut text = Vec::with_capacity(room);
        text.extend_from_slice(format!("{{\"version\":\"{}\"", record.version()).as_bytes());
        if let Some(until) = record.keep_until() {
            text.extend_from_slice(format!(",\"keep_until\":{}", until.unix_millis()).as_bytes());
        }
        if *record.hints() != Hints::default() {
            text.push(b',');
            push_member(
                &mut text,
                "hints",
                &serde_json::to_vec(record.hints()).unwrap_or_default(),
            );
        }
        text.push(b',');
        push_body(&mut text, body);
        for (name, value) in old.map(unknown_members).unwrap_or_default() {
            text.push(b',');
            push_member(&mut text, &name, value.get().as_bytes());
        }
        text.push(b'}');
        let text = SecretBytes::new(text);
        let spelled = std::str::from_utf8(text.expose()).unwrap_or_default();
        let head = Head::parse(spelled).map_err(RecordDamage);
        let at = Position { line: 1, column: 1 };
        Self { text, at, head }
    }

    pub(crate) fn body(&self, head: &Head) -> Result<SecretBytes, RecordDamage> {
        let text = self.text.expose();
        match &head.body {
            Body::Json(range) => Ok(SecretBytes::new(text[range.clone()].to_vec())),
            Body::Sealed(range) => STANDARD
                .decode(&text[range.clone()])
                .map(SecretBytes::new)
                .map_err(|_| {
                    RecordDamage(Damage {
                        what: "\"sealed\" is not base64",
                        at: self.at,
                    })
                }),
        }
    }
}

impl Head {
    pub(crate) fn lives(&self, now: Timestamp) -> bool {
        self.keep_until.is_none_or(|until| until > now)
    }

    fn parse(text: &str) -> Result<Self, Damage> {
        let mut members = Members::parse(text)?;
        let version = members
            .take("version")
            .ok_or(Damage::at_start("a record without \"version\""))?;
        Ok(Self {
            version: value(text, version)?,
            keep_until: members
                .take("keep_until")
                .map(|raw| value(text, raw))
                .transpose()?
                .flatten(),
            hints: members
                .take("hints")
                .map(|raw| value(text, raw))
                .transpose()?
                .unwrap_or_default(),
            body: Body::find(text, members.take("body"), members.take("sealed"))?,
        })
    }
}

impl Body {
    fn find(text: &str, body: Option<&RawValue>, sealed: Option<&RawValue>) -> Result<Self, Damage> {
        let range = |raw: &RawValue| {
            let start = offset(text, raw.get()).unwrap_or(0);
            start..start + raw.get().len()
        };
        match (body, sealed) {
            (Some(body), None) if body.get().starts_with('{') => Ok(Self::Json(range(body))),
            (None, Some(sealed)) if is_plain_string(sealed.get()) => {
                let quoted = range(sealed);
                Ok(Self::Sealed(quoted.start + 1..quoted.end - 1))
            }
            _ => Err(Damage::at_start(
                "a record needs either \"body\", an object, or \"sealed\", a text",
            )),
        }
    }
}

fn unknown_members(entry: &SecretBytes) -> Vec<(String, &RawValue)> {
    let text = std::str::from_utf8(entry.expose()).unwrap_or_default();
    let mut members = Members::parse(text).map_or_else(|_| Vec::new(), |members| members.0);
    members.retain(|(name, _)| !matches!(name.as_str(), "version" | "keep_until" | "hints" | "body" | "sealed"));
    members
}

pub(crate) fn value<T: serde::de::DeserializeOwned>(text: &str, raw: &RawValue) -> Result<T, Damage> {
    serde_json::from_str(raw.get()).map_err(|error| Damage::of(&error).within(text, raw.get()))
}

/// Writes `"name":value`.
pub(crate) fn write_member(out: &mut impl Write, name: &str, value: &[u8]) -> io::Result<()> {
    if name
        .bytes()
        .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
    {
        out.write_all(b"\"")?;
        out.write_all(name.as_bytes())?;
        out.write_all(b"\":")?;
    } else {
        out.write_all(serde_json::Value::from(name).to_string().as_bytes())?;
        out.write_all(b":")?;
    }
    out.write_all(value)
}

fn push_member(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    // Writing to memory can't fail.
    let _ = write_member(text, name, value);
}

fn push_body(text: &mut Vec<u8>, body: &[u8]) {
    if is_one_line_object(body) {
        push_member(text, "body", body);
    } else {
        let sealed = Zeroizing::new(format!("\"{}\"", &*Zeroizing::new(STANDARD.encode(body))));
        push_member(text, "sealed", sealed.as_bytes());
    }
}

/// Whether it can stand in the file as it is and comes back byte for byte.
fn is_one_line_object(body: &[u8]) -> bool {
    body.first() == Some(&b'{')
        && !body.iter().any(|byte| matches!(byte, b'\n' | b'\r'))
        && serde_json::from_slice::<&RawValue>(body).is_ok_and(|raw| raw.get().len() == body.len())
}

fn is_plain_string(text: &str) -> bool {
    text.len() >= 2 && text.starts_with('"') && !text.contains('\\')
}
