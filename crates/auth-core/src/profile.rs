//! Profiles: the names under which credentials are kept.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The longest name, in bytes.
pub const PROFILE_MAX_LENGTH: usize = 200;

/// A parsed profile name.
///
/// 1 to 200 characters of `A-Z a-z 0-9 . _ - @ + = : ~ /` and escapes `%XX`,
/// beginning with a letter, a digit, `_`, `~` or an escape. Names from
/// free text are made by [`Profile::from_parts`], which escapes reversibly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Profile(String);

impl Profile {
    /// Parses a name.
    ///
    /// # Errors
    /// [`ProfileError`] says which character is not allowed, or that the name
    /// is empty or too long.
    pub fn new(name: impl Into<String>) -> Result<Self, ProfileError> {
        let name = name.into();
        check(&name)?;
        Ok(Self(name))
    }

    /// A name from any text, for services with many users: `["acme", "ana@x"]`
    /// becomes `acme/ana@x`. Other characters are escaped as `%XX`, so that no
    /// two lists of parts share a name. A name over 200 bytes becomes `~`, a hash
    /// of the whole and the beginning as a hint.
    pub fn from_parts<I>(parts: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let escaped: Vec<String> = parts.into_iter().map(|part| escape(part.as_ref())).collect();
        let name = escaped.join("/");
        if name.len() <= PROFILE_MAX_LENGTH && !name.is_empty() {
            return Self(name);
        }
        let digest = crate::text::hex(&Sha256::digest(name.as_bytes())[..20]);
        let hint: String = name.chars().filter(|c| !matches!(c, '%' | '/')).take(40).collect();
        Self(format!("~{digest}.{hint}"))
    }

    /// The parts given to [`Profile::from_parts`]; `None` where the name was so
    /// long that it became a hash, or is not of that form.
    pub fn parts(&self) -> Option<Vec<String>> {
        if self.0.starts_with('~') {
            return None;
        }
        self.0.split('/').map(unescape).collect()
    }

    /// A name that another program gave: as it is where it can be one, else escaped as
    /// by [`from_parts`](Self::from_parts).
    pub fn from_foreign(name: &str) -> Self {
        Self::new(name).unwrap_or_else(|_| Self::from_parts([name]))
    }

    /// The name that was given to [`from_foreign`](Self::from_foreign); that of any other
    /// profile as it is.
    pub fn to_foreign(&self) -> String {
        match self.parts().as_deref() {
            Some([name]) if self.0.contains('%') => name.clone(),
            _ => self.0.clone(),
        }
    }

    /// The name under which logins under way are kept.
    pub(crate) fn of_logins() -> Self {
        Self("_logins".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Profile({})", self.0)
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Profile {
    type Error = ProfileError;

    fn try_from(name: &str) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

/// Why a text is no profile name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The character at this byte is not allowed there.
    #[error(
        "profile name: {character:?} is not allowed at position {position}; use letters, digits and . _ - @ + = : ~ /"
    )]
    Character {
        /// The character.
        character: char,
        /// Its position in bytes, from 0.
        position: usize,
    },
    /// Nothing was given.
    #[error("profile name is empty")]
    Empty,
    /// An escape is not `%` and two upper-case hexadecimal digits.
    #[error("profile name: the escape at position {position} is not % and two upper-case hexadecimal digits")]
    Escape {
        /// Its position in bytes, from 0.
        position: usize,
    },
    /// Over [`PROFILE_MAX_LENGTH`] bytes.
    #[error("profile name is {length} bytes long; at most {PROFILE_MAX_LENGTH} are allowed")]
    TooLong {
        /// Its length in bytes.
        length: usize,
    },
}

fn check(name: &str) -> Result<(), ProfileError> {
    if name.is_empty() {
        return Err(ProfileError::Empty);
    }
    if name.len() > PROFILE_MAX_LENGTH {
        return Err(ProfileError::TooLong { length: name.len() });
    }
    for (position, character) in name.char_indices() {
        let first_only = position == 0 && !(character.is_ascii_alphanumeric() || matches!(character, '_' | '~' | '%'));
        if first_only || !allowed(character) {
            return Err(ProfileError::Character { character, position });
        }
        if character == '%' && !well_escaped(&name.as_bytes()[position + 1..]) {
            return Err(ProfileError::Escape { position });
        }
    }
    Ok(())
}

fn allowed(character: char) -> bool {
    plain(character) || matches!(character, '/' | '%' | '~')
}

fn plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-' | '@' | '+' | '=' | ':')
}

