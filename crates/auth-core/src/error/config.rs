//! Errors of set-up: what is missing and where it was looked for.

use std::fmt;

/// What is set up wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The record was made for another issuer, token endpoint or client.
    BoundElsewhere {
        /// Which of them differs: `issuer`, `token endpoint`, `client id`.
        what: &'static str,
    },
    /// The login is being moved elsewhere, and the move was interrupted.
    Departing {
        /// Where to.
        to: String,
    },
    /// The provider has no such endpoint: `token endpoint`.
    MissingEndpoint(&'static str),
    /// Credentials are missing.
    PartialCredentials(PartialCredentials),
    /// No token is for the resource server asked for; or the tokens are for several,
    /// and none was asked for.
    ResourceServer {
        /// The one asked for.
        wanted: Option<String>,
        /// Those that there are tokens for.
        given: Vec<String>,
    },
    /// The client secret can't be read from where it is said to be.
    UnreadableSecret {
        /// Where: an environment variable, a file.
        place: String,
    },
    /// The refresh token that was given began a login that another one has replaced
    /// since: it may be spent, and the newer login stays.
    SupersededRefreshToken,
    /// The record's tokens came by a grant that this process does not have.
    UnknownGrant {
        /// Its name.
        grant: String,
    },
    /// A value can't be used: which one, and why.
    Unusable {
        /// Which one.
        what: &'static str,
        /// Why; no secret.
        why: String,
    },
    /// The store may forget refresh tokens at any time, and that was not allowed.
    VolatileStore {
        /// The name of the store.
        store: String,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BoundElsewhere { what } => {
                write!(
                    f,
                    "the stored login belongs to another {what}; nothing was sent; log in again or use another profile"
                )
            }
            Self::Departing { to } => write!(
                f,
                "the login is being moved to {to}, and the move was not finished; run the same move again"
            ),
            Self::MissingEndpoint(endpoint) => write!(
                f,
                "the provider has no {endpoint}; give it, or an issuer to discover it"
            ),
            Self::PartialCredentials(partial) => partial.fmt(f),
            Self::ResourceServer { wanted: None, given } => write!(
                f,
                "the tokens are for several resource servers ({}); ask for that of one of them",
                given.join(", ")
            ),
            Self::ResourceServer {
                wanted: Some(wanted),
                given,
            } => write!(
                f,
                "there is no token for the resource server {wanted} (there are those for: {}); ask for its scopes too",
                given.join(", ")
            ),
            Self::UnreadableSecret { place } => write!(f, "the client secret can't be read from {place}"),
            Self::SupersededRefreshToken => f.write_str(
                "the refresh token given was replaced by a later login of the profile, which stays; give no refresh token, or a new one",
            ),
            Self::UnknownGrant { grant } => {
                write!(
                    f,
                    "the tokens came by the grant `{grant}`, which this program does not have; renew them with one that has it"
                )
            }
            Self::Unusable { what, why } => write!(f, "{what} can't be used: {why}"),
            Self::VolatileStore { store } => write!(
                f,
                "the {store} store may forget refresh tokens at any time; use another store, or allow_volatile_refresh_tokens"
            ),
        }
    }
}

/// Some credentials are there, others are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialCredentials {
    /// What is missing.
    pub missing: Vec<MissingCredential>,
    /// The place that has some, and was used alone; later ones do not count.
    pub used_alone: Option<String>,
}

/// One missing credential.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingCredential {
    /// Which: `client_id`, `client_secret`, `refresh_token`, `access_token`.
    pub field: &'static str,
    /// Every place that was looked at.
    pub looked_in: Vec<String>,
}

impl PartialCredentials {
    /// These are missing.
    pub fn new(missing: Vec<MissingCredential>) -> Self {
        Self {
            missing,
            used_alone: None,
        }
    }
}

impl MissingCredential {
    /// This one is missing; these places were looked at.
    pub fn new<I>(field: &'static str, looked_in: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        Self {
            field,
            looked_in: looked_in.into_iter().map(Into::into).collect(),
        }
    }
}

impl fmt::Display for PartialCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("credentials are missing: ")?;
        for (index, missing) in self.missing.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}", missing.field)?;
            if !missing.looked_in.is_empty() {
                write!(f, " (looked in {})", missing.looked_in.join(", "))?;
            }
        }
        if let Some(place) = &self.used_alone {
            write!(f, "; used alone: {place}, the first to have any")?;
        }
        Ok(())
    }
}
