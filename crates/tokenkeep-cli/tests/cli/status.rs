//! What is stored.

use serde_json::json;

use super::support::{World, assert_code, assert_fails, json as parsed};

#[test]
fn an_empty_store() {
    let world = World::new();
    let status = world.run("status");
    assert_code(&status, 0);
    assert_eq!(status.stdout(), "");
    assert!(status.stderr().contains("login"), "{}", status.stderr());
    let object = parsed(&world.run("status --json"));
    assert_eq!(object["profiles"], json!([]));
    assert!(!world.home().join("data").exists(), "status made something");
}

#[test]
fn the_json_form() {
    let world = World::new();
    world.log_in_service("service");
    world.log_in_person("person");
    assert_code(&world.run_with("-p pasted login --flow token", "opaque"), 0);
    let requests = world.server.counters().token_requests;
    let object = parsed(&world.run("status --json"));
    assert_eq!(object["schema"], 1);
    assert_eq!(object["store"], format!("json:{}", world.store_file().display()));
    let profiles = object["profiles"].as_array().unwrap();
    let names: Vec<_> = profiles
        .iter()
        .map(|profile| profile["profile"].as_str().unwrap())
        .collect();
    assert_eq!(names[0], "pasted", "the one that nothing renews comes first");
    for profile in profiles {
        let keys: Vec<&String> = profile.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "access_expires_at",
                "access_expires_at_epoch",
                "expires_in_s",
                "grant",
                "last_error",
                "last_refresh",
                "next_action",
                "profile",
                "refresh_expires_at",
                "refreshable",
                "state"
            ]
        );
    }
    let of = |name: &str| profiles.iter().find(|profile| profile["profile"] == name).unwrap();
    assert_eq!(of("service")["state"], "valid");
    assert_eq!(of("service")["grant"], "client_credentials");
    assert_eq!(of("service")["refreshable"], true);
    assert!(of("service")["expires_in_s"].as_u64().unwrap() > 7000);
    assert_eq!(of("person")["state"], "valid");
    assert_eq!(of("person")["next_action"], json!(null));
    assert!(of("person")["last_refresh"].is_string());
    assert_eq!(of("pasted")["state"], "ending");
    assert_eq!(of("pasted")["next_action"], "tokenkeep -p pasted login");
    assert_eq!(
        world.server.counters().token_requests,
        requests,
        "status asked the server"
    );
    let one = parsed(&world.run("status person --json"));
    assert_eq!(one["profiles"].as_array().unwrap().len(), 1);
}

#[test]
fn the_table() {
    let world = World::new();
    world.log_in_service("service");
    let table = world.run("status").stdout();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0]
            .split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect::<Vec<_>>(),
        ["PROFILE", "STATE", "TIME LEFT", "REFRESH", "LAST REFRESH", "NEXT"]
    );
    assert!(lines[1].starts_with("service  valid  1h"), "{table}");
    assert_eq!(lines.len(), 2);
    assert!(!table.contains('\u{1b}'));
    assert!(world.run("--color always status").stdout().contains('\u{1b}'));
    assert!(!world.run("--color never status").stdout().contains('\u{1b}'));
}

#[test]
fn a_revoked_login_is_the_most_urgent() {
    let world = World::new();
    world.log_in_service("service");
    let login = world.log_in_person("person");
    world.server.revoke_family_of(&login.refresh_token);
    let token = world.run("-p person token --force");
    assert_fails(
        &token,
        4,
        &["a login is required", "hint: log in: tokenkeep -p person login"],
    );
    let object = parsed(&world.run("status --json"));
    let first = &object["profiles"][0];
    assert_eq!(first["profile"], "person");
    assert_eq!(first["refreshable"], false);
    assert_eq!(first["next_action"], "tokenkeep -p person login");
    assert_eq!(first["last_error"], "refused: invalid_grant");
}

#[test]
fn a_profile_that_is_not_there() {
    let world = World::new();
    for name in ["prod", "production", "staging"] {
        world.log_in_service(name);
    }
    let words = ["no profile prd in json:/", "it has prod, production, staging"];
    assert_fails(&world.run("status prd"), 3, &words);
    assert_fails(&world.run("-p prd token"), 3, &words);
    assert_fails(&world.run("status ../x"), 2, &["profile name"]);
}

#[test]
fn the_short_form() {
    let world = World::new();
    world.log_in_service("ci");
    world.log_in_expired_person("me");
    assert_code(&world.run_with("-p pasted login --flow token", "opaque"), 0);
    let requests = world.server.counters().token_requests;
    let short = |arguments: &str, code: i32| {
        let output = world.run(arguments);
        assert_code(&output, code);
        output.stdout()
    };
    assert_eq!(short("-p ci status --short", 0), "ci 1h\n");
    assert_eq!(short("status me ci --short", 0), "me renewable\nci 1h\n");
    assert_eq!(short("-p pasted status --short", 0), "pasted ending\n");
    assert_eq!(short("status --short", 4), "default login required\n");
    assert_eq!(world.server.counters().token_requests, requests);
    assert_code(&world.run("-p ci logout"), 0);
    assert_eq!(short("-p ci status --short", 4), "ci logged out\n");
    assert_code(&world.run("status --short --json"), 2);
    std::fs::write(world.store_file(), "nonsense").unwrap();
    assert_eq!(short("-p ci status --short", 6), "ci unreadable\n");
}

#[test]
fn the_check_asks_the_server_where_a_token_is_due() {
    let world = World::new();
    world.log_in_service("ci");
    let login = world.log_in_expired_person("me");
    let requests = world.server.counters().token_requests;
    let check = world.run("status --check");
    assert_code(&check, 0);
    assert!(check.stdout().contains("me       valid"), "{}", check.stdout());
    assert_eq!(check.stderr(), "");
    assert_eq!(world.server.counters().token_requests, requests + 1);
    world.server.revoke_family_of(&login.refresh_token);
    world.log_in_expired_person("gone");
    assert_code(&world.run("-p ci logout"), 0);
    assert_code(&world.run("status --check"), 0);
    assert_code(&world.run("status ci --check"), 4);
    assert_code(&world.run("status --check --short"), 2);
    let dead = world.log_in_expired_person("gone");
    world.server.revoke_family_of(&dead.refresh_token);
    let check = world.run("status --check --json");
    assert_code(&check, 4);
    assert!(
        check.stderr().starts_with("gone: error: ") && check.stderr().contains("log in: tokenkeep -p gone login"),
        "{}",
        check.stderr()
    );
    let object: serde_json::Value = serde_json::from_slice(check.stdout_bytes()).unwrap();
    assert_eq!(object["profiles"][0]["state"], "login_required");
}
