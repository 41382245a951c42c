//! Why a file can't be read, or a profile can't be written: the entry and the field, never a value.

use std::fmt;
use std::io;
use std::sync::Arc;

const NAME_MAX: usize = 120;

/// Why a file of another client can't be read, or a profile can't be written as it reads one.
#[derive(Clone, Debug, thiserror::Error)]
pub struct FormatError {
    entry: Option<String>,
    field: Option<&'static str>,
    problem: Problem,
    #[source]
    source: Option<Arc<io::Error>>,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Somebody is writing it and does not end.
    #[error("it is in use: somebody is writing it")]
    Busy,
    /// Characters that are not printable ASCII, or white space.
    #[error("has characters that are not allowed there")]
    Characters,
    /// It is an SQLite database, and not of the Globus SDK.
    #[error("it is an SQLite database, which only the Globus SDK writes")]
    Database,
    /// An SQLite database was given as bytes.
    #[error("it is an SQLite database: name its file, it is not read from elsewhere")]
    DatabaseNeedsFile,
    /// It has no credential at all.
    #[error("holds no credential")]
    Empty,
    /// A value of another kind than belongs there.
    #[error("is not {0}")]
    Kind(&'static str),
    /// It can't be read at all.
    #[error("it can't be read")]
    Io,
    /// It is missing, although something else needs it.
    #[error("is missing")]
    Missing,
    /// It is the file of another client.
    #[error("it is a file of the format {0}")]
    Other(&'static str),
    /// It is over, and there is nothing by which another could be had.
    #[error("has expired, and nothing else is there")]
    Over,
    /// A percent sign that is no `%%` and no reference.
    #[error("has a percent sign that is not doubled")]
    Percent,
    /// A reference to a value that is not there, or refers to itself.
    #[error("refers to a value that can't be had")]
    Reference,
    /// It is there twice.
    #[error("is there twice")]
    Twice,
    /// It breaks the syntax of the file.
    #[error("{what} (line {line}, column {column})")]
    Syntax {
        /// What it should be.
        what: &'static str,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// More bytes than are read.
    #[error("it is larger than {} MiB", super::FILE_MAX / 1024 / 1024)]
    TooLarge,
    /// A value that is too long.
    #[error("is longer than {} bytes", super::fields::VALUE_MAX)]
    TooLong,
    /// More entries than are read.
    #[error("it has more than {} entries", super::ENTRIES_MAX)]
    TooManyEntries,
    /// This program was built without what reads it.
    #[error("it is an SQLite database, and this program was built without the feature `sqlite` of tokenkeep")]
    Unsupported,
    /// It is none of the files that are known.
    #[error("it is no file of pancloud, palantir-oauth-client, the Globus SDK or yup-oauth2")]
    Unknown,
    /// The format has no way to say this.
    #[error("{0}")]
    Unwritable(&'static str),
    /// A version of the file that is not known.
    #[error("has a version that is not known; there are {0}")]
    Version(&'static str),
}

impl FormatError {
    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The entry where it is wrong.
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }

    /// The field of the entry.
    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    pub(super) fn of_file(problem: Problem) -> Self {
        Self {
            entry: None,
            field: None,
            problem,
            source: None,
        }
    }

    pub(super) fn of_entry(entry: &str, problem: Problem) -> Self {
        Self::of_file(problem).within(entry)
    }

    pub(super) fn of_field(field: &'static str, problem: Problem) -> Self {
        Self {
            field: Some(field),
            ..Self::of_file(problem)
        }
    }

    pub(super) fn io(error: io::Error) -> Self {
        Self {
            source: Some(Arc::new(error)),
            ..Self::of_file(Problem::Io)
        }
    }

    /// The same, where no entry is named yet.
    pub(super) fn within(mut self, entry: &str) -> Self {
        self.entry.get_or_insert_with(|| shown(entry));
        self
    }
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = &self.entry {
            write!(f, "entry {entry}: ")?;
        }
        if let Some(field) = self.field {
            write!(f, "{field} ")?;
        } else if self.entry.is_some() {
            f.write_str("it ")?;
        }
        let problem = self.problem.to_string();
        let problem = if self.entry.is_some() {
            problem.strip_prefix("it ").unwrap_or(&problem)
        } else {
            &problem
        };
        f.write_str(problem)
    }
}

/// A name for people; one that may be anything else is not repeated.
fn shown(name: &str) -> String {
    if name.chars().count() <= NAME_MAX && !name.chars().any(char::is_control) {
        return name.to_owned();
    }
    "with a very long or unprintable name".to_owned()
}
