use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::folder::Medium;
use crate::http::ask;
use crate::port::{is_served_by, on_free_ports};
use crate::{PythonService, Server, ServerBuilder, ServiceError, free_port};

const LAUNCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../xtask/services/kms/launch.py");
const VARIABLE: &str = "TOKENKEEP_TEST_KMS_URL";
const READY: Duration = Duration::from_secs(120);

/// AWS KMS for tests: moto, with the states of keys enforced, and a counter of calls. Keys survive a
/// restart and go when the value is dropped.
#[derive(Debug)]
pub struct Kms {
    address: SocketAddr,
    /// None: somebody else's, and stays.
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    server: Server,
    _folder: TempDir,
}

/// What it does to the calls that name one key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KmsTrouble {
    /// Nothing.
    None,
    /// This share of the calls, 0 to 1, is answered with `ThrottlingException`; which ones is drawn, alike for each
    /// key.
    Throttle(f64),
    /// Every call is answered with this code.
    Refuse(&'static str),
    /// Each answer comes this much later.
    Slow(Duration),
}

/// The state of a key, as AWS names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KmsKeyState {
    /// It can be used.
    Enabled,
    /// Somebody switched it off.
    Disabled,
    /// It will be deleted.
    PendingDeletion,
    /// Its material is not there yet.
    PendingImport,
}

/// Calls that are alike in all of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsCalls {
    /// `GenerateDataKey`, `Decrypt`, `DescribeKey`, …
    pub operation: String,
    /// `ok`, or the code of the refusal.
    pub outcome: String,
    /// The encryption context as compact JSON with sorted names.
    pub context: String,
    /// How many there were.
    pub count: u64,
}

impl Kms {
    /// The access key id that it knows.
    pub const ACCESS_KEY_ID: &str = "AKIATOKENKEEPTESTS00";
    /// Any secret will do: it checks no signature.
    pub const SECRET_ACCESS_KEY: &str = "not-a-secret";
    /// Where [`create_key`](Self::create_key) creates keys.
    pub const REGION: &str = "eu-central-1";

    /// Starts one; installs it before if that was not done.
    pub fn start() -> Result<Self, ServiceError> {
        let python = PythonService { name: "kms" }.ready()?;
        on_free_ports(|| start_once(&python))
    }

    /// The one that `TOKENKEEP_TEST_KMS_URL` names, for tests that stop nothing.
    pub fn shared() -> Result<Self, ServiceError> {
        let url = std::env::var(VARIABLE)
            .map_err(|_| ServiceError::new(format!("{VARIABLE} is not set; run: cargo xtask test --only kms")))?;
        let address = url.trim_end_matches('/').strip_prefix("http://").unwrap_or_default();
        let address = address
            .parse()
            .map_err(|_| ServiceError::new(format!("{VARIABLE} is not http://ADDRESS:PORT: {url}")))?;
        Ok(Self { address, own: None })
    }

    /// Its endpoint.
    pub fn url(&self) -> String {
        Self::url_at(self.address)
    }

