use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Program, ServiceError};

const OPENSSL: Program = Program {
    name: "openssl",
    package: "openssl",
};

/// A certificate authority and a server's certificate for 127.0.0.1, in files, made for one test.
#[derive(Debug)]
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them in this folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, ServiceError> {
        let made = Self {
            folder: folder.to_path_buf(),
        };
        made.run(&[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tests",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
        ])?;
        made.run(&[
            "req",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=127.0.0.1",
            "-keyout",
            "server.key",
            "-out",
            "server.csr",
        ])?;
        let extensions = "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n";
        std::fs::write(made.folder.join("extensions"), extensions)
            .map_err(|error| ServiceError::io("no certificates", &error))?;
        made.run(&[
            "x509",
            "-req",
            "-in",
            "server.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "extensions",
            "-out",
            "server.pem",
        ])?;
        Ok(made)
    }

    /// The authority's certificate, PEM.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The server's certificate, PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// The server's private key, PEM.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    fn run(&self, arguments: &[&str]) -> Result<(), ServiceError> {
        let output = Command::new(OPENSSL.find()?)
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| ServiceError::io("openssl cannot be run", &error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(ServiceError::new(format!("openssl {}: {said}", arguments[0])))
    }
}

#[cfg(test)]
mod tests {
    use super::Certificates;

    #[test]
    fn they_are_made() {
        let folder = tempfile::tempdir().unwrap();
        let made = Certificates::make(folder.path()).unwrap();
        for file in [made.authority(), made.certificate(), made.key()] {
            assert!(std::fs::read_to_string(file).unwrap().contains("BEGIN"));
        }
    }
}
