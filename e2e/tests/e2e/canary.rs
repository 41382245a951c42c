//! What is secret is found nowhere outside a sealed store: not in its files, its journals, a
//! server's dump, in what is put aside, in logs, or on standard error.

use std::path::Path;

use store_testkit::server::{AuthorizationServer, Fault, Gate};
use test_services::Redis;
use tokenkeep::key::Key;
use tokenkeep::store::TokenStoreExt as _;
use tokenkeep::{Profile, Sealing, store};

use crate::command::{Home, LIMIT, finish, patient};
use crate::logins::{SECRET, adopting, enrolling, server, tokens};

/// A run of the command with all that is secret in it, and all that was said meanwhile.
struct Run<'a> {
    home: &'a Home,
    server: AuthorizationServer,
    seal: Option<String>,
    said: Vec<u8>,
    secrets: Vec<String>,
}

#[test]
fn nothing_secret_is_outside_a_sealed_json_file() {
    let home = Home::new();
    let run = Run::sealed(&home).carried_out();
    run.assert_clean(&[home.folder()]);
}

#[test]
fn nothing_secret_is_outside_a_sealed_database() {
    let home = Home::with_store(|folder| format!("sqlite:{}", folder.join("data/tokens.db").display()));
    let run = Run::sealed(&home).carried_out();
    run.assert_clean(&[home.folder()]);
}

#[test]
fn nothing_secret_is_outside_a_sealed_redis() {
    let redis = Redis::builder().durable().start().unwrap();
    let home = Home::with_store(|_| patient(&redis.url()));
    let run = Run::sealed(&home).carried_out();
    redis.command(&["SAVE"]).unwrap();
    run.assert_clean(&[home.folder(), redis.folder()]);
}

/// They would be found.
#[test]
fn without_a_seal_they_are_in_the_store() {
    let redis = Redis::builder().durable().start().unwrap();
    for (home, folder) in [
        (Home::new(), None),
        (Home::with_store(|_| patient(&redis.url())), Some(redis.folder())),
    ] {
        let run = Run::plain(&home).carried_out();
        let folder = folder.unwrap_or(home.folder());
        let found = run.secrets_in(&contents(&[folder]));
        // The client secret, both access tokens and the refresh token; a journal has older ones too.
        assert!(found.len() >= 4, "{found:?}");
        assert!(found.contains(&&run.secrets[0]) && found.contains(&run.secrets.last().unwrap()));
        assert_eq!(run.secrets_in(&run.said), Vec::<&String>::new());
    }
}

impl<'a> Run<'a> {
    fn plain(home: &'a Home) -> Self {
        Self {
            home,
            server: server(),
            seal: None,
            said: Vec::new(),
            secrets: vec![SECRET.to_owned()],
        }
    }

    fn sealed(home: &'a Home) -> Self {
        let keys = tempfile::Builder::new()
            .prefix("key")
            .tempdir_in(home.folder())
            .unwrap();
        let key = keys.keep().join("key");
        home.print(&["key", "generate", key.to_str().unwrap()]);
        Self {
            seal: Some(format!("key-file:{}", key.display())),
            ..Self::plain(home)
        }
    }

    /// Logins, refreshes, refusals, a killed process, a broken answer: at the highest level of logging.
    fn carried_out(mut self) -> Self {
        let login = self.server.log_in("app", "api");
        self.secrets
            .extend([login.access_token.clone(), login.refresh_token.clone()]);
        self.run(&["-p", "person"], &adopting(&self.server), &tokens(&login, 3600), 0);
        self.run(&["-p", "service"], &enrolling(&self.server), SECRET, 0);
        for profile in ["person", "service"] {
            for arguments in [&["token"][..], &["token", "--force"]] {
                let token = self.run(&["-p", profile], arguments, "", 0);
                self.secrets.push(token.trim().to_owned());
            }
            self.run(
                &["-p", profile],
                &["request", "POST", &self.server.api_url(), "-d", "x"],
                "",
                0,
            );
            // A server may repeat what it was sent.
            let sent = if profile == "service" { SECRET } else { "such client" };
            let echo = format!("{{\"error\":\"invalid_client\",\"error_description\":\"no {sent}\"}}");
            self.server.inject(Fault::answer(400).body(echo));
            self.run(&["-p", profile], &["token", "--force"], "", 5);
        }
        self.abort_a_refresh();
        self.run(&[], &["profile", "show", "person", "--json", "--origin"], "", 0);
        self.run(&[], &["status", "--json"], "", 0);
        self.run(&[], &["store", "check"], "", 0);
        self.run(&[], &["doctor"], "", 0);
        self.secrets.extend(self.stored_refresh_token());
        self
    }

