//! A whole record as bytes: for stores that keep one value per name.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Hints, Record, Version};
use crate::clock::Timestamp;
use crate::key::Key;
use crate::secret::SecretBytes;

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_until: Option<Timestamp>,
    #[serde(default)]
    hints: Cow<'a, Hints>,
}

impl Record {
    /// All but the body, which no list needs: one line of JSON without secrets (key, version, end, hints).
    pub fn head(&self) -> Vec<u8> {
        let head = Head {
            key: self.key.to_string().into(),
            version: self.version,
            keep_until: self.keep_until,
            hints: Cow::Borrowed(&self.hints),
        };
        let mut line = Vec::with_capacity(256);
        // Writing to memory can't fail, and a head maps to JSON.
        let written = serde_json::to_writer(&mut line, &head);
        debug_assert!(written.is_ok(), "{written:?}");
        line
    }

    /// The record with this key, a [`head`](Self::head) and its body; `None` if it is no head, or another key's.
    pub fn from_head(key: &Key, head: &[u8], body: SecretBytes) -> Option<Self> {
        let head: Head = serde_json::from_slice(head).ok()?;
        key.is_text(&head.key).then(|| head.of(key.clone(), body))
    }

    /// The whole record as bytes: its [`head`](Self::head), a line feed, the body as it is.
    pub fn pack(&self) -> SecretBytes {
        let head = self.head();
        let mut bytes = Vec::with_capacity(head.len() + 1 + self.body.len());
        bytes.extend_from_slice(&head);
        bytes.push(b'\n');
        bytes.extend_from_slice(self.body.expose());
        SecretBytes::new(bytes)
    }

    /// Takes apart what [`pack`](Self::pack) made; `None` if it is not that.
    pub fn unpack(bytes: &SecretBytes) -> Option<Self> {
        let (head, body) = split(bytes.expose())?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let key = head.key.parse().ok()?;
        Some(head.of(key, body.to_vec().into()))
    }

    /// The same where the key is known, which is quicker; `None` if it is another key's too.
    pub fn unpack_as(key: &Key, bytes: &[u8]) -> Option<Self> {
        let (head, body) = split(bytes)?;
        Self::from_head(key, head, body.to_vec().into())
    }
}

impl Head<'_> {
    fn of(self, key: Key, body: SecretBytes) -> Record {
        Record::from_parts(key, self.version, self.keep_until, self.hints.into_owned(), body)
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn packed_records_come_back() {
        let body = SecretBytes::new(vec![0, b'\n', 255]);
        let key = Key::grant(&Profile::default());
        let record = Record::from_parts(
            key.clone(),
            Version::after(None),
            Some(Timestamp::from_unix_seconds(9)),
            Hints::default(),
            body,
        );
        let packed = record.pack();
        assert_eq!(Record::unpack_as(&Key::client(key.profile()), packed.expose()), None);
        assert_eq!(Record::unpack_as(&key, packed.expose()).as_ref(), Some(&record));
        assert_eq!(Record::unpack(&packed), Some(record));
        assert_eq!(Record::unpack_as(&key, b"{}\n"), None);
        assert_eq!(Record::unpack(&b"{}\n".to_vec().into()), None);
    }
}
