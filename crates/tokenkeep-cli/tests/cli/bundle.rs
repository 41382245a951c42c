//! Profiles carried to another store or machine.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use store_testkit::process::Output;

use super::support::{SECRET, World, assert_code, assert_fails, end, json as parsed};

const PASSPHRASE: &str = "canary passphrase";

impl World {
    /// The command with the passphrase in the environment.
    fn carry(&self, arguments: &str) -> Output {
        end(self.command(arguments).env("TOKENKEEP_PASSPHRASE", PASSPHRASE))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// A store beside the usual one.
    fn other(&self) -> String {
        format!("--store json:{}", self.path("other.json").display())
    }
}

#[test]
fn a_login_moves_and_lives_on_at_one_place_only() {
    let world = World::new();
    let login = world.log_in_person("me");
    assert_code(&world.run("-p me token --audience https://other"), 0);
    let bundle = world.path("me.bundle");
    let refused = world.carry(&format!("-p me profile export -o {}", bundle.display()));
    let words = [
        "profile me has a refresh token",
        "-p me profile export --move --output FILE",
        "--allow-duplicate",
    ];
    assert_fails(&refused, 2, &words);
    assert!(!bundle.exists());

    let moved = world.carry(&format!("profile export me --move -o {}", bundle.display()));
    assert_code(&moved, 0);
    assert_eq!(moved.stdout(), "");
    let words = "ended here, to go on where the bundle is imported: me;";
    assert!(moved.stderr().contains(words), "{}", moved.stderr());
    let shown = parsed(&world.run("profile show me --json"));
    assert_eq!(shown["login"]["moved_to"], format!("bundle {}", bundle.display()));
    assert_eq!(std::fs::metadata(&bundle).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&bundle).unwrap();
    let kept = std::fs::read_to_string(world.store_file()).unwrap();
    for secret in [&*login.refresh_token, PASSPHRASE, "desktop"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(
        !kept.contains(&login.refresh_token) && !kept.contains("#token."),
        "{kept}"
    );
    assert_fails(&world.run("-p me token"), 4, &[]);
    assert_eq!(
        parsed(&world.run("status me --json"))["profiles"][0]["state"],
        "logged_out"
    );

    let imported = world.carry(&format!("{} profile import {}", world.other(), bundle.display()));
    assert_code(&imported, 0);
    for words in [
        "imported: me, kept in json:",
        "not encrypted",
        "holds these credentials still",
    ] {
        assert!(imported.stderr().contains(words), "{}", imported.stderr());
    }
    let there = |arguments: &str| world.run(&format!("{} -p me {arguments}", world.other()));
    assert_eq!(there("token").stdout().trim(), login.access_token);
    assert_code(&there("token --force"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 2);
    assert!(world.server.family_alive(&login.refresh_token));
}

#[test]
fn a_copy_must_be_asked_for_by_name() {
    let world = World::new();
    world.log_in_person("me");
    world.log_in_service("ci");
    let (one, all) = (world.path("ci.bundle"), world.path("all.bundle"));
    assert_code(&world.carry(&format!("-p ci profile export -o {}", one.display())), 0);
    assert_fails(
        &world.carry(&format!("profile export --all -o {}", all.display())),
        2,
        &["profile me has"],
    );
    assert_code(
        &world.carry(&format!("profile export --all --allow-duplicate -o {}", all.display())),
        0,
    );
    assert_code(&world.run("-p me token"), 0);
    let import = format!("{} profile import {}", world.other(), all.display());
    assert_code(&world.carry(&import), 0);
    let there = |arguments: &str| world.run(&format!("{} {arguments}", world.other()));
    assert_eq!(there("profile list").stdout(), "ci  renewable\nme  valid\n");
    assert_code(&there("-p ci token"), 0);
    assert_code(&there("-p me token"), 0);
}

#[test]
fn nothing_is_written_if_anything_is_there() {
    let world = World::new();
    for profile in ["a", "b", "c"] {
        world.log_in_service(profile);
    }
    let bundle = world.path("all.bundle");
    assert_code(
        &world.carry(&format!("profile export a b c -o {}", bundle.display())),
        0,
    );
    let import = format!("profile import {}", bundle.display());
    assert_code(&world.run("profile remove a --yes"), 0);
    assert_fails(
        &world.carry(&import),
        3,
        &["there already: b, c; nothing was imported", "--overwrite"],
    );
    assert_fails(&world.run("-p a token"), 3, &["no profile a"]);
    assert_code(&world.carry(&format!("{import} --overwrite")), 0);
    assert_code(&world.run("-p a token"), 0);
    assert_fails(
        &world.carry(&format!("profile export a -o {}", bundle.display())),
        1,
        &["is there already", "name another"],
    );
}

#[test]
fn a_bundle_that_does_not_open_imports_nothing() {
    let world = World::new();
    world.log_in_service("ci");
    let bundle = world.path("ci.bundle");
    assert_code(
        &world.carry(&format!("-p ci profile export -o {}", bundle.display())),
        0,
    );
    let import = format!("{} profile import {}", world.other(), bundle.display());
    let wrong = end(world.command(&import).env("TOKENKEEP_PASSPHRASE", "other"));
    assert_fails(
        &wrong,
        1,
        &["the passphrase is wrong, or the bundle was changed; nothing was imported"],
    );
    assert_fails(&world.run(&import), 2, &["no passphrase", "--passphrase-file"]);
    assert_fails(
        &world.run_with("profile import -", "{}"),
        1,
        &["no bundle of tokenkeep"],
    );
    let empty = world.path("empty");
    std::fs::write(&empty, " \n").unwrap();
    let with_empty = format!("{import} --passphrase-file {}", empty.display());
    assert_fails(&world.run(&with_empty), 3, &["the passphrase is empty"]);
    assert!(!world.path("other.json").exists());
    let file = world.path("passphrase");
    std::fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    assert_code(&world.run(&format!("{import} --passphrase-file {}", file.display())), 0);
}

#[test]
fn plaintext_is_said_by_name() {
    let world = World::new();
    world.log_in_service("ci");
    assert_fails(&world.run("-p ci profile export"), 2, &["no passphrase"]);
    let exported = world.run("-p ci profile export --plaintext");
    let document = parsed(&exported);
    assert_eq!(
        (&document["schema"], &document["protection"]["kind"]),
        (&1.into(), &"none".into())
    );
    assert!(exported.stdout().contains(SECRET));
    let imported = world.run_with(&format!("{} profile import -", world.other()), &exported.stdout());
    assert_code(&imported, 0);
    assert!(!imported.stderr().contains(SECRET), "{}", imported.stderr());
    assert_code(&world.run(&format!("{} -p ci token", world.other())), 0);
}

#[test]
fn what_can_not_be_carried() {
    let world = World::new();
    assert_fails(
        &world.run("profile export --all --plaintext"),
        3,
        &["there is no profile"],
    );
    assert_fails(
        &world.run("profile export nobody --plaintext"),
        3,
        &["no profile nobody"],
    );
    world.log_in_person("me");
    // Where it goes is not known to be kept.
    assert_code(&world.run("-p me profile export --plaintext --move"), 2);
    assert_code(&world.run("-p me profile export --passphrase canary"), 2);
    let nowhere = world.run("-p me profile export --plaintext --move -o no/such/folder/file");
    assert_fails(&nowhere, 1, &["can't be written; nothing was moved"]);
    assert_eq!(parsed(&world.run("status me --json"))["profiles"][0]["state"], "valid");
    assert_code(&world.run("-p me token --force"), 0);
    assert_code(&world.run("-p me logout"), 0);
    let ended = parsed(&world.run("-p me profile export --plaintext"));
    let records = &ended["content"]["profiles"][0]["records"];
    assert_eq!(records.as_array().map(Vec::len), Some(1), "the client alone: {ended}");
    let file = world.path("client.bundle");
    let client = world.run(&format!(
        "-p me profile export --plaintext --move -o {}",
        file.display()
    ));
    assert!(
        client.stderr().contains("the client alone, nobody is logged in: me"),
        "{}",
        client.stderr()
    );
    assert!(!client.stderr().contains("ended here"), "{}", client.stderr());
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_types_the_passphrase_twice() {
    let world = World::new();
    world.log_in_service("ci");
    let bundle = world.path("ci.bundle");
    let at_a_terminal = |arguments: &str, answers: &str| {
        let command = format!("{arguments} {}", bundle.display());
        world.at_terminal(&command, &[], answers).end()
    };
    let differ = at_a_terminal("-p ci profile export -o", "one\ntwo\n");
    assert_eq!(differ.code, Some(1), "{}", differ.text);
    assert!(
        differ.text.contains("not the same") && !bundle.exists(),
        "{}",
        differ.text
    );
    let same = at_a_terminal("-p ci profile export -o", "one\none\n");
    assert_eq!(same.code, Some(0), "{}", same.text);
    let import = format!("{} profile import", world.other());
    for (answer, code) in [("two\n", 1), ("one\n", 0)] {
        let seen = at_a_terminal(&import, answer);
        assert_eq!(seen.code, Some(code), "{}", seen.text);
    }
    assert_code(&world.run(&format!("{} -p ci token", world.other())), 0);
}

#[test]
fn a_move_that_broke_off_is_spent_nowhere_twice() {
    let world = World::new();
    let login = world.log_in_person("me");
    let bundle = world.path("me.bundle");
    let export = format!("-p me profile export --plaintext --move -o {}", bundle.display());
    assert_code(&world.run(&export), 0);
    // As if it had ended between the bundle and the tombstone.
    let bundled = std::fs::read_to_string(&bundle).unwrap();
    assert_code(
        &world.run(&format!("profile import {} --overwrite", bundle.display())),
        0,
    );
    let departing = format!(
        "\"departure\":{{\"to\":\"bundle {}\",\"at\":1}},\"refresh_token\"",
        bundle.display()
    );
    let spoiled = bundled.replacen("\"refresh_token\"", &departing, 1);
    assert_ne!(spoiled, bundled);
    let imported = world.run_with("profile import - --overwrite", &spoiled);
    assert_code(&imported, 0);

    assert_fails(
        &world.run("-p me token --force"),
        3,
        &["being moved to bundle", "not finished"],
    );
    assert_eq!(world.run("-p me status --short").stdout(), "me departing\n");
    let other = world.path("other.bundle");
    let again = format!("-p me profile export --plaintext --move -o {}", other.display());
    assert_fails(
        &world.run(&again),
        1,
        &["import that bundle", "remove it and run this again"],
    );
    std::fs::remove_file(&bundle).unwrap();
    let copy = world.run("-p me profile export --plaintext --allow-duplicate");
    assert_fails(&copy, 1, &["run the same move again"]);
    assert_code(&world.run(&again), 0);
    assert_code(
        &world.run(&format!("{} profile import {}", world.other(), other.display())),
        0,
    );
    assert_code(&world.run(&format!("{} -p me token --force", world.other())), 0);
    assert!(world.server.family_alive(&login.refresh_token));
}
