use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::folder::Medium;
use crate::port::{is_served_by, on_free_ports};
use crate::{Certificates, PythonService, Server, ServerBuilder, ServiceError, free_port};

const LAUNCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/services/mongo/launch.py");
const READY: Duration = Duration::from_secs(120);
const USER: &str = "keeper";
const PASSWORD: &str = "p@ss/word 1%";

/// What to start.
#[derive(Clone, Copy, Debug, Default)]
pub struct MongoDbBuilder {
    has_user: bool,
    has_tls: bool,
    is_standalone: bool,
}

/// A MongoDB server on 127.0.0.1: SecantusDB, a replica set of one member, which answers as MongoDB 8
/// does. It sweeps expired documents every five seconds and knows fail points. Its data survives a restart and
/// goes when the value is dropped.
#[derive(Debug)]
pub struct MongoDb {
    server: Server,
    options: MongoDbBuilder,
    address: SocketAddr,
    certificates: Option<Certificates>,
    _folder: TempDir,
}

impl MongoDb {
    /// Without users and without TLS.
    pub fn start() -> Result<Self, ServiceError> {
        Self::builder().start()
    }

    /// With other options.
    pub fn builder() -> MongoDbBuilder {
        MongoDbBuilder::default()
    }

    /// The certificate authority that signed its certificate, PEM, if it wants TLS.
    pub fn authority(&self) -> Option<PathBuf> {
        self.certificates.as_ref().map(|made| made.authority.clone())
    }

    /// How to reach it, with name, password and certificate authority where it wants them.
    pub fn url(&self) -> String {
        self.url_at(self.address)
    }

    /// The same through a proxy that listens there.
    pub fn url_at(&self, address: SocketAddr) -> String {
        let userinfo = if self.options.has_user {
            format!("{USER}:{}@", percent_encoded(PASSWORD))
        } else {
            String::new()
        };
        // Otherwise the driver would turn to the address that the server names.
        let url = format!("mongodb://{userinfo}{address}/?directConnection=true");
        match &self.certificates {
            Some(certificates) => {
                let authority = percent_encoded(&certificates.authority.display().to_string());
                format!("{url}&tls=true&tlsCAFile={authority}")
            }
            None => url,
        }
    }

    /// The name and the password of its user, if it wants one.
    pub fn login(&self) -> (&'static str, &'static str) {
        (USER, PASSWORD)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts it again, with its data, at the same port.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        let address = self.address;
        self.server.start(READY, |id| is_served_by(id, address))
    }

    /// Ends it as an administrator would.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// It stays, but answers nothing any more.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// It answers again.
    pub fn thaw(&self) {
        self.server.thaw();
    }

    /// Waits until it ends, which nobody asked for.
    pub fn wait(&mut self) -> ServiceError {
        self.server.wait()
    }
}

impl Drop for MongoDb {
    fn drop(&mut self) {
        // It takes seconds to end by itself, and nobody wants its data any more.
        self.server.kill();
    }
}

impl MongoDbBuilder {
    /// Clients must log in (SCRAM-SHA-256).
    pub fn with_user(mut self) -> Self {
        self.has_user = true;
        self
    }

    /// Clients must come by TLS.
    pub fn with_tls(mut self) -> Self {
        self.has_tls = true;
        self
    }

    /// No member of a replica set.
    pub fn standalone(mut self) -> Self {
        self.is_standalone = true;
        self
    }

    /// Starts it on a free port; installs it before if that was not done.
    pub fn start(self) -> Result<MongoDb, ServiceError> {
        let python = PythonService { name: "mongo" }.ready()?;
        on_free_ports(|| self.start_once(&python))
    }

    fn start_once(self, python: &Path) -> Result<MongoDb, ServiceError> {
        let folder = Medium::default().folder("MongoDB")?;
        let certificates = self.has_tls.then(|| Certificates::make(folder.path())).transpose()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let port = address.port().to_string();
        let mut server = ServerBuilder::new("MongoDB", python, folder.path().join("log"))
            .arguments([LAUNCH, "--port", &port, "--folder"])
            .arguments([folder.path().join("data")]);
        if self.is_standalone {
            server = server.arguments(["--standalone"]);
        }
        if self.has_user {
            server = server.arguments(["--user".to_owned(), format!("{USER}:{PASSWORD}")]);
        }
        if let Some(certificates) = &certificates {
            server = server.arguments([Path::new("--certificate"), certificates.server.as_path()]);
            server = server.arguments([Path::new("--key"), certificates.server_key.as_path()]);
        }
        Ok(MongoDb {
            server: server.start(READY, |id| is_served_by(id, address))?,
            options: self,
            address,
            certificates,
            _folder: folder,
        })
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{PASSWORD, percent_encoded};

    #[test]
    fn passwords_are_encoded_for_urls() {
        assert_eq!(percent_encoded(PASSWORD), "p%40ss%2Fword%201%25");
    }
}
