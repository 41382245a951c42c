use std::path::PathBuf;

use crate::ServiceError;

/// A server program and how to get it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name in `PATH`.
    pub name: &'static str,
    /// The Debian package that it is in.
    pub package: &'static str,
}

impl Program {
    /// Where it is; the error says how to install it.
    pub fn find(self) -> Result<PathBuf, ServiceError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps servers where a user's PATH may not look.
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
            .ok_or_else(|| self.missing())
    }

    fn missing(self) -> ServiceError {
        ServiceError::new(format!(
            "the program {} is not installed; on Debian, as root: apt-get install {} (cargo xtask test does it)",
            self.name, self.package
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::Program;

    #[test]
    fn what_is_missing_is_said_with_the_way_to_get_it() {
        let program = Program {
            name: "no-such-server",
            package: "no-such-package",
        };
        let text = program.find().unwrap_err().to_string();
        assert!(text.contains("apt-get install no-such-package"), "{text}");
    }

    #[test]
    fn what_is_there_is_found() {
        let shell = Program {
            name: "sh",
            package: "dash",
        };
        assert!(shell.find().unwrap().is_absolute());
    }
}
