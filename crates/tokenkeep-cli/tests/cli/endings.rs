//! Logging out, here or at the server too.

use std::path::Path;

use store_testkit::server::{Endpoint, Fault};

use super::support::{SECRET, World, assert_code, assert_fails, json as parsed};

#[test]
fn logout_forgets_here_and_says_that_the_server_was_not_told() {
    let world = World::new();
    let login = world.log_in_person("person");
    let logout = world.run("-p person logout");
    assert_code(&logout, 0);
    assert_eq!(logout.stdout(), "");
    for words in [
        "the server is not told",
        "tokenkeep -p person revoke",
        "log in again: tokenkeep -p person login",
    ] {
        assert!(logout.stderr().contains(words), "{}", logout.stderr());
    }
    assert_eq!(world.server.counters().revocations, 0);
    assert!(world.server.is_live(&login.access_token) && world.server.family_alive(&login.refresh_token));
    let stored = std::fs::read_to_string(world.store_file()).unwrap();
    assert!(!stored.contains(&login.access_token) && !stored.contains(&login.refresh_token));
    assert_fails(&world.run("-p person token"), 4, &["log in: tokenkeep -p person login"]);
    assert_eq!(
        parsed(&world.run("status --json"))["profiles"][0]["state"],
        "logged_out"
    );
}

#[test]
fn logout_of_nothing() {
    let world = World::new();
    world.log_in_service("default");
    assert_code(&world.run("logout"), 0);
    let again = world.run("logout");
    assert_code(&again, 0);
    assert!(again.stderr().contains("nobody was logged in"), "{}", again.stderr());
    assert!(!again.stderr().contains("not told"), "{}", again.stderr());
    assert_eq!(world.run("-q logout").stderr(), "");
    assert_fails(
        &world.run("-p defalt logout"),
        3,
        &["no profile defalt", "it has default"],
    );
}

#[test]
fn one_damaged_login_keeps_no_other_from_its_end() {
    others_end_beside("json", damage_json);
    others_end_beside("sqlite", damage_sqlite);
}

fn others_end_beside(kind: &str, damage: impl FnOnce(&Path)) {
    let world = World::new();
    let file = world.home().join("tokens");
    world.write_config(&format!("store = '{kind}:{}'\n", file.display()));
    let [revoked, ..] = ["revoked", "forgotten", "removed", "renamed", "bad"].map(|name| world.log_in_person(name));
    damage(&file);
    assert_code(&world.run("-p revoked revoke"), 0);
    assert!(!world.server.family_alive(&revoked.refresh_token));
    assert_code(&world.run("-p forgotten logout"), 0);
    assert_code(&world.run("profile remove removed --yes"), 0);
    assert_code(&world.run("profile rename renamed other"), 0);
    assert_code(&world.run("-p other token"), 0);
    // Who asks for it is told.
    for command in ["-p bad logout", "-p bad token"] {
        assert_fails(&world.run(command), 6, &["record bad#grant"]);
    }
    let moved = world.run(&format!(
        "store migrate --to json:{}",
        world.home().join("new").display()
    ));
    assert_fails(&moved, 1, &["other: moved", "record bad#grant"]);
}

fn damage_json(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let version = "\"bad#grant\":{\"version\":\"";
    assert!(text.contains(version), "{text}");
    std::fs::write(file, text.replace(version, &format!("{version}x"))).unwrap();
}

fn damage_sqlite(file: &Path) {
    let database = rusqlite::Connection::open(file).unwrap();
    let changed = database.execute("UPDATE records SET version = 'x' WHERE key = 'bad#grant'", []);
    assert_eq!(changed.unwrap(), 1);
}

#[test]
fn a_login_can_be_repeated_after_its_end() {
    let world = World::new();
    for command in ["logout", "revoke"] {
        world.log_in_service("default");
        assert_code(&world.run("token --audience https://other"), 0);
        assert_code(&world.run(command), 0);
        assert_fails(&world.run("token"), 4, &["log in: tokenkeep -p default login"]);
        assert_fails(&world.run("token --audience https://other"), 4, &[]);
        assert_code(&world.run("login --flow client-credentials"), 0);
        assert_code(&world.run("token"), 0);
    }
}

