//! Profiles that move to another store.

use serde_json::json;
use store_testkit::process::Output;
use tokenkeep::key::Key;
use tokenkeep::store::TokenStoreExt as _;
use tokenkeep::{Profile, Secret};

use super::support::{SECRET, World, assert_code, assert_fails, end, json as parsed};

fn other(world: &World) -> String {
    format!("json:{}", world.home().join("other/tokens.json").display())
}

fn migrate(world: &World, options: &str) -> Output {
    world.run(&format!("store migrate --to {} {options}", other(world)))
}

/// The command with the other store.
fn there(world: &World, arguments: &str) -> Output {
    world.run(&format!("--store {} {arguments}", other(world)))
}

fn words_of(output: &Output, words: &[&str]) {
    assert_code(output, 0);
    for word in words {
        assert!(output.stderr().contains(word), "{word}: {}", output.stderr());
    }
}

#[test]
fn a_login_goes_on_in_the_other_store_and_ends_here() {
    let world = World::new();
    let login = world.log_in_expired_person("me");
    world.log_in_service("ci");
    let output = migrate(&world, "");
    words_of(&output, &["me: moved", "ci: copied", "1 moved, 1 copied"]);
    let said = format!("{}{}", output.stdout(), output.stderr());
    for secret in [SECRET, &login.refresh_token, &login.access_token] {
        assert!(!said.contains(secret), "{said}");
    }
    assert_eq!(output.stdout(), "");
    assert_fails(&world.run("-p me token"), 4, &["moved"]);
    assert_code(&there(&world, "-p me token"), 0);
    assert_code(&there(&world, "-p ci token"), 0);
    assert_eq!(world.server.counters().double_spends, 0);
    let shown = parsed(&world.run("profile show me --json"));
    let moved_to = format!("{}, profile me", other(&world));
    assert_eq!(shown["login"]["moved_to"], moved_to);
}

#[test]
fn run_again_it_has_nothing_to_do() {
    let world = World::new();
    world.log_in_person("me");
    for options in ["", "me", "--delete-source", "me", "--delete-source me", ""] {
        assert_code(&migrate(&world, options), 0);
        assert_code(&there(&world, "-p me token"), 0);
    }
    words_of(&migrate(&world, "me"), &["me: there already"]);
    words_of(&migrate(&world, ""), &["nothing is kept"]);
}

/// The secret of a profile's client in this store.
#[tokio::main(flavor = "current_thread")]
async fn secret_of(url: &str, profile: &str) -> Option<Secret> {
    let store = tokenkeep::store::open(url).await.unwrap();
    let key = Key::client(&Profile::new(profile).unwrap());
    let (_, contents) = store.load_contents(&key).await.unwrap().unwrap();
    contents.into_client().unwrap().client_secret
}

/// Puts the client of one profile under the other's name, with another secret.
#[tokio::main(flavor = "current_thread")]
async fn put_changed(url: &str, from: &str, to: &str) -> Secret {
    let store = tokenkeep::store::open(url).await.unwrap();
    let key = |profile: &str| Key::client(&Profile::new(profile).unwrap());
    let (_, contents) = store.load_contents(&key(from)).await.unwrap().unwrap();
    let mut client = contents.into_client().unwrap();
    let secret = Secret::new("another-secret");
    client.client_secret = Some(secret.clone());
    store.replace_contents(&key(to), &client.into(), None).await.unwrap();
    secret
}

#[test]
fn a_client_that_was_changed_there_stays_as_it_is() {
    let world = World::new();
    world.log_in_person("me");
    assert_code(&migrate(&world, ""), 0);
    let new = put_changed(&other(&world), "me", "me");
    for options in ["", "me --overwrite", "me --delete-source"] {
        words_of(
            &migrate(&world, options),
            &["me: without a login; one of its records here is not what is there, and stays"],
        );
    }
    let object = parsed(&migrate(&world, "me --delete-source --json"));
    assert_eq!(object["profiles"][0]["kept"], 1);
    assert_eq!(secret_of(&other(&world), "me"), Some(new));
    let here = format!("json:{}", world.store_file().display());
    assert_eq!(secret_of(&here, "me"), None);
}

#[test]
fn a_client_under_a_name_that_was_given_up_is_not_renamed_over_the_one_that_went() {
    let world = World::new();
    let store = format!("json:{}", world.store_file().display());
    world.log_in_person("old");
    assert_code(&world.run("profile rename old new"), 0);
    let changed = put_changed(&store, "new", "old");
    let refused = world.run("profile rename old new");
    assert_fails(&refused, 3, &["already has a profile new"]);
    assert_eq!(secret_of(&store, "new"), None);
    assert_eq!(secret_of(&store, "old"), Some(changed));
}

