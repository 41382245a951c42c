//! JSON objects as lists of members whose values stay as they are spelled.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, in order, their values unparsed.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

/// Where in a text something is wrong. From 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// What is wrong, and where in the part that was parsed. Quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) what: &'static str,
    pub(crate) at: Position,
}

impl<'a> Members<'a> {
    /// The members of an object; a name that comes twice is damage, for nobody
    /// can say which one counts.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Damage> {
        let Self(members) = serde_json::from_str(text).map_err(|error| Damage::of(&error))?;
        let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(Self(members)),
            Some(_) => Err(Damage::at_start("a name comes twice")),
        }
    }

    /// Takes out the value of a name.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let index = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.remove(index).1)
    }
}

impl Damage {
    pub(crate) fn of(error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Data => "another kind of value was due",
            _ => "not JSON",
        };
        Self {
            what,
            at: Position {
                line: error.line().max(1),
                column: error.column().max(1),
            },
        }
    }

    pub(crate) fn at_start(what: &'static str) -> Self {
        Self {
            what,
            at: Position { line: 1, column: 1 },
        }
    }

    /// The same, seen from the text of which `part` is a part.
    pub(crate) fn within(self, text: &str, part: &str) -> Self {
        self.after(Places::of(text).start_of(part))
    }

    /// The same, seen from a text in which the part begins here.
    pub(crate) fn after(self, start: Position) -> Self {
        let column = if self.at.line == 1 {
            start.column + self.at.column - 1
        } else {
            self.at.column
        };
        let line = start.line + self.at.line - 1;
        Self {
            at: Position { line, column },
            ..self
        }
    }
}

/// Tells where parts of a text begin. Asked in their order it reads the text once.
pub(crate) struct Places<'a> {
    text: &'a str,
    counted: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Places<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
            line_start: 0,
        }
    }

    pub(crate) fn start_of(&mut self, part: &str) -> Position {
        let start = offset(self.text, part).unwrap_or(0).max(self.counted);
        let between = &self.text.as_bytes()[self.counted..start];
        if let Some(last) = between.iter().rposition(|byte| *byte == b'\n') {
            self.line += between.split(|byte| *byte == b'\n').skip(1).count();
            self.line_start = self.counted + last + 1;
        }
        self.counted = start;
        Position {
            line: self.line,
            column: start - self.line_start + 1,
        }
    }
}

/// Where `part`, a slice of `text`, begins in it.
pub(crate) fn offset(text: &str, part: &str) -> Option<usize> {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (start + part.len() <= text.len()).then_some(start)
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(InOrder).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_spelled() {
        let mut members = Members::parse(r#"{"a":1.0, "b" : {"x": "\u0041"} }"#).unwrap_or_else(|_| panic!());
        assert_eq!(members.take("b").map(RawValue::get), Some(r#"{"x": "\u0041"}"#));
        assert_eq!(members.take("a").map(RawValue::get), Some("1.0"));
        assert!(members.take("a").is_none() && members.0.is_empty());
    }

    #[test]
    fn damage_is_placed_in_the_whole_text() {
        let text = "{\n \"a\": {\"b\": 1,\n  \"c\": x}}";
        let part = &text[8..];
        let inner = Damage {
            what: "x",
            at: Position { line: 2, column: 8 },
        };
        assert_eq!(inner.within(text, part).at, Position { line: 3, column: 8 });
        let inner = Damage::at_start("x").within(text, part);
        assert_eq!(inner.at, Position { line: 2, column: 7 });
    }

    #[test]
    fn names_that_come_twice_are_damage() {
        assert!(Members::parse(r#"{"a":1,"a":2}"#).is_err());
        assert!(Members::parse("[]").is_err());
        assert!(Members::parse("").is_err());
    }
}