    fn run<A: AsRef<str>>(&mut self, before: &[&str], arguments: &[A], stdin: &str, code: i32) -> String {
        let output = finish(self.command(before, arguments).stdin(stdin));
        assert_eq!(output.code(), Some(code), "{}", output.stderr());
        self.said.extend_from_slice(output.stderr().as_bytes());
        let is_token = arguments.first().is_some_and(|word| word.as_ref() == "token");
        if !is_token {
            self.said.extend_from_slice(output.stdout().as_bytes());
        }
        output.stdout()
    }

    fn command<A: AsRef<str>>(&self, before: &[&str], arguments: &[A]) -> store_testkit::process::ProcessBuilder {
        let words: Vec<&str> = before
            .iter()
            .copied()
            .chain(arguments.iter().map(AsRef::as_ref))
            .collect();
        let command = self.home.command(&words).env("TOKENKEEP_LOG", "trace");
        match &self.seal {
            Some(seal) => command.env("TOKENKEEP_SEAL", seal),
            None => command,
        }
    }

    /// Ends a process while the server works on its request, as a bug would.
    fn abort_a_refresh(&mut self) {
        let gate = Gate::new();
        self.server.inject(Fault::none().hold_before(&gate));
        let process = self.command(&["-p", "service"], &["token", "--force"]).spawn().unwrap();
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        let aborted = std::process::Command::new("kill")
            .args(["-ABRT", &process.id().to_string()])
            .status();
        assert!(aborted.unwrap().success());
        let output = process.wait(LIMIT).unwrap();
        assert_eq!(output.code(), None);
        self.said.extend_from_slice(output.stderr().as_bytes());
        gate.release();
    }

    /// The one that the last refresh gave.
    fn stored_refresh_token(&self) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let url = self.home.url();
            let key = Key::grant(&Profile::new("person").unwrap());
            let plain = store::open(url).await.unwrap();
            let loaded = match &self.seal {
                None => plain.load_contents(&key).await,
                Some(seal) => {
                    let sealed = Sealing::new(seal).unwrap().wrap(plain).await.unwrap();
                    sealed.load_contents(&key).await
                }
            };
            let grant = loaded.unwrap().unwrap().1.into_grant().unwrap();
            Some(grant.refresh_token.unwrap().expose().to_owned())
        })
    }

    fn secrets_in(&self, bytes: &[u8]) -> Vec<&String> {
        self.secrets.iter().filter(|secret| holds(bytes, secret)).collect()
    }

    fn assert_clean(&self, folders: &[&Path]) {
        assert!(self.said.len() > 10_000, "the logs say little");
        assert_eq!(self.secrets_in(&self.said), Vec::<&String>::new(), "in what was said");
        let contents = contents(folders);
        assert!(holds(&contents, "person"), "the store is not in these folders");
        assert_eq!(self.secrets_in(&contents), Vec::<&String>::new(), "in files");
    }
}

/// All files under these folders, one after the other.
pub(crate) fn contents(folders: &[&Path]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for folder in folders {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                bytes.extend(contents(&[&path]));
            } else if path.is_file() {
                assert_ne!(path.file_name().and_then(|name| name.to_str()), Some("core"));
                bytes.extend(std::fs::read(&path).unwrap());
            }
        }
    }
    bytes
}

/// As it is, or as Base64.
pub(crate) fn holds(bytes: &[u8], secret: &str) -> bool {
    let mut forms = std::iter::once(secret.to_owned()).chain(base64_forms(secret));
    forms.any(|form| bytes.windows(form.len()).any(|window| window == form.as_bytes()))
}

/// The part of its Base64 that is the same whatever stands before and after it.
fn base64_forms(secret: &str) -> [String; 3] {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::array::from_fn(|skipped| {
        let whole = &secret.as_bytes()[skipped..];
        let triples = whole.chunks_exact(3).map(|triple| {
            let bits = u32::from(triple[0]) << 16 | u32::from(triple[1]) << 8 | u32::from(triple[2]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift & 63) as usize]))
        });
        triples.flatten().collect()
    })
}