#[test]
fn looking_only_changes_nothing() {
    let world = World::new();
    world.log_in_person("me");
    let before = std::fs::read(world.store_file()).unwrap();
    words_of(
        &migrate(&world, "--dry-run"),
        &["me: would be moved", "nothing was changed"],
    );
    assert_eq!(std::fs::read(world.store_file()).unwrap(), before);
    assert!(!world.home().join("other/tokens.json").exists());
    let object = parsed(&migrate(&world, "--dry-run --json"));
    assert_eq!((&object["schema"], &object["dry_run"]), (&json!(1), &json!(true)));
    assert_eq!(object["to"], other(&world));
    assert_eq!(object["profiles"][0]["outcome"], "moved");
    assert_eq!(object["profiles"][0]["client"], true);
}

#[test]
fn one_that_fails_keeps_no_other_back() {
    let world = World::new();
    world.log_in_service("ci");
    assert_code(&migrate(&world, "ci"), 0);
    world.log_in_service("new");
    assert_code(
        &end(world
            .command(&format!("--store {} -p ci login", other(&world)))
            .env("TOKENKEEP_CLIENT_SECRET", SECRET)),
        0,
    );
    let output = migrate(&world, "");
    assert_fails(
        &output,
        1,
        &["ci: error:", "already has", "--overwrite", "new: copied", "1 failed"],
    );
    let object: serde_json::Value = serde_json::from_slice(migrate(&world, "--json").stdout_bytes()).unwrap();
    let failed = &object["profiles"][0];
    assert_eq!(
        (&failed["outcome"], &failed["exit_code"]),
        (&json!("failed"), &json!(3))
    );
    words_of(&migrate(&world, "--overwrite"), &["ci: copied"]);
}

#[test]
fn what_makes_no_sense_is_said_before_anything_is_done() {
    let world = World::new();
    world.log_in_person("me");
    let same = world.home().join("data/../data/tokenkeep/tokens.json");
    let same = format!("store migrate --to json:{}", same.display());
    assert_fails(&world.run(&same), 2, &["the same"]);
    assert_fails(&world.run("store migrate"), 2, &["TOKENKEEP_MIGRATE_TO"]);
    let canary = world.run("store migrate --to redis://:canary@127.0.0.1:1");
    assert_fails(&canary, 2, &["--to holds", "TOKENKEEP_MIGRATE_TO"]);
    assert!(!canary.stderr().contains("canary"));
    assert_fails(&world.run("store migrate --to nonsense:"), 3, &[]);
    assert_fails(&world.run("store migrate --to redis://127.0.0.1:1"), 6, &["127.0.0.1"]);
    assert_fails(
        &migrate(&world, "nobody"),
        3,
        &["nobody: error: no profile nobody", "me"],
    );
    let by_variable = world
        .command("store migrate")
        .env("TOKENKEEP_MIGRATE_TO", other(&world));
    words_of(&end(by_variable), &["me: moved"]);
}

#[test]
fn nothing_goes_where_it_would_end_with_the_command() {
    let world = World::new();
    world.log_in_person("me");
    let before = std::fs::read(world.store_file()).unwrap();
    for options in [
        "",
        "me",
        "--dry-run",
        "--delete-source",
        "--allow-volatile-refresh-tokens",
        "--json",
    ] {
        let output = world.run(&format!("store migrate --to memory: {options}"));
        assert_fails(&output, 3, &["memory: ends with this command", "a store that lasts"]);
    }
    world.write_config("[profiles.gone]\nstore = 'memory:'\n");
    let output = world.run("profile rename me gone");
    assert_fails(&output, 3, &["memory: ends with this command", "a store that lasts"]);
    assert_eq!(std::fs::read(world.store_file()).unwrap(), before);
    assert_code(&world.run("-p me token"), 0);
}

#[cfg(feature = "memcached")]
#[test]
fn a_store_that_forgets_takes_no_refresh_token_unless_that_is_said() {
    let world = World::new();
    world.log_in_person("me");
    let output = world.run("store migrate --to memcached://127.0.0.1:1 me");
    assert_ne!(output.code(), Some(0));
    let output = world.run("--store memcached://127.0.0.1:1 store migrate --to json:/none");
    assert_fails(&output, 3, &["can't list", "name the profiles"]);
}
