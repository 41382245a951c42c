use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Program, ServiceError};

const OPENSSL: Program = Program {
    name: "openssl",
    package: "openssl",
};

/// Files in PEM form for a server on 127.0.0.1 and `localhost`, and for one client.
#[derive(Clone, Debug)]
pub struct Certificates {
    /// The authority that signed the others.
    pub authority: PathBuf,
    /// The server's certificate.
    pub server: PathBuf,
    /// The server's private key.
    pub server_key: PathBuf,
    /// The client's certificate.
    pub client: PathBuf,
    /// The client's private key.
    pub client_key: PathBuf,
    /// Another authority, that signed none of them.
    pub stranger: PathBuf,
}

impl Certificates {
    /// Makes them in this folder, good for a day.
    pub fn make(folder: &Path) -> Result<Self, ServiceError> {
        authority(folder, "ca")?;
        authority(folder, "stranger")?;
        signed(folder, "server", "subjectAltName=IP:127.0.0.1,DNS:localhost")?;
        signed(folder, "client", "extendedKeyUsage=clientAuth")?;
        Ok(Self {
            authority: folder.join("ca.pem"),
            server: folder.join("server.pem"),
            server_key: folder.join("server.key"),
            client: folder.join("client.pem"),
            client_key: folder.join("client.key"),
            stranger: folder.join("stranger.pem"),
        })
    }
}

fn authority(folder: &Path, name: &str) -> Result<(), ServiceError> {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN={name} \
             -keyout {name}.key -out {name}.pem"
        ),
    )
}

fn signed(folder: &Path, name: &str, extension: &str) -> Result<(), ServiceError> {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN={name} \
             -CA ca.pem -CAkey ca.key -addext {extension} -addext basicConstraints=critical,CA:FALSE \
             -keyout {name}.key -out {name}.pem"
        ),
    )
}

fn openssl(folder: &Path, arguments: &str) -> Result<(), ServiceError> {
    let output = Command::new(OPENSSL.find()?)
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .map_err(|error| ServiceError::io("openssl can't be started", &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ServiceError::new(format!("openssl made no certificate: {said}")))
}