fn well_escaped(rest: &[u8]) -> bool {
    rest.len() >= 2 && rest[..2].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'))
}

fn escape(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for (index, byte) in part.bytes().enumerate() {
        let character = char::from(byte);
        let first = index == 0 && !(character.is_ascii_alphanumeric() || character == '_');
        if byte.is_ascii() && plain(character) && !first {
            text.push(character);
        } else {
            text.push('%');
            text.push_str(&crate::text::hex(&[byte]).to_ascii_uppercase());
        }
    }
    text
}

fn unescape(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_people_use_are_names() {
        for name in ["default", "acme-prod", "ana@uni.example", "a/b", "x:y", "_x", "a%2Fb"] {
            assert_eq!(Profile::new(name).map(|p| p.0), Ok(name.to_owned()));
        }
    }

    #[test]
    fn bad_names_say_what_is_wrong() {
        assert_eq!(Profile::new(""), Err(ProfileError::Empty));
        assert_eq!(
            Profile::new("a b"),
            Err(ProfileError::Character {
                character: ' ',
                position: 1
            })
        );
        assert_eq!(
            Profile::new("-p"),
            Err(ProfileError::Character {
                character: '-',
                position: 0
            })
        );
        assert_eq!(
            Profile::new("../x"),
            Err(ProfileError::Character {
                character: '.',
                position: 0
            })
        );
        assert_eq!(Profile::new("a%2f"), Err(ProfileError::Escape { position: 1 }));
        assert!(Profile::new("a#grant").is_err());
        assert_eq!(
            Profile::new("a".repeat(201)),
            Err(ProfileError::TooLong { length: 201 })
        );
    }

    #[test]
    fn overlong_parts_become_a_hash_with_a_hint() {
        let long = Profile::from_parts(["tenant".to_owned(), "u".repeat(300)]);
        assert!(
            long.as_str().len() <= PROFILE_MAX_LENGTH && long.as_str().contains("tenant"),
            "{long}"
        );
        assert_eq!(long.parts(), None);
        assert_ne!(long, Profile::from_parts(["tenant".to_owned(), "u".repeat(301)]));
        assert_eq!(Profile::new(long.as_str()), Ok(long));
    }

    #[test]
    fn foreign_names_come_back() {
        for name in ["work", "a b", "50%", "ü/x", "acme/ana"] {
            assert_eq!(Profile::from_foreign(name).to_foreign(), name);
        }
        assert_eq!(Profile::from_foreign("work").as_str(), "work");
    }

    proptest! {
        #[test]
        fn parts_come_back(parts in proptest::collection::vec(".{1,20}", 1..4)) {
            let profile = Profile::from_parts(&parts);
            prop_assert_eq!(Profile::new(profile.as_str()), Ok(profile.clone()));
            if let Some(back) = profile.parts() {
                prop_assert_eq!(back, parts);
            } else {
                prop_assert!(profile.as_str().starts_with('~'));
            }
        }

        #[test]
        fn parts_never_alias(a in ".{0,12}", b in ".{0,12}", c in ".{0,12}", d in ".{0,12}") {
            let (left, right) = (Profile::from_parts([&a, &b]), Profile::from_parts([&c, &d]));
            prop_assert_eq!(left == right, (a, b) == (c, d));
        }
    }
}
