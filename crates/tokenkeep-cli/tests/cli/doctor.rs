//! What is wrong, if something is.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use store_testkit::server::{Endpoint, Fault};

use super::support::{SECRET, World, assert_code, assert_fails, end};

#[test]
fn all_is_well() {
    let world = World::new();
    let doctor = world.run("doctor");
    assert_code(&doctor, 0);
    for words in [
        "ok       version: tokenkeep ",
        "none is needed",
        "profiles: 0",
        "store check",
    ] {
        assert!(doctor.stdout().contains(words), "{words}: {}", doctor.stdout());
    }
    assert!(!doctor.stdout().contains("clock"), "no issuer is known");
    assert!(!world.home().join("data").exists(), "doctor made something");
    world.log_in_service("default");
    let requests = world.server.counters().token_requests;
    let doctor = world.run("doctor");
    assert_code(&doctor, 0);
    for words in ["yours alone (mode 600)", "profiles: 1", "clock: agrees with"] {
        assert!(doctor.stdout().contains(words), "{words}: {}", doctor.stdout());
    }
    assert!(!doctor.stdout().contains("warning"), "{}", doctor.stdout());
    assert_eq!(world.server.counters().token_requests, requests);
}

#[test]
fn variables_by_their_names_alone() {
    let world = World::new();
    let doctor = end(world
        .command("doctor")
        .env("TOKENKEEP_CLIENT_SECRET", SECRET)
        .env("NO_PROXY", "x"));
    assert_code(&doctor, 0);
    let line = "environment: in use: NO_PROXY, TOKENKEEP_CLIENT_SECRET, XDG_CONFIG_HOME, XDG_DATA_HOME\n";
    assert!(doctor.stdout().contains(line), "{}", doctor.stdout());
    assert!(!doctor.stdout().contains(SECRET) && !doctor.stderr().contains(SECRET));
}

#[test]
fn a_broken_configuration() {
    let world = World::new();
    world.write_config("[profiles.a]\nnonsense = 1\n");
    let doctor = world.run("doctor");
    assert_code(&doctor, 3);
    assert!(
        doctor.stdout().contains("broken   configuration: "),
        "{}",
        doctor.stdout()
    );
    assert!(doctor.stdout().contains("line 2"), "{}", doctor.stdout());
}

#[test]
fn a_broken_store() {
    let world = World::new();
    world.log_in_service("default");
    std::fs::write(world.store_file(), "nonsense").unwrap();
    let doctor = world.run("doctor");
    assert_code(&doctor, 6);
    assert!(doctor.stdout().contains("broken   store: "), "{}", doctor.stdout());
    assert_eq!(std::fs::read_to_string(world.store_file()).unwrap(), "nonsense");
    assert_fails(&world.run("--store json://u:p@h/x doctor --nonsense"), 2, &[]);
}

#[test]
fn a_file_that_others_could_read() {
    let world = World::new();
    world.log_in_service("default");
    std::fs::set_permissions(world.store_file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let doctor = world.run("doctor");
    assert_code(&doctor, 0);
    assert!(
        doctor.stdout().contains("warning  permissions: "),
        "{}",
        doctor.stdout()
    );
    assert!(
        doctor.stdout().contains("open to others (mode 644)"),
        "{}",
        doctor.stdout()
    );
    assert!(world.run("doctor").stdout().contains("mode 600"));
}

#[cfg(feature = "sqlite")]
#[test]
fn a_database_whose_folder_or_log_others_could_read() {
    let world = World::new();
    world.log_in_service("default");
    let file = world.home().join("tokens.sqlite");
    let store = format!("--store sqlite:{}", file.display());
    assert_code(&world.run(&format!("store migrate --to sqlite:{}", file.display())), 0);
    let doctor = world.run(&format!("{store} doctor"));
    assert!(
        doctor.stdout().contains("yours alone (mode 600)"),
        "{}",
        doctor.stdout()
    );
    for (name, mode) in [
        ("tokens.sqlite", 0o640),
        ("tokens.sqlite-wal", 0o644),
        ("tokens.sqlite.leases", 0o755),
    ] {
        let path = world.home().join(name);
        let made = !path.exists();
        if made {
            std::fs::write(&path, "").unwrap();
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let doctor = world.run(&format!("{store} doctor"));
        assert_code(&doctor, 0);
        let line = format!("{name} was open to others (mode {mode:o})");
        assert!(doctor.stdout().contains(&line), "{line}: {}", doctor.stdout());
        if made {
            std::fs::remove_file(&path).unwrap_or_default();
        } else if path.exists() {
            // The last to close a database removes its log.
            let private = if path.is_dir() { 0o700 } else { 0o600 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(private)).unwrap();
        }
    }
}

#[test]
fn a_clock_that_is_wrong_and_a_server_that_is_away() {
    let world = World::new();
    world.log_in_service("default");
    let late = Fault::answer(200)
        .header("date", "Fri, 31 Dec 2100 00:00:00 GMT")
        .at(Endpoint::Discovery);
    world.server.inject(late);
    let doctor = world.run("doctor --json");
    assert_code(&doctor, 0);
    let object: Value = serde_json::from_slice(doctor.stdout_bytes()).unwrap();
    assert_eq!(object["schema"], 1);
    let clock = object["checks"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&clock["check"], &clock["verdict"]),
        (&"clock".into(), &"warning".into())
    );
    assert!(clock["text"].as_str().unwrap().contains(" behind "), "{clock}");
    assert!(clock["hint"].as_str().unwrap().contains("set the clock"), "{clock}");
    world
        .server
        .inject(Fault::drop_before_handling().at(Endpoint::Discovery).times(5));
    let doctor = world.run("doctor");
    assert_code(&doctor, 7);
    assert!(doctor.stdout().contains("broken   clock: "), "{}", doctor.stdout());
}
