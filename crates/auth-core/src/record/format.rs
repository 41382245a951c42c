//! Stored format 1: one JSON object per record.
//!
//! ```json
//! {"format":1,"key":"default#grant","version":"3-0011223344556677","grant":{…}}
//! ```
//!
//! The member after `version` is named by the part: `client`, `grant`, `login`,
//! `token`. Times are milliseconds since 1970. Unknown members are ignored, so a
//! later version may add some without a new format number; golden files in
//! `tests/golden/` pin what is written.

use std::io;

use serde::{Deserialize, Serialize};

use super::{
    ClientRecord, Contents, GrantRecord, LoginRecord, Record, RecordError, RecordErrorKind, TokenRecord, Version,
};
use crate::key::{Key, Part};
use crate::secret::SecretBytes;

/// The number of the stored format that this version writes.
pub const FORMAT: u64 = 1;

pub(super) fn encode(key: &Key, version: Version, contents: &Contents) -> SecretBytes {
    // Counted first: a buffer that grows leaves copies of the tokens behind.
    let mut size = Counted(0);
    write(&mut size, key, version, contents);
    let mut body = Vec::with_capacity(size.0);
    write(&mut body, key, version, contents);
    SecretBytes::new(body)
}

fn write(out: impl io::Write, key: &Key, version: Version, contents: &Contents) {
    let head = Head {
        format: FORMAT,
        key: key.to_string(),
        version: version.to_string(),
    };
    let written = match contents {
        Contents::Client(client) => serde_json::to_writer(
            out,
            &Body {
                head,
                part: ClientPart { client },
            },
        ),
        Contents::Grant(grant) => serde_json::to_writer(
            out,
            &Body {
                head,
                part: GrantPart { grant },
            },
        ),
        Contents::Login(login) => serde_json::to_writer(
            out,
            &Body {
                head,
                part: LoginPart { login },
            },
        ),
        Contents::Token(token) => serde_json::to_writer(
            out,
            &Body {
                head,
                part: TokenPart { token },
            },
        ),
    };
    // Writing to memory can't fail, and every type above maps to JSON.
    debug_assert!(written.is_ok(), "{written:?}");
}

struct Counted(usize);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a sealed body begins with; no text does.
const SEALED: u8 = 0xFE;

pub(super) fn decode(record: &Record) -> Result<Contents, RecordError> {
    let failed = |kind| RecordError {
        key: record.key().clone(),
        kind,
    };
    let corrupt = |error: serde_json::Error| {
        failed(RecordErrorKind::Corrupt {
            line: error.line(),
            column: error.column(),
        })
    };
    let body = record.body().expose();
    if body.first() == Some(&SEALED) {
        return Err(failed(RecordErrorKind::Sealed));
    }
    let head: Head = serde_json::from_slice(body).map_err(corrupt)?;
    if head.format != FORMAT {
        return Err(failed(RecordErrorKind::NewerFormat { format: head.format }));
    }
    if head.key != record.key().to_string() || head.version != record.version().to_string() {
        return Err(failed(RecordErrorKind::WrongName));
    }
    let contents = match record.key().part() {
        Part::Client => serde_json::from_slice(body).map(|part: ClientPart<ClientRecord>| part.client.into()),
        Part::Grant => serde_json::from_slice(body).map(|part: GrantPart<GrantRecord>| part.grant.into()),
        Part::Login(_) => serde_json::from_slice(body).map(|part: LoginPart<LoginRecord>| part.login.into()),
        Part::Token(_) => serde_json::from_slice(body).map(|part: TokenPart<TokenRecord>| part.token.into()),
        Part::Lease(_) => return Err(failed(RecordErrorKind::WrongName)),
    };
    contents.map_err(corrupt)
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u64,
    key: String,
    version: String,
}

#[derive(Serialize)]
struct Body<P> {
    #[serde(flatten)]
    head: Head,
    #[serde(flatten)]
    part: P,
}

#[derive(Serialize, Deserialize)]
struct ClientPart<T> {
    client: T,
}

#[derive(Serialize, Deserialize)]
struct GrantPart<T> {
    grant: T,
}

#[derive(Serialize, Deserialize)]
struct LoginPart<T> {
    login: T,
}

#[derive(Serialize, Deserialize)]
struct TokenPart<T> {
    token: T,
}

/// The only places where secrets become text: the record codec.
pub(super) mod secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(crate) fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

pub(super) mod option_secret {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::Secret;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => serializer.serialize_str(secret.expose()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
    }
}

pub(super) mod pairs {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::Secret;

    pub(crate) fn serialize<S: Serializer>(pairs: &[(String, Secret)], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(pairs.iter().map(|(name, value)| (name, value.expose())))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, Secret)>, D::Error> {
        let pairs = Vec::<(String, String)>::deserialize(deserializer)?;
        Ok(pairs
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect())
    }
}

pub(super) mod hash {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::SecretHash;

    pub(crate) fn serialize<S: Serializer>(hash: &SecretHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hash.to_text())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        SecretHash::parse(&text).ok_or_else(|| serde::de::Error::custom("not a hash"))
    }
}

pub(super) mod hashes {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::SecretHash;

    pub(crate) fn serialize<S: Serializer>(hashes: &[SecretHash], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(hashes.iter().map(|hash| hash.to_text()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretHash>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let parsed = texts.iter().map(|text| SecretHash::parse(text));
        parsed
            .collect::<Option<_>>()
            .ok_or_else(|| serde::de::Error::custom("not a hash"))
    }
}

pub(super) mod option_hash {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::secret::SecretHash;

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(hash: &Option<SecretHash>, serializer: S) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.serialize_str(&hash.to_text()),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretHash>, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(None),
            Some(text) => SecretHash::parse(&text)
                .map(Some)
                .ok_or_else(|| serde::de::Error::custom("not a hash")),
        }
    }
}
