//! Profiles from other clients' files, and into them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{SECRET, World, assert_code, assert_fails, end, json as parsed};

/// Nothing but a store may show it.
const CANARY: &str = "canary-refresh";

impl World {
    /// A file in our home; its place.
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn profiles(&self) -> Vec<String> {
        let listed = parsed(&self.run("profile list --json"));
        let profiles = listed["profiles"].as_array().unwrap();
        let names = profiles.iter().map(|profile| profile["profile"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }
}

fn pancloud(entries: &[Value]) -> String {
    let numbered = (1..)
        .zip(entries)
        .map(|(id, entry): (u32, _)| (id.to_string(), entry.clone()));
    json!({ "profiles": numbered.collect::<serde_json::Map<_, _>>() }).to_string()
}

fn entry(profile: &str) -> Value {
    json!({"profile": profile, "client_id": "app", "client_secret": SECRET, "refresh_token": CANARY,
           "access_token": null})
}

fn foundry(endpoint: &str, more: &str) -> String {
    format!("[host]\ntoken_uri = {endpoint}\nclient_id = desktop\n{more}\n\n")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_found_where_its_client_keeps_it() {
    let world = World::new();
    let (one, two) = (
        ".config/pancloud/credentials.json",
        ".config/pan_cortex_data_lake/credentials.json",
    );
    let output = world.run("profile import --from pancloud");
    assert_fails(&output, 2, &[one, two, "--from pancloud FILE"]);
    assert_fails(&world.run("profile import --from foundry"), 2, &[".foundry/oauth"]);
    assert_fails(&world.run("profile import --from globus"), 2, &["name it"]);
    world.put(two, &pancloud(&[entry("second")]));
    let output = world.run("profile import --from pancloud");
    assert_code(&output, 0);
    for words in [
        "imported: second",
        "pan_cortex_data_lake/credentials.json holds these credentials still",
    ] {
        assert!(output.stderr().contains(words), "{}", output.stderr());
    }
    world.put(one, &pancloud(&[entry("first")]));
    assert_code(&world.run("profile import --from pancloud"), 0);
    let named = world.put("elsewhere.json", &pancloud(&[entry("named")]));
    let output = end(world
        .command("profile import --from pancloud")
        .env("PAN_CREDENTIALS_DBFILE", named));
    assert_code(&output, 0);
    world.put(".foundry/oauth", &foundry("https://h.example/t", "refresh_token = r"));
    assert_code(&world.run("profile import --from foundry"), 0);
    assert_eq!(world.profiles(), ["first", "host", "named", "second"]);
    let shown = parsed(&world.run("profile show named --json"));
    assert_eq!(shown["client"]["provider"], "pancloud");
    assert_eq!(shown["login"]["has_refresh_token"], true);
    assert_eq!(shown["client"]["client_secret_from"], "store");
}

#[test]
fn all_of_a_file_or_nothing() {
    let world = World::new();
    let mut half = entry("half");
    half["client_secret"] = Value::Null;
    let file = world.put("c.json", &pancloud(&[entry("a"), half, entry("z")]));
    let import = format!("profile import --from pancloud {}", file.display());
    let output = world.run(&import);
    let place = format!("{} can't be imported; nothing was written", file.display());
    assert_fails(
        &output,
        1,
        &[&place, "entry half: client_secret is missing", "--entry NAME"],
    );
    assert!(!output.stderr().contains(CANARY), "{}", output.stderr());
    assert!(world.profiles().is_empty());
    assert_code(&world.run(&format!("{import} --entry z")), 0);
    let both = format!("{import} --entry a --entry z");
    assert_fails(
        &world.run(&both),
        3,
        &["there already: z; nothing was imported", "--overwrite"],
    );
    assert_fails(&world.run(&format!("{both} --dry-run")), 3, &["there already: z"]);
    assert_eq!(world.profiles(), ["z"]);
    assert_code(&world.run(&format!("{both} --overwrite")), 0);
    assert_eq!(world.profiles(), ["a", "z"]);
}

#[test]
fn a_dry_run_says_what_would_be_done() {
    let world = World::new();
    let mut cached = entry("work");
    // {"exp": 4102444800}
    cached["access_token"] = json!("e30.eyJleHAiOjQxMDI0NDQ4MDB9.x");
    let file = world.put("c.json", &pancloud(&[cached]));
    let output = world.run(&format!("profile import --from pancloud {} --dry-run", file.display()));
    assert_code(&output, 0);
    let said =
        "would import work: client app, its secret, a refresh token, an access token until 2100-01-01T00:00:00Z\n";
    assert_eq!(output.stdout(), said);
    assert!(world.profiles().is_empty() && !world.store_file().exists());
}

#[test]
fn imports_and_exports_are_for_their_owner_only() {
    let world = World::new();
    let file = world.put("c.json", &pancloud(&[entry("work")]));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = world.run(&format!("profile import --from pancloud {}", file.display()));
    assert_code(&output, 0);
    assert!(
        output.stderr().contains("can be read by other users (mode 0644)"),
        "{}",
        output.stderr()
    );
    assert_eq!(mode(&world.store_file()), 0o600);
    let written = world.home().join("back.json");
    let export = format!(
        "-p work profile export --format pancloud --output {}",
        written.display()
    );
    assert_fails(
        &world.run(&export),
        2,
        &["profile export --format pancloud --move", "--allow-duplicate"],
    );
    let copied = end(world.command(&format!("{export} --allow-duplicate")).umask(0));
    assert_code(&copied, 0);
    assert_eq!(copied.stdout(), "");
    for words in [
        "not encrypted, for you only to read: work",
        "copied refresh tokens: work",
        "the token endpoint",
    ] {
        assert!(copied.stderr().contains(words), "{}", copied.stderr());
    }
    assert!(!copied.stderr().contains(CANARY));
    assert_eq!(mode(&written), 0o600);
    let again = world.run(&format!("{export} --allow-duplicate"));
    assert_fails(&again, 1, &["is there already; nothing was exported"]);
    let text = std::fs::read_to_string(&written).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap()["profiles"]["1"],
        entry("work")
    );
}

#[test]
fn a_moved_login_is_in_the_file_alone() {
    let world = World::new();
    let file = world.put("c.json", &pancloud(&[entry("work")]));
    assert_code(
        &world.run(&format!("profile import --from pancloud {}", file.display())),
        0,
    );
    let written = world.home().join("back.json");
    let export = format!(
        "-p work profile export --move --format pancloud --output {}",
        written.display()
    );
    let output = world.run(&export);
    assert_code(&output, 0);
    assert!(
        output.stderr().contains("ended here, to go on with the client"),
        "{}",
        output.stderr()
    );
    assert!(!std::fs::read_to_string(world.store_file()).unwrap().contains(CANARY));
    assert!(std::fs::read_to_string(written).unwrap().contains(CANARY));
    assert_fails(&world.run("-p work token"), 4, &[]);
}

#[test]
fn a_percent_sign_in_a_token_comes_back() {
    let world = World::new();
    let file = world.put(
        "oauth",
        &foundry("https://host/t", "scopes = a\nrefresh_token = canary%%1"),
    );
    assert_code(
        &world.run(&format!("profile import --from foundry {}", file.display())),
        0,
    );
    assert!(
        std::fs::read_to_string(world.store_file())
            .unwrap()
            .contains("canary%1\"")
    );
    let written = world.home().join("back");
    let export = format!(
        "profile export host --allow-duplicate --format foundry --output {}",
        written.display()
    );
    assert_code(&world.run(&export), 0);
    assert_eq!(
        std::fs::read_to_string(written).unwrap(),
        std::fs::read_to_string(file).unwrap()
    );
    let single = world.put("single", &foundry("https://host/t", "refresh_token = canary%1"));
    let output = world.run(&format!(
        "profile import --overwrite --from foundry {}",
        single.display()
    ));
    assert_fails(&output, 1, &["single", "entry host: refresh_token has a percent sign"]);
    assert!(!output.stderr().contains("canary"));
}

#[test]
fn an_entry_without_a_refresh_token_is_a_client_to_log_in_with() {
    let world = World::new();
    let file = world.put("oauth", &foundry(&world.server.token_endpoint(), "scopes = "));
    let output = world.run(&format!("profile import --from foundry {}", file.display()));
    assert_code(&output, 0);
    assert!(
        output
            .stderr()
            .contains("host has no refresh token: log in with its client"),
        "{}",
        output.stderr()
    );
    assert_fails(&world.run("-p host token"), 4, &["log in: tokenkeep -p host login"]);
    let shown = parsed(&world.run("profile show host --json"));
    assert_eq!(
        (&shown["client"]["client_id"], &shown["login"]),
        (&json!("desktop"), &Value::Null)
    );
}

#[test]
fn empty_scopes_are_none() {
    let world = World::new();
    let login = world.server.log_in("desktop", "read");
    let options = format!("scopes =\nrefresh_token = {}", login.refresh_token);
    let file = world.put("oauth", &foundry(&world.server.token_endpoint(), &options));
    assert_code(
        &world.run(&format!("profile import --from foundry {}", file.display())),
        0,
    );
    assert_eq!(
        parsed(&world.run("profile show host --json"))["login"]["scopes"],
        json!([])
    );
    assert_code(&world.run("-p host token"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}

#[test]
fn an_unknown_entry_is_an_error_that_names_those_there_are() {
    let world = World::new();
    let file = world.put("c.json", &pancloud(&[entry("work"), entry("home")]));
    let output = world.run(&format!(
        "profile import --from pancloud --entry wrok {}",
        file.display()
    ));
    assert_fails(&output, 3, &["has no entry wrok; it has work, home"]);
    assert_fails(&world.run("-p wrok token"), 3, &["no profile wrok"]);
    assert!(world.profiles().is_empty());
}

#[test]
fn corrupt_files_are_named_with_the_place() {
    let world = World::new();
    for (from, text, words) in [
        (
            "pancloud",
            "{\"profiles\": {\n  \"1\": canary}}",
            "not JSON (line 2, column 8)",
        ),
        ("pancloud", "", "not JSON (line 1, column 0)"),
        (
            "globus",
            "{\"data\": {}, \"format_version\": \"9\"}",
            "format_version has a version",
        ),
        ("globus", "SQLite format 3\0canary", "a database of the Globus SDK"),
        ("foundry", "[host]\ncanary\n", "(line 2, column 1)"),
        (
            "yup",
            "[{\"scopes\": \"canary\", \"token\": {}}]",
            "entry number 1: scopes is not a list",
        ),
        (
            "pancloud",
            "[host]\ntoken_uri = canary\n",
            "it is a file of the format foundry",
        ),
    ] {
        let file = world.put("file", text);
        let output = world.run(&format!("profile import --from {from} {}", file.display()));
        assert_fails(&output, 1, &[&file.display().to_string(), "nothing was written", words]);
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
    }
    let file = world.put("file", &pancloud(&[entry("work")]));
    let unnamed = world.run(&format!("profile import {}", file.display()));
    assert_fails(&unnamed, 1, &["no bundle", "--from pancloud"]);
    let init = world.run(&format!("init --from {}", file.display()));
    assert_fails(&init, 3, &["profile import --from pancloud FILE"]);
    let piped = world.run_with("profile import --from pancloud -", &pancloud(&[entry("work")]));
    assert_code(&piped, 0);
}

#[test]
fn a_yup_cache_lives_on_with_its_client() {
    let world = World::new();
    let login = world.server.log_in("app", "read");
    let token = json!({"access_token": "opaque", "refresh_token": login.refresh_token,
                       "expires_at": [2020, 1, 0, 0, 0, 0, 0, 0, 0], "id_token": null});
    let file = world.put("cache.json", &json!([{"scopes": ["read"], "token": token}]).to_string());
    let secret = world.put("secret.txt", SECRET);
    let import = format!("-p google profile import --from yup {}", file.display());
    assert_fails(&world.run(&import), 1, &["client_id is missing", "--client-id ID"]);
    let client = format!("--client-id app --client-secret-file {}", secret.display());
    let endpoint = world.server.token_endpoint();
    assert_code(&world.run(&format!("{import} {client} --token-endpoint {endpoint}")), 0);
    let token = world.run("-p google token");
    assert_code(&token, 0);
    assert!(world.server.is_live(token.stdout().trim()));
    let shown = parsed(&world.run("profile show google --json"));
    assert_eq!(
        shown["client"]["revocation_endpoint"],
        Value::Null,
        "nothing goes to the usual place"
    );
    assert_eq!(shown["client"]["issuer"], Value::Null);
}

#[test]
fn a_globus_login_lives_on_with_its_client() {
    let world = World::new();
    let login = world.server.log_in("desktop", "read");
    let over = json!({"resource_server": "api", "scope": "read", "access_token": "over", "expires_at_seconds": 1,
                      "refresh_token": login.refresh_token});
    let file = json!({"format_version": "2.0", "globus-sdk.version": "4", "data": {"me": {"api": over}}});
    let file = world.put("tokens.json", &file.to_string());
    let endpoint = world.server.token_endpoint();
    let client = format!("--client-id desktop --token-endpoint {endpoint}");
    assert_code(
        &world.run(&format!("profile import --from globus {client} {}", file.display())),
        0,
    );
    let token = world.run("-p me/api token");
    assert_code(&token, 0);
    assert!(world.server.is_live(token.stdout().trim()));
    assert_eq!(world.server.counters().refreshes_granted, 1);
    let target = world.home().join("back.json");
    let export = format!(
        "profile export me/api --move --format globus --output {}",
        target.display()
    );
    assert_code(&world.run(&export), 0);
    let back: Value = serde_json::from_str(&std::fs::read_to_string(target).unwrap()).unwrap();
    assert_eq!(back["data"]["me"]["api"]["access_token"], token.stdout().trim());
    assert_ne!(back["data"]["me"]["api"]["refresh_token"], login.refresh_token.as_str());
}

#[test]
fn another_providers_login_is_not_written() {
    let world = World::new();
    world.log_in_person("me");
    for format in ["pancloud", "globus", "foundry"] {
        let target = world.home().join(format);
        let export = format!(
            "-p me profile export --allow-duplicate --format {format} --output {}",
            target.display()
        );
        let output = world.run(&export);
        assert_fails(
            &output,
            3,
            &["entry me: provider is another one", "nothing was written"],
        );
        assert!(!target.exists());
    }
    assert_fails(&world.run("-p me profile export --format pancloud"), 2, &["--output"]);
}
