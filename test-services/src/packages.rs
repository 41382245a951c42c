use std::path::{Path, PathBuf};

use crate::{PythonService, ServiceError};

/// Clients for OAuth 2.0 as their users install them: pancloud, palantir-oauth-client, globus-sdk. Nothing
/// listens: tests run them by this Python.
#[derive(Clone, Debug)]
pub struct Packages {
    python: PathBuf,
}

impl Packages {
    /// What installs them.
    pub const SERVICE: PythonService = PythonService { name: "packages" };
    /// The variable that names their Python.
    pub const VARIABLE: &str = "TOKENKEEP_TEST_PACKAGES_PYTHON";

    /// Those that the variable names.
    pub fn shared() -> Result<Self, ServiceError> {
        let python = std::env::var_os(Self::VARIABLE).map(PathBuf::from);
        let variable = Self::VARIABLE;
        let missing = || ServiceError::new(format!("{variable} is not set; run: cargo xtask test --only packages"));
        let python = python.ok_or_else(missing)?;
        if python.is_file() {
            return Ok(Self { python });
        }
        Err(ServiceError::new(format!(
            "{variable} names no file: {}",
            python.display()
        )))
    }

    /// The Python that has them.
    pub fn python(&self) -> &Path {
        &self.python
    }
}
