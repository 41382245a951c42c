//! The scripts: each operation that changes something is one, so that it happens at once or not at all.

use std::sync::LazyLock;

use auth_core::secret::SecretBytes;
use redis::Cmd;

macro_rules! script {
    ($file:literal) => {
        Script {
            text: include_str!(concat!("scripts/", $file)),
            hash: LazyLock::new(|| {
                let text = include_str!(concat!("scripts/", $file));
                redis::Script::new(text).get_hash().to_owned()
            }),
        }
    };
}

pub(crate) static RELEASE: Script = script!("release.lua");
pub(crate) static REMOVE: Script = script!("remove.lua");
pub(crate) static RENEW: Script = script!("renew.lua");
pub(crate) static SAVE: Script = script!("save.lua");
pub(crate) static TRY_LEASE: Script = script!("try_lease.lua");

/// A script: its text, and the hash by which the server knows it.
pub(crate) struct Script {
    text: &'static str,
    hash: LazyLock<String>,
}

/// A call of a script on keys of one node.
pub(crate) struct Call {
    script: &'static Script,
    keys: Vec<String>,
    arguments: Vec<SecretBytes>,
}

impl Script {
    /// A call on this key.
    pub(crate) fn on(&'static self, key: String) -> Call {
        Call {
            script: self,
            keys: vec![key],
            arguments: Vec::new(),
        }
    }
}

impl Call {
    /// With one more key.
    pub(crate) fn and(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    /// With one more argument.
    pub(crate) fn argument(self, argument: impl Into<Vec<u8>>) -> Self {
        self.secret(SecretBytes::new(argument.into()))
    }

    /// With one more argument, which is a secret.
    pub(crate) fn secret(mut self, argument: SecretBytes) -> Self {
        self.arguments.push(argument);
        self
    }

    /// By the script's hash: short.
    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// By the script's text: where the server does not know the hash, as after `SCRIPT FLUSH` or a restart.
    pub(crate) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys);
        for argument in &self.arguments {
            command.arg(argument.expose());
        }
        command
    }
}
