//! New tokens, now.

use serde_json::json;
use store_testkit::server::{Fault, Gate};

use super::support::{LIMIT, SECRET, SIGNAL_TAKEN, World, assert_code, end, hear, json as parsed};

#[test]
fn one_profile() {
    let world = World::new();
    world.log_in_service("ci");
    let before = world.run("-p ci token").stdout();
    let refresh = world.run("-p ci refresh");
    assert_code(&refresh, 0);
    assert_eq!(refresh.stdout(), "");
    assert!(
        refresh.stderr().starts_with("ci: refreshed, good for 1h"),
        "{}",
        refresh.stderr()
    );
    assert_eq!(refresh.stderr().lines().count(), 1);
    let after = world.run("-p ci token").stdout();
    assert_ne!(before, after);
    assert_eq!(world.run("-q refresh ci").stderr(), "");
    assert_ne!(world.run("-p ci token").stdout(), after);
    assert_eq!(world.server.counters().token_requests, 3);
}

#[test]
fn all_profiles_and_the_worst_code() {
    let world = World::new();
    world.log_in_service("ci");
    let login = world.log_in_person("person");
    world.log_in_service("left");
    assert_code(&world.run("-p left logout"), 0);
    world.server.revoke_family_of(&login.refresh_token);
    let refresh = world.run("refresh --all");
    assert_code(&refresh, 4);
    let said = refresh.stderr();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].starts_with("ci: refreshed"), "{said}");
    assert!(lines[1].starts_with("left: skipped"), "{said}");
    assert!(
        lines[2].starts_with("person: error: ") && lines[2].ends_with("log in: tokenkeep -p person login"),
        "{said}"
    );
    assert_code(&world.run("refresh ci"), 0);
    assert_code(&world.run("refresh left"), 4);
    let unknown = world.run("refresh ci cj");
    assert_code(&unknown, 3);
    assert!(
        unknown.stderr().contains("cj: error: no profile cj"),
        "{}",
        unknown.stderr()
    );
    assert!(unknown.stderr().contains("ci: refreshed"), "{}", unknown.stderr());
    assert_code(&world.run("refresh --all ci"), 2);
    assert_code(&world.run("refresh ../x"), 2);
}

#[test]
fn an_empty_store_has_nothing_to_refresh() {
    let world = World::new();
    let refresh = world.run("refresh --all");
    assert_code(&refresh, 0);
    assert!(refresh.stderr().contains("nothing is kept"), "{}", refresh.stderr());
    assert_eq!(parsed(&world.run("refresh --all --json"))["profiles"], json!([]));
}

#[test]
fn only_what_expires_soon() {
    let world = World::new();
    world.log_in_service("ci");
    let token = world.run("-p ci token").stdout();
    let skipped = world.run("-p ci refresh --if-expires-within 5m");
    assert_code(&skipped, 0);
    assert!(
        skipped.stderr().starts_with("ci: skipped, still good for 1h"),
        "{}",
        skipped.stderr()
    );
    assert_eq!(world.run("-p ci token").stdout(), token);
    let refreshed = world.run("-p ci refresh --if-expires-within 3h");
    assert!(
        refreshed.stderr().starts_with("ci: refreshed"),
        "{}",
        refreshed.stderr()
    );
    assert_ne!(world.run("-p ci token").stdout(), token);
    world.log_in_expired_person("person");
    let expired = world.run("refresh person --if-expires-within 1s");
    assert!(
        expired.stderr().starts_with("person: refreshed"),
        "{}",
        expired.stderr()
    );
    assert_code(&world.run("refresh --if-expires-within soon"), 2);
}

#[test]
fn the_json_form() {
    let world = World::new();
    world.log_in_service("ci");
    assert_code(&world.run_with("-p pasted login --flow token", "opaque"), 0);
    let refresh = world.run("refresh --all --json");
    assert_code(&refresh, 4);
    assert_eq!(refresh.stderr(), "");
    let object: serde_json::Value = serde_json::from_slice(refresh.stdout_bytes()).unwrap();
    assert_eq!(object["schema"], 1);
    let profiles = &object["profiles"];
    assert_eq!(profiles[0]["profile"], "ci");
    assert_eq!(profiles[0]["outcome"], "refreshed");
    assert_eq!(profiles[0]["exit_code"], 0);
    assert!(profiles[0]["expires_in_s"].as_u64().unwrap() > 7000);
    assert_eq!(profiles[0]["error"], json!(null));
    assert_eq!(profiles[1]["outcome"], "failed");
    assert_eq!(profiles[1]["exit_code"], 4);
    assert!(profiles[1]["error"].is_string());
    assert_eq!(profiles[1]["next_action"], "log in: tokenkeep -p pasted login");
    let pasted = parsed(&world.run("refresh pasted --if-expires-within 1m --json"));
    assert_eq!(pasted["profiles"][0]["outcome"], "not_renewed");
    let soon = parsed(&world.run("refresh ci --if-expires-within 1m --json"));
    assert_eq!(soon["profiles"][0]["outcome"], "still_good");
}

#[test]
fn a_secret_in_the_environment_is_not_for_several_servers() {
    let world = World::new();
    world.log_in_service("one");
    world.log_in_service("two");
    let with = |arguments: &str| end(world.command(arguments).env("TOKENKEEP_CLIENT_SECRET", "wrong"));
    assert_code(&with("refresh --all"), 0);
    assert_code(&with("refresh one two"), 0);
    assert_code(&with("refresh one"), 5);
    assert_code(
        &end(world.command("refresh one").env("TOKENKEEP_CLIENT_SECRET", SECRET)),
        0,
    );
}

#[test]
fn a_profile_with_its_own_store() {
    let world = World::new();
    let other = world.home().join("other.json");
    world.write_config(&format!("[profiles.apart]\nstore = 'json:{}'\n", other.display()));
    world.log_in_service("near");
    world.log_in_service("apart");
    assert!(other.exists());
    let refresh = world.run("-p near refresh near apart");
    assert_code(&refresh, 0);
    assert!(refresh.stderr().contains("apart: refreshed"), "{}", refresh.stderr());
}

#[test]
fn an_interrupted_refresh_is_carried_to_its_end() {
    let world = World::new();
    let login = world.log_in_person("default");
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_after(&gate));
    let mut process = world.command("-v refresh").spawn().unwrap();
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    process.terminate().unwrap();
    hear(&process, SIGNAL_TAKEN);
    assert!(process.is_running().unwrap());
    gate.release();
    assert_code(&process.wait(LIMIT).unwrap(), 143);
    let token = world.run("token").stdout();
    assert_ne!(token.trim(), login.access_token);
    assert!(world.server.is_live(token.trim()));
}
