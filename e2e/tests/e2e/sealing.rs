//! Sealing with the command: a Redis in place, and under keys of a KMS that fails.

use store_testkit::process::{Output, ProcessBuilder};
use store_testkit::server::AuthorizationServer;
use test_services::{Kms, KmsKeyState, Redis};

use crate::canary::{contents, holds};
use crate::command::{Home, finish, patient};
use crate::logins::{SECRET, adopting, enrol, enrolling, server, tokens};

/// What stays readable in a Redis that is sealed in place is its journal, until it is rewritten.
#[test]
fn a_redis_is_sealed_in_place() {
    let redis = Redis::builder().durable().start().unwrap();
    let home = Home::with_store(|_| patient(&redis.url()));
    let server = server();
    enrol(&home, &server);
    let login = server.log_in("app", "api");
    let adopting = adopting(&server);
    let adopting: Vec<&str> = ["-p", "person"]
        .into_iter()
        .chain(adopting.iter().map(String::as_str))
        .collect();
    assert_code(&finish(home.command(&adopting).stdin(tokens(&login, 3600))), 0);
    let secrets = [SECRET, &login.refresh_token, &login.access_token];
    let seen = |bytes: &[u8]| secrets.into_iter().filter(|secret| holds(bytes, secret)).count();
    assert_eq!(seen(&contents(&[redis.folder()])), 3, "they would be found");

    let key = home.folder().join("key");
    home.print(&["key", "generate", key.to_str().unwrap()]);
    let seal = format!("key-file:{}", key.display());
    let sealed = |arguments: &[&str]| finish(home.command(arguments).env("TOKENKEEP_SEAL", &seal));
    assert_code(&sealed(&["store", "rewrap", "--accept-plaintext"]), 0);

    redis.command(&["BGREWRITEAOF"]).unwrap();
    wait_until(|| seen(&contents(&[redis.folder()])) == 0);
    redis.command(&["SAVE"]).unwrap();
    let files = contents(&[redis.folder()]);
    assert!(holds(&files, "person"), "the store is not in this folder");
    assert_eq!(seen(&files), 0, "in its files");
    for (profile, expected) in [("person", Some(login.access_token.as_str())), ("default", None)] {
        let token = sealed(&["-p", profile, "token"]);
        assert_code(&token, 0);
        assert!(expected.is_none_or(|expected| token.stdout().trim() == expected));
    }
    assert_code(&home.run(&["-p", "person", "token"]), 6);
}

#[test]
fn kms_keys_are_changed_and_an_outage_costs_no_login() {
    let mut kms = Kms::start().unwrap();
    let [old, new] = [kms.create_key().unwrap(), kms.create_key().unwrap()];
    let bench = Bench::new(&kms);
    bench.log_in(&old);
    let token = bench.run(&old, &["token"]);
    assert_code(&token, 0);
    let file = contents(&[bench.home.folder()]);
    assert!(!holds(&file, SECRET) && !holds(&file, token.stdout().trim()));

    let both = |arguments: &[&str]| {
        finish(
            bench
                .command(&new, arguments)
                .env("TOKENKEEP_SEAL_READ", format!("aws-kms:{old}")),
        )
    };
    assert_code(&both(&["store", "rewrap"]), 0);
    kms.set_state(&old, KmsKeyState::Disabled).unwrap();
    assert_eq!(
        bench.run(&new, &["token"]).stdout(),
        token.stdout(),
        "the old key may go"
    );

    for (state, words) in [
        (KmsKeyState::Disabled, "disabled"),
        (KmsKeyState::PendingDeletion, "deletion"),
    ] {
        kms.set_state(&new, state).unwrap();
        let refused = bench.run(&new, &["token"]);
        assert_code(&refused, 6);
        assert!(refused.stderr().contains(words), "{}", refused.stderr());
    }
    kms.set_state(&new, KmsKeyState::Enabled).unwrap();

    let asked = bench.server.counters().token_requests;
    kms.stop().unwrap();
    let away = bench.run(&new, &["token", "--force"]);
    assert_code(&away, 6);
    assert_eq!(
        bench.server.counters().token_requests,
        asked,
        "nothing is sent that could not be kept"
    );
    kms.restart().unwrap();
    assert_eq!(bench.run(&new, &["token"]).stdout(), token.stdout());
    let forced = bench.run(&new, &["token", "--force"]);
    assert_code(&forced, 0);
    assert_ne!(forced.stdout(), token.stdout());
}

/// The command with credentials for this KMS.
struct Bench {
    home: Home,
    server: AuthorizationServer,
    kms: String,
}

impl Bench {
    fn new(kms: &Kms) -> Self {
        Self {
            home: Home::new(),
            server: server(),
            kms: kms.url(),
        }
    }

    fn command(&self, key: &str, arguments: &[&str]) -> ProcessBuilder {
        self.home
            .command(arguments)
            .env("TOKENKEEP_SEAL", format!("aws-kms:{key}"))
            .env("TOKENKEEP_SEAL_ENDPOINT", &self.kms)
            .env("AWS_REGION", Kms::REGION)
            .env("AWS_ACCESS_KEY_ID", Kms::ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", Kms::SECRET_ACCESS_KEY)
    }

    fn run(&self, key: &str, arguments: &[&str]) -> Output {
        finish(self.command(key, arguments))
    }

    fn log_in(&self, key: &str) {
        let login = self.server.log_in("app", "api");
        let adopting = adopting(&self.server);
        let adopting: Vec<&str> = adopting.iter().map(String::as_str).collect();
        assert_code(&finish(self.command(key, &adopting).stdin(tokens(&login, 3600))), 0);
        let enrolling = enrolling(&self.server);
        let enrolling: Vec<&str> = ["-p", "service"]
            .into_iter()
            .chain(enrolling.iter().map(String::as_str))
            .collect();
        assert_code(&finish(self.command(key, &enrolling).stdin(SECRET)), 0);
    }
}

fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.code(), Some(code), "{}", output.stderr());
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < crate::command::LIMIT, "it did not come to pass");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
