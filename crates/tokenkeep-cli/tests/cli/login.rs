//! Logging in, each flow.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::support::{PasteLogin, SECRET, World, assert_code, assert_fails, end, json};

#[test]
fn client_credentials_then_token_twice_is_one_request() {
    let world = World::new();
    let login = world.log_in_service("ci");
    assert_eq!(login.stdout(), "");
    for words in [
        "logged in: profile ci, client app at",
        "not encrypted",
        "renewed by itself",
        "expires in 1h",
    ] {
        assert!(login.stderr().contains(words), "{words}: {}", login.stderr());
    }
    let first = world.run("-p ci token");
    assert_code(&first, 0);
    assert_eq!(first.stderr(), "");
    let second = world.run("-p ci token");
    assert_eq!(first.stdout(), second.stdout());
    assert!(world.server.is_live(first.stdout().trim()));
    assert_eq!(world.server.counters().token_requests, 1);
}

#[test]
fn every_way_to_authenticate() {
    for way in ["basic", "basic-raw", "post"] {
        let world = World::new();
        let endpoint = world.server.token_endpoint();
        let login = format!(
            "login --flow client-credentials --token-endpoint {endpoint} --client-id app --client-auth {way} \
             --client-secret-stdin"
        );
        assert_code(&world.run_with(&login, SECRET), 0);
        assert_code(&world.run("token --force"), 0);
        assert_eq!(world.server.counters().discovery_requests, 0);
    }
}

#[test]
fn a_refused_client_leaves_nothing_behind() {
    let world = World::new();
    let issuer = world.server.issuer();
    let login = format!("login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin");
    let refused = world.run_with(&login, "wrong");
    assert_fails(
        &refused,
        5,
        &["invalid_client", "check the client id", "nothing was stored"],
    );
    assert_fails(&world.run("token"), 3, &["no profile default"]);

    world.log_in_service("default");
    let before = world.run("token").stdout();
    assert_fails(&world.run_with(&login, "wrong"), 5, &["invalid_client"]);
    assert_eq!(world.run("token").stdout(), before);
}

#[test]
fn paste_the_whole_address() {
    let world = World::new();
    let login = PasteLogin::begin(&world, "--scope read -q");
    let address = login.visit();
    let ended = login.paste(&format!("  {address} "));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("logged in"), "quiet: {}", ended.stderr);
    let token = world.run("token").stdout();
    assert!(world.server.is_live(token.trim()));
    world.server.expire_access_tokens();
    let renewed = world.run("token --force").stdout();
    assert!(renewed != token && world.server.is_live(renewed.trim()));
    assert_eq!(world.server.counters().refreshes_granted, 1);
}

#[test]
fn paste_the_code_alone() {
    let world = World::new();
    let login = PasteLogin::begin(&world, "");
    let address = login.visit();
    let code = address.split_once("code=").unwrap().1.split('&').next().unwrap();
    let ended = login.paste(code);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(world.server.counters().logins, 1);
}

#[test]
fn a_confidential_client_reads_its_secret_first() {
    let world = World::new();
    let issuer = world.server.issuer();
    world.write_config("[profiles.default]\nclient_secret_file = '/dev/null'\n");
    std::fs::write(world.home().join("secret"), format!(" {SECRET}\n")).unwrap();
    let file = world.home().join("secret");
    let login = format!(
        "login --flow paste --issuer {issuer} --client-id app --client-secret-file {}",
        file.display()
    );
    let login = PasteLogin::begin_as(&world, &login);
    let address = login.visit();
    assert_eq!(login.paste(&address).code, Some(0));
    assert_eq!(world.server.counters().logins, 1);
}

#[test]
fn another_state_is_refused_and_nothing_is_sent() {
    let world = World::new();
    let login = PasteLogin::begin(&world, "");
    let other = PasteLogin::begin(&world, "-p other");
    let foreign = other.visit();
    let ended = login.paste(&foreign);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("belongs to another login"), "{}", ended.stderr);
    assert_eq!(other.paste("").code, Some(1));
    assert_eq!(world.server.counters().token_requests, 0);
    assert_fails(&world.run("token"), 3, &["no profile default"]);
}

