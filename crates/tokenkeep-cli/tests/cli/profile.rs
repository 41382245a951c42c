//! The profiles of the store.

use super::support::{SECRET, World, assert_code, assert_fails, end, json as parsed};
use serde_json::json;

#[test]
fn the_list() {
    let world = World::new();
    assert_eq!(world.run("profile list").stdout(), "");
    world.log_in_service("service");
    world.log_in_person("me");
    assert_code(&world.run("-p me logout"), 0);
    let list = world.run("profile list");
    assert_code(&list, 0);
    assert_eq!(list.stdout(), "me       logged out\nservice  valid\n");
    let object = parsed(&world.run("profile list --json"));
    assert_eq!(object["schema"], 1);
    assert_eq!(
        object["profiles"],
        json!([{ "profile": "me", "state": "logged_out" }, { "profile": "service", "state": "valid" }])
    );
}

#[test]
fn all_that_is_known_of_one() {
    let world = World::new();
    world.log_in_service("service");
    let login = world.log_in_person("me");
    let object = parsed(&world.run("profile show me --json"));
    assert_eq!(object["schema"], 1);
    assert_eq!(object["profile"], "me");
    assert_eq!(object["store_from"], "default");
    assert_eq!(object["client"]["client_id"], "desktop");
    assert_eq!(object["client"]["client_secret_from"], json!(null));
    assert_eq!(object["client"]["issuer"], world.server.issuer());
    assert_eq!(
        object["client"]["revocation_endpoint"],
        world.server.revocation_endpoint()
    );
    assert_eq!(object["client"]["rotation"], "strict");
    assert_eq!(object["login"]["has_refresh_token"], true);
    assert_eq!(object["login"]["logged_out_at"], json!(null));
    assert_eq!(object["history"][0]["outcome"], "logged_in");
    let service = parsed(&world.run("-p service profile show --json"));
    assert_eq!(service["client"]["client_secret_from"], "store");
    assert_eq!(service["login"]["grant"], "client_credentials");
    let text = world.run("profile show me").stdout();
    for words in [
        "profile  ",
        "client id  ",
        "desktop",
        "token endpoint",
        "logged_in",
        "store from  ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let tokens = world.run("-p service token").stdout();
    for arguments in ["show me", "show me --json", "show service", "show service --json"] {
        let said = world.run(&format!("-vvv profile {arguments}"));
        let said = format!("{}{}", said.stdout(), said.stderr());
        for secret in [SECRET, &login.access_token, &login.refresh_token, tokens.trim()] {
            assert!(!said.contains(secret), "{arguments}: {said}");
        }
    }
    assert_fails(&world.run("profile show mee"), 3, &["no profile mee", "it has me"]);
}

#[test]
fn where_things_come_from() {
    let world = World::new();
    world.log_in_service("default");
    let from = |arguments: &str, name: &str, value: &str| {
        let command = world
            .command(&format!("{arguments} profile show --json"))
            .env(name, value);
        let object = parsed(&end(command));
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (
            text(&object["store_from"]),
            text(&object["client"]["client_secret_from"]),
        )
    };
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    let file = format!("json:{}", world.store_file().display());
    assert_eq!(from("", "X", ""), pair("default", "store"));
    assert_eq!(from("", "TOKENKEEP_STORE", &file), pair("TOKENKEEP_STORE", "store"));
    assert_eq!(from(&format!("--store {file}"), "X", ""), pair("--store", "store"));
    let variable = "environment variable TOKENKEEP_CLIENT_SECRET";
    assert_eq!(from("", "TOKENKEEP_CLIENT_SECRET", "x"), pair("default", variable));
    world.write_config(&format!(
        "store = '{file}'\n[profiles.default]\nclient_secret_file = '/run/s'\n"
    ));
    assert_eq!(from("", "X", ""), pair("configuration file", "file /run/s"));
}

#[test]
fn each_place_that_was_looked_in_is_named() {
    let world = World::new();
    world.log_in_service("default");
    let file = format!("json:{}", world.store_file().display());
    world.write_config(&format!(
        "store = '{file}'\n[profiles.default]\nclient_secret_file = '/run/s'\n"
    ));
    assert!(parsed(&world.run("profile show --json")).get("origin").is_none());
    let command = world
        .command("profile show --json --origin")
        .env("TOKENKEEP_STORE", &file);
    let origin = parsed(&end(command))["origin"].take();
    let states = |setting: &str| {
        let explained = origin.as_array().unwrap().iter().find(|one| one["setting"] == setting);
        let places = explained.unwrap()["places"].as_array().unwrap();
        let words = places.iter().map(|place| place["state"].as_str().unwrap());
        words.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(states("store"), "absent used absent not_used not_used");
    assert_eq!(states("client_id"), "used");
    assert_eq!(states("client_secret"), "absent absent used not_used");
    assert_eq!(states("refresh_token"), "absent");
    let text = world.run("profile show --origin").stdout();
    assert!(
        text.contains("client_secret_file in [profiles.default] (/run/s) (used), store (not used)"),
        "{text}"
    );
    assert!(!text.contains(SECRET), "{text}");
}

#[test]
fn remove_takes_everything_of_one_profile() {
    let world = World::new();
    world.log_in_service("ci");
    world.log_in_service("kept");
    assert_code(&world.run("-p ci token --audience https://other"), 0);
    assert_fails(
        &world.run("profile remove ci"),
        2,
        &["no terminal", "hint: say it: tokenkeep -p ci profile remove --yes"],
    );
    assert_code(&world.run("-p ci token"), 0);
    let removed = world.run("profile remove ci --yes");
    assert_code(&removed, 0);
    assert!(
        removed.stderr().contains("profile ci is removed"),
        "{}",
        removed.stderr()
    );
    let stored = std::fs::read_to_string(world.store_file()).unwrap();
    assert!(!stored.contains("ci#") && !stored.contains("\"ci\""), "{stored}");
    assert_fails(
        &world.run("profile remove ci --yes"),
        3,
        &["no profile ci", "it has kept"],
    );
    assert_fails(&world.run("-p ci token"), 3, &["no profile ci"]);
    assert_code(&world.run("-p kept token"), 0);
    world.log_in_service("ci");
    assert_code(&world.run("-p ci token"), 0);
}

#[test]
fn remove_spares_a_refresh_token_that_lives() {
    let world = World::new();
    let login = world.log_in_person("me");
    let words = [
        "has a refresh token",
        "revoke it first: tokenkeep -p me revoke",
        "tokenkeep -p me profile remove --yes",
    ];
    assert_fails(&world.run("profile remove me"), 2, &words);
    assert_code(&world.run("-p me token"), 0);
    assert_code(&world.run("profile remove me --yes"), 0);
    assert!(world.server.family_alive(&login.refresh_token));
    assert!(
        !std::fs::read_to_string(world.store_file())
            .unwrap()
            .contains(&login.refresh_token)
    );
    world.log_in_person("me");
    assert_code(&world.run("-p me revoke"), 0);
    assert_fails(&world.run("profile remove me"), 2, &["no terminal"]);
}

#[cfg(target_os = "linux")]
#[test]
fn remove_asks_at_a_terminal() {
    let world = World::new();
    world.log_in_service("ci");
    let answered = |answer: &str| world.at_terminal("-p ci profile remove", &[], answer).end();
    for answer in ["n\n", "\n"] {
        let seen = answered(answer);
        assert_eq!(seen.code, Some(1), "{}", seen.text);
        for words in ["remove profile ci from json:", "nothing was removed"] {
            assert!(seen.text.contains(words), "{words}: {}", seen.text);
        }
    }
    assert_code(&world.run("-p ci token"), 0);
    let seen = answered("y\n");
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    assert_code(&world.run("-p ci token"), 3);
}

#[test]
fn rename_takes_everything_along() {
    let world = World::new();
    let login = world.log_in_person("old");
    world.log_in_service("taken");
    assert_fails(
        &world.run("profile rename old taken"),
        3,
        &["already has a profile taken", "profile remove"],
    );
    assert_fails(&world.run("profile rename old old"), 2, &["the same"]);
    assert_fails(
        &world.run("profile rename odl new"),
        3,
        &["no profile odl", "it has old"],
    );
    world.write_config("[profiles.old]\nclient_id = 'desktop'\n");
    let renamed = world.run("profile rename old new");
    assert_code(&renamed, 0);
    let words = "profile old is new now, in json:";
    assert!(renamed.stderr().contains(words), "{}", renamed.stderr());
    assert!(
        renamed.stderr().contains("configuration file still speaks of old"),
        "{}",
        renamed.stderr()
    );
    assert_eq!(world.run("-p new token").stdout().trim(), login.access_token);
    assert_eq!(world.run("profile list").stdout(), "new    valid\ntaken  valid\n");
    assert_fails(&world.run("-p old token"), 3, &["no profile old"]);
    // Back again, over what the first time has left.
    assert_code(&world.run("profile rename new old"), 0);
    assert_code(&world.run("-p old token --force"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}