#[test]
fn revoke_ends_the_tokens_at_the_server() {
    let world = World::new();
    let login = world.log_in_person("person");
    let revoke = world.run("-p person revoke");
    assert_code(&revoke, 0);
    assert!(revoke.stderr().contains("revoked at the server"), "{}", revoke.stderr());
    assert!(!world.server.is_live(&login.access_token) && !world.server.family_alive(&login.refresh_token));
    assert_fails(&world.run("-p person token"), 4, &["log in: tokenkeep -p person login"]);
    let requests = world.server.counters().revocations;
    let again = world.run("-p person revoke");
    assert_code(&again, 0);
    assert!(again.stderr().contains("nobody was logged in"), "{}", again.stderr());
    assert_eq!(world.server.counters().revocations, requests);
}

#[test]
fn a_revocation_that_fails_forgets_nothing() {
    let world = World::new();
    let login = world.log_in_person("default");
    let refusal = Fault::answer(401)
        .body("{\"error\":\"invalid_client\"}")
        .at(Endpoint::Revocation);
    world.server.inject(refusal);
    let hint = "or to forget the login here only: tokenkeep -p default logout";
    assert_fails(
        &world.run("revoke"),
        5,
        &["invalid_client", "nothing was forgotten", hint],
    );
    world
        .server
        .inject(Fault::drop_before_handling().at(Endpoint::Revocation).times(10));
    assert_fails(
        &world.run("revoke"),
        7,
        &["nothing was forgotten: try again later", hint],
    );
    assert_eq!(world.run("token").stdout().trim(), login.access_token);
    world.server.clear_faults();
    assert_code(&world.run("revoke"), 0);
}

#[test]
fn a_provider_that_cannot_revoke() {
    let world = World::new();
    let endpoint = world.server.token_endpoint();
    let login =
        format!("login --flow client-credentials --token-endpoint {endpoint} --client-id app --client-secret-stdin");
    assert_code(&world.run_with(&login, SECRET), 0);
    assert_fails(
        &world.run("revoke"),
        3,
        &[
            "no revocation endpoint",
            "forget the login here only: tokenkeep -p default logout",
        ],
    );
    assert_code(&world.run("token"), 0);
    let logout = world.run("logout");
    assert_code(&logout, 0);
    assert!(logout.stderr().contains("until they end\n"), "{}", logout.stderr());

    // Where it is can be said, once: it is kept with the server's other endpoints.
    let revocation = world.server.revocation_endpoint();
    let login = format!("login --flow client-credentials --revocation-endpoint {revocation}");
    assert_code(&world.run(&login), 0);
    assert_code(&world.run("login --flow client-credentials --force"), 0);
    let token = world.run("token").stdout();
    assert_code(&world.run("revoke"), 0);
    assert!(!world.server.is_live(token.trim()));
    let unusable = world.run("login --flow client-credentials --revocation-endpoint http://auth.example/revoke");
    assert_fails(&unusable, 3, &["revocation_endpoint can't be used"]);
}

#[test]
fn a_revocation_endpoint_from_the_configuration_or_the_environment() {
    let world = World::new();
    let (token, revocation) = (world.server.token_endpoint(), world.server.revocation_endpoint());
    let login =
        format!("login --flow client-credentials --token-endpoint {token} --client-id app --client-secret-stdin");
    let variable = world
        .command(&format!("-p one {login}"))
        .env("TOKENKEEP_REVOCATION_ENDPOINT", &revocation);
    assert_code(&super::support::end(variable.stdin(SECRET)), 0);
    world.write_config(&format!("[profiles.other]\nrevocation_endpoint = '{revocation}'\n"));
    assert_code(&world.run_with(&format!("-p other {login}"), SECRET), 0);
    for profile in ["one", "other"] {
        let shown = parsed(&world.run(&format!("profile show {profile} --json")));
        assert_eq!(shown["client"]["revocation_endpoint"], revocation);
        assert_code(&world.run(&format!("-p {profile} revoke")), 0);
    }
    assert!(world.server.live_access_tokens().is_empty());
}
