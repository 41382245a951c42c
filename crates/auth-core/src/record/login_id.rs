//! Names of logins.

use serde::{Deserialize, Serialize};

use crate::digest_name::digest_name;

digest_name! {
    /// Names a login: 16 random bytes.
    LoginId
}

impl LoginId {
    /// A new one.
    pub fn random() -> Self {
        Self::of(&[&crate::random::bytes::<16>()])
    }
}

impl Serialize for LoginId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LoginId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a login id"))
    }
}