    /// The same through a proxy that listens there.
    pub fn url_at(address: SocketAddr) -> String {
        format!("http://{address}")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new key; its ARN.
    pub fn create_key(&self) -> Result<String, ServiceError> {
        self.create_key_in(Self::REGION)
    }

    /// A new key in another region; its ARN.
    pub fn create_key_in(&self, region: &str) -> Result<String, ServiceError> {
        self.control("key", &[("region", region)])
    }

    /// Another name of a key, which begins with `alias/`.
    pub fn create_alias(&self, key: &str, name: &str) -> Result<(), ServiceError> {
        self.control("alias", &[("key", key), ("name", name)]).map(drop)
    }

    /// From now on the key is in this state.
    pub fn set_state(&self, key: &str, state: KmsKeyState) -> Result<(), ServiceError> {
        self.control("state", &[("key", key), ("state", &format!("{state:?}"))])
            .map(drop)
    }

    /// From now on calls that name the key by its ARN are treated so.
    pub fn set_trouble(&self, key: &str, trouble: KmsTrouble) -> Result<(), ServiceError> {
        let (kind, value) = match trouble {
            KmsTrouble::None => ("none", String::new()),
            KmsTrouble::Throttle(share) => ("throttle", share.to_string()),
            KmsTrouble::Refuse(code) => ("refuse", code.to_owned()),
            KmsTrouble::Slow(time) => ("slow", time.as_secs_f64().to_string()),
        };
        self.control("trouble", &[("key", key), ("kind", kind), ("value", &value)])
            .map(drop)
    }

    /// The calls so far that named the key by its ARN.
    pub fn calls(&self, key: &str) -> Result<Vec<KmsCalls>, ServiceError> {
        let text = self.control("calls", &[("key", key)])?;
        Ok(text.lines().filter_map(KmsCalls::parse).collect())
    }

    /// How many calls of this operation named the key, whatever came of them.
    pub fn count(&self, key: &str, operation: &str) -> Result<u64, ServiceError> {
        let calls = self.calls(key)?;
        let asked = calls.iter().filter(|calls| calls.operation == operation);
        Ok(asked.map(|calls| calls.count).sum())
    }

    /// Starts it again, with its keys, at the same port.
    pub fn restart(&mut self) -> Result<(), ServiceError> {
        let address = self.address;
        self.own()?.server.start(READY, |id| is_served_by(id, address))
    }

    /// Ends it.
    pub fn stop(&mut self) -> Result<(), ServiceError> {
        self.own()?.server.stop();
        Ok(())
    }

    /// It stays, but answers nothing any more.
    pub fn freeze(&mut self) -> Result<(), ServiceError> {
        self.own()?.server.freeze();
        Ok(())
    }

    /// It answers again.
    pub fn thaw(&mut self) -> Result<(), ServiceError> {
        self.own()?.server.thaw();
        Ok(())
    }

    /// Waits until it ends, which nobody asked for.
    pub fn wait(&mut self) -> ServiceError {
        match self.own() {
            Ok(own) => own.server.wait(),
            Err(error) => error,
        }
    }

    fn own(&mut self) -> Result<&mut Own, ServiceError> {
        self.own
            .as_mut()
            .ok_or_else(|| ServiceError::new("this KMS is shared: start one of your own to stop it"))
    }

    fn control(&self, command: &str, given: &[(&str, &str)]) -> Result<String, ServiceError> {
        let given: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        ask(self.address, &format!("/__test/{command}?{}", given.join("&")))
    }
}

impl KmsCalls {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split('\t').map(str::to_owned);
        Some(Self {
            operation: words.next()?,
            outcome: words.next()?,
            context: words.next()?,
            count: words.next()?.parse().ok()?,
        })
    }
}

fn start_once(python: &Path) -> Result<Kms, ServiceError> {
    let folder = Medium::default().folder("KMS")?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let server = ServerBuilder::new("KMS", python, folder.path().join("log"))
        .arguments([LAUNCH, "--port", &address.port().to_string(), "--folder"])
        .arguments([folder.path().join("keys")])
        .start(READY, |id| is_served_by(id, address))?;
    Ok(Kms {
        address,
        own: Some(Own {
            server,
            _folder: folder,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::KmsCalls;

    #[test]
    fn calls_are_read() {
        let line = "Decrypt\tDisabledException\t{\"tokenkeep:partition\":\"7\"}\t12";
        assert_eq!(
            KmsCalls::parse(line),
            Some(KmsCalls {
                operation: "Decrypt".into(),
                outcome: "DisabledException".into(),
                context: "{\"tokenkeep:partition\":\"7\"}".into(),
                count: 12,
            })
        );
        assert_eq!(KmsCalls::parse("Decrypt\tok"), None);
    }
}
