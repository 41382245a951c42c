//! JSON whose texts are secrets from the first, and whose objects know what they hold twice.

use std::fmt;

use auth_core::Secret;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{FormatError, Problem};

/// A JSON value.
pub(super) enum Json {
    Null,
    Bool,
    Number(serde_json::Number),
    Text(Secret),
    List(Vec<Json>),
    Object(Object),
}

/// The members of a JSON object, in their order.
#[derive(Default)]
pub(super) struct Object(Vec<(String, Json)>);

impl Json {
    /// Reads a whole text.
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        serde_json::from_str(text).map_err(|error| {
            // serde's own text may quote what is there.
            FormatError::of_file(Problem::Syntax {
                what: "not JSON",
                line: error.line(),
                column: error.column(),
            })
        })
    }

    /// The object that it is.
    pub(super) fn object(self) -> Result<Object, FormatError> {
        match self {
            Self::Object(object) => Ok(object),
            _ => Err(FormatError::of_file(Problem::Kind("a JSON object"))),
        }
    }

    /// The same, looked at only.
    pub(super) fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }
}

impl Object {
    /// Takes a member out; `None` if there is none.
    pub(super) fn take(&mut self, name: &'static str) -> Result<Option<Json>, FormatError> {
        let Some(at) = self.0.iter().position(|(key, _)| key == name) else {
            return Ok(None);
        };
        let (_, value) = self.0.remove(at);
        if self.has(name) {
            return Err(FormatError::of_field(name, Problem::Twice));
        }
        Ok(Some(value))
    }

    /// A member that must be an object.
    pub(super) fn take_object(&mut self, name: &'static str) -> Result<Self, FormatError> {
        match self.take(name)? {
            Some(Json::Object(object)) => Ok(object),
            Some(_) => Err(FormatError::of_field(name, Problem::Kind("a JSON object"))),
            None => Err(FormatError::of_field(name, Problem::Missing)),
        }
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// A member, looked at only.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// All members.
    pub(super) fn into_members(self) -> Vec<(String, Json)> {
        self.0
    }
}

/// The error that the text ends here to be text.
pub(super) fn not_text(content: &[u8], valid: usize) -> FormatError {
    let before = &content[..valid];
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let lines = before.split(|byte| *byte == b'\n').count();
    FormatError::of_file(Problem::Syntax {
        what: "not UTF-8",
        line: lines,
        column: valid - line_start + 1,
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, _value: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(serde_json::Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(Secret::new(value)))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(Secret::new(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Json::Object(Object(object)))
    }
}
