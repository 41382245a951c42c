//! Keys: under what name a record is kept.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::digest_name::digest_name;
use crate::profile::Profile;
use crate::target::TargetId;

/// The name of a record in a store: a profile and which part of it.
///
/// Its text form (`Display`, [`FromStr`]) is `PROFILE#client`, `PROFILE#grant`,
/// `PROFILE#token.HEX`, `PROFILE#login.HEX` or `PROFILE#lease.HEX`: printable ASCII without spaces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    profile: Profile,
    part: Part,
}

/// Which part of a profile a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Client id, client secret, provider.
    Client,
    /// What must not be lost: refresh token, refresh mark, recipe, binding.
    Grant,
    /// A lease kept as a record, by stores without a primitive of their own
    /// ([`CasLease`](crate::store::CasLease)); never listed.
    Lease(LeaseName),
    /// A login under way, named by the hash of its `state`.
    Login(LoginName),
    /// One access token, for one target.
    Token(TargetId),
}

impl Key {
    /// The key of this part of this profile.
    pub fn new(profile: Profile, part: Part) -> Self {
        Self { profile, part }
    }

    /// The key of the client registration.
    pub fn client(profile: &Profile) -> Self {
        Self::new(profile.clone(), Part::Client)
    }

    /// The key of the grant record.
    pub fn grant(profile: &Profile) -> Self {
        Self::new(profile.clone(), Part::Grant)
    }

    /// The key of the access token for this target.
    pub fn token(profile: &Profile, target: TargetId) -> Self {
        Self::new(profile.clone(), Part::Token(target))
    }

    /// The key of the login under way with this `state`.
    pub fn login(profile: &Profile, state: &str) -> Self {
        Self::new(profile.clone(), Part::Login(LoginName::of_state(state)))
    }

    /// The key under which a lease on this key is kept as a record.
    pub fn lease_record(&self) -> Self {
        Self::new(self.profile.clone(), Part::Lease(LeaseName::of_key(self)))
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The part.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Whether a lease is kept under it, which no list shows.
    pub fn is_lease(&self) -> bool {
        matches!(self.part, Part::Lease(_))
    }

    /// SHA-256 of the text form, as 64 hexadecimal digits: for stores and files
    /// whose names are limited.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.profile.as_str());
        hash.update(&*self.part.text());
        crate::text::hex(&hash.finalize())
    }

    /// Whether this is the text form: for stores, of each record that they read.
    pub fn is_text(&self, text: &str) -> bool {
        let part = text.strip_prefix(self.profile.as_str());
        part.is_some_and(|part| part == self.part.text())
    }
}

impl Part {
    /// The text form's second half.
    fn text(&self) -> Cow<'static, str> {
        match self {
            Self::Client => "#client".into(),
            Self::Grant => "#grant".into(),
            Self::Lease(name) => format!("#lease.{name}").into(),
            Self::Login(name) => format!("#login.{name}").into(),
            Self::Token(target) => format!("#token.{target}").into(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.profile.as_str())?;
        f.write_str(&self.part.text())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (profile, part) = text.rsplit_once('#').ok_or(KeyError)?;
        let profile = Profile::new(profile).map_err(|_| KeyError)?;
        let part = match part.split_once('.') {
            None if part == "client" => Part::Client,
            None if part == "grant" => Part::Grant,
            Some(("token", id)) => Part::Token(TargetId::parse(id).ok_or(KeyError)?),
            Some(("lease", name)) => Part::Lease(LeaseName::parse(name).ok_or(KeyError)?),
            Some(("login", name)) => Part::Login(LoginName::parse(name).ok_or(KeyError)?),
            _ => return Err(KeyError),
        };
        Ok(Self { profile, part })
    }
}

digest_name! {
    /// The hash of a login's `state` by which its record is named: the state itself
    /// is a secret until the login ends, names are not.
    LoginName
}

digest_name! {
    /// The hash of the key that a lease kept as a record is on.
    LeaseName
}

impl LoginName {
    /// The name of the login with this `state`.
    pub fn of_state(state: &str) -> Self {
        Self::of(&[state.as_bytes()])
    }
}

impl LeaseName {
    /// The name of the lease on this key.
    pub fn of_key(key: &Key) -> Self {
        Self::of(&[key.to_string().as_bytes()])
    }
}

/// The text is not the text form of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a record name: PROFILE#client, #grant, #token.HEX, #login.HEX or #lease.HEX")]
pub struct KeyError;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Target;

    #[test]
    fn text_form_round_trips() {
        let profile = Profile::from_parts(["tenant one", "ana"]);
        for key in [
            Key::client(&profile),
            Key::grant(&profile),
            Key::token(&profile, Target::new().scope("a").id()),
            Key::login(&profile, "state"),
            Key::grant(&profile).lease_record(),
        ] {
            let text = key.to_string();
            assert!(key.is_text(&text) && !key.is_text(&text[1..]) && !key.is_text(&format!("{text} ")));
            assert_eq!(key.digest(), crate::text::hex(&Sha256::digest(&text)));
            assert_eq!(text.parse(), Ok(key));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "a",
            "a#",
            "a#other",
            "#grant",
            "a#token.xyz",
            "a#token.00",
            "a#grant.1",
            "a b#grant",
        ] {
            assert_eq!(text.parse::<Key>(), Err(KeyError), "{text}");
        }
    }
}