#[test]
fn a_person_who_says_no() {
    let world = World::new();
    world.server.deny_next_authorization("access_denied");
    let login = PasteLogin::begin(&world, "");
    let address = login.visit();
    let ended = login.paste(&address);
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("access_denied"), "{}", ended.stderr);
}

#[test]
fn a_refused_code_gives_the_old_login_back() {
    let world = World::new();
    let login = PasteLogin::begin(&world, "");
    let ended = login.paste("not-a-code");
    assert_eq!(ended.code, Some(5), "{}", ended.stderr);
    assert!(ended.stderr.contains("invalid_grant"), "{}", ended.stderr);
    assert_fails(&world.run("token"), 3, &["no profile default"]);

    world.log_in_service("default");
    let token = world.run("token").stdout();
    let login = PasteLogin::begin(&world, "--force");
    assert_eq!(login.paste("not-a-code").code, Some(5));
    assert_eq!(world.run("token").stdout(), token);
    assert_code(&world.run("token --force"), 0);
}

#[test]
fn another_client_is_not_replaced_by_mistake() {
    let world = World::new();
    world.log_in_service("default");
    let issuer = world.server.issuer();
    let other = format!("login --flow token --issuer {issuer} --client-id desktop");
    assert_fails(&world.run_with(&other, "t"), 3, &["client app at", "--force"]);
    assert_code(&world.run_with(&format!("{other} --force"), "t"), 0);
    assert_eq!(world.run("token").stdout(), "t\n");
}

#[test]
fn a_login_again_needs_no_arguments() {
    let world = World::new();
    world.log_in_service("default");
    let first = world.run("token").stdout();
    assert_code(&world.run("login"), 0);
    assert_ne!(world.run("token").stdout(), first);
    assert_eq!(world.server.counters().token_requests, 2);
}

#[test]
fn a_token_from_stdin() {
    let world = World::new();
    let login = world.run_with("login --flow token", "opaque-token\n");
    assert_code(&login, 0);
    assert!(login.stderr().contains("nothing renews it"), "{}", login.stderr());
    assert_eq!(world.run("token").stdout(), "opaque-token\n");
    assert_eq!(json(&world.run("token -o json"))["expires_at"], serde_json::Value::Null);
    for bad in ["", "two words", "{\"no\":1}"] {
        assert_fails(&world.run_with("login --flow token", bad), 1, &["stdin"]);
    }
    assert_eq!(world.run("token").stdout(), "opaque-token\n");
}

#[test]
fn a_token_response_from_stdin_is_renewed() {
    let world = World::new();
    let login = world.log_in_person("default");
    assert_eq!(world.run("token").stdout().trim(), login.access_token);
    assert_eq!(world.server.counters().token_requests, 0);
    let renewed = world.run("token --force").stdout();
    assert_ne!(renewed.trim(), login.access_token);
    assert!(world.server.is_live(renewed.trim()));
    let tokens = "{\"access_token\":\"a\",\"refresh_token\":\"r\"}";
    assert_fails(
        &world.run_with("-p x login --flow token", tokens),
        3,
        &["client_id is missing"],
    );
    let without = "-p x login --flow token --client-id desktop";
    assert_fails(&world.run_with(without, tokens), 3, &["issuer is missing"]);
}

#[test]
fn files_are_private_under_any_umask() {
    let world = World::new();
    let issuer = world.server.issuer();
    let login = format!("login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin");
    assert_code(&end(world.command(&login).stdin(SECRET).umask(0o000)), 0);
    assert_code(&end(world.command("token --force").umask(0o000)), 0);
    assert_private(&world.home().join("data"));
}

fn assert_private(path: &Path) {
    let found = std::fs::symlink_metadata(path).unwrap();
    let mode = found.permissions().mode() & 0o777;
    if found.is_dir() {
        assert_eq!(mode, 0o700, "{}", path.display());
        for entry in std::fs::read_dir(path).unwrap() {
            assert_private(&entry.unwrap().path());
        }
    } else {
        assert_eq!(mode, 0o600, "{}", path.display());
    }
}
