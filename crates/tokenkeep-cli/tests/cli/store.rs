//! Whether the store does what tokens need.

use store_testkit::process::run_many;

use super::support::{LIMIT, World, assert_code, assert_fails, json as parsed};

const STEPS: [&str; 9] = [
    "take a lease",
    "keep others out by it",
    "write a record",
    "read it",
    "replace it",
    "refuse an outdated write",
    "list it",
    "remove it",
    "release the lease",
];

#[test]
fn a_good_store() {
    let world = World::new();
    let check = world.run("store check");
    assert_code(&check, 0);
    let text = check.stdout();
    for words in STEPS
        .into_iter()
        .chain(["durable on this node", "this host", "with its holder"])
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let object = parsed(&world.run("store check --json"));
    assert_eq!(object["schema"], 1);
    assert_eq!(object["kind"], "json");
    assert_eq!(object["store_from"], "default");
    let steps: Vec<&str> = object["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, STEPS);
    assert_eq!(object["promises"]["persistence"], "durable on this node");
    assert_eq!(object["promises"]["lists"], true);
    let memory = parsed(&world.run("--store memory: store check --json"));
    assert_eq!(memory["promises"]["persistence"], "ends with the process");
}

#[cfg(feature = "sqlite")]
#[test]
fn a_sqlite_database() {
    let world = World::new();
    let url = format!("sqlite:{}", world.home().join("made/tokens.sqlite").display());
    let run = |arguments: &str| world.run(&format!("--store {url} {arguments}"));
    assert_code(&run("store check"), 0);
    let check = parsed(&run("store check --json"));
    assert_eq!(check["kind"], "sqlite");
    assert_eq!(check["promises"]["persistence"], "durable on this node");
    let issuer = world.server.issuer();
    let login = format!(
        "--store {url} -p ci login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin"
    );
    assert_code(&world.run_with(&login, super::support::SECRET), 0);
    let token = run("-p ci token").stdout();
    assert!(world.server.is_live(token.trim()), "{token}");
    assert_eq!(run("profile list").stdout(), "ci  valid\n");
    assert!(!world.store_file().exists(), "the default store was used");
}

#[test]
fn nothing_of_it_stays_and_nothing_else_is_touched() {
    let world = World::new();
    world.log_in_service("ci");
    let before = std::fs::read_to_string(world.store_file()).unwrap();
    let outputs = run_many(8, LIMIT, |_| world.command("store check")).unwrap();
    for output in &outputs {
        assert_code(output, 0);
    }
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["records"].clone();
    let after = std::fs::read_to_string(world.store_file()).unwrap();
    assert!(parse(&before).is_object());
    assert_eq!(parse(&before), parse(&after));
    assert_eq!(world.run("profile list").stdout(), "ci  valid\n");
}

#[test]
fn a_store_that_cannot_be_used() {
    let world = World::new();
    world.log_in_service("ci");
    std::fs::write(world.store_file(), "nonsense").unwrap();
    assert_fails(&world.run("store check"), 6, &["json"]);
    assert_eq!(std::fs::read_to_string(world.store_file()).unwrap(), "nonsense");
    assert_fails(&world.run("--store json:/proc/none/x.json store check"), 6, &[]);
    assert_fails(&world.run("--store nonsense: store check"), 3, &[]);
}
