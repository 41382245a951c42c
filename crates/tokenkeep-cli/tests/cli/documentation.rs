//! What the page about the command shows, run.

use std::path::Path;

use store_testkit::process::ProcessBuilder;

use super::support::{SECRET, World, end};

const PAGE: &str = include_str!("../../../../docs/cli.md");

const PANCLOUD: &str =
    r#"{"profiles": {"1": {"profile": "work", "client_id": "c", "client_secret": "s", "refresh_token": "r"}}}"#;
const FOUNDRY: &str =
    "[foundry.example]\ntoken_uri = https://foundry.example/multipass/api/oauth2/token\nclient_id = c\n";
const GLOBUS: &str = r#"{"format_version": "2.0", "data": {"DEFAULT": {"auth.globus.org": {
    "scope": "openid", "access_token": "a", "refresh_token": "r", "expires_at_seconds": 4102444800}}}}"#;

#[test]
fn every_example_of_the_page_runs() {
    let world = World::new();
    let folder = world.home();
    let login = world.server.log_in("desktop", "read");
    let response = serde_json::json!({
        "access_token": login.access_token,
        "refresh_token": login.refresh_token,
        "expires_in": 3600,
    });
    let (old, token_endpoint) = (world.server.log_in("desktop", "read"), world.server.token_endpoint());
    let credentials = format!(
        "client_id=desktop\nrefresh_token={}\ntoken_endpoint={token_endpoint}\n",
        old.refresh_token
    );
    let credentials_json = serde_json::json!({
        "client_id": "desktop",
        "refresh_token": old.refresh_token,
        "token_endpoint": token_endpoint,
    })
    .to_string();
    for (name, text) in [
        ("secret.txt", SECRET),
        ("access-token.txt", "opaque"),
        ("token-response.json", &response.to_string()),
        ("body.json", "{}"),
        ("credentials.env", &credentials),
        ("credentials.json", &credentials_json),
        (
            "client-secret.json",
            &serde_json::json!({ "client_secret": SECRET }).to_string(),
        ),
        ("passphrase.txt", "correct horse battery staple"),
        ("pancloud.json", PANCLOUD),
        ("foundry.ini", FOUNDRY),
        ("globus.json", GLOBUS),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let examples = examples();
    assert!(examples.len() > 15, "{examples:?}");
    for example in examples {
        let (command, code) = match example.split_once("# ends with ") {
            Some((command, code)) => (command, code.trim().parse().unwrap()),
            None => (example, 0),
        };
        let command = command
            .replace("https://auth.example", &world.server.issuer())
            .replace("https://api.example", &world.server.api_url());
        let output = end(shell(&command, folder));
        assert_eq!(output.code(), Some(code), "{example}\n{}", output.stderr());
    }
}

#[test]
fn the_page_names_every_option() {
    let world = World::new();
    for command in [
        "init",
        "login",
        "token",
        "request",
        "status",
        "logout",
        "revoke",
        "refresh",
        "exec",
        "profile list",
        "profile show",
        "profile rename",
        "profile remove",
        "profile export",
        "profile import",
        "store check",
        "store migrate",
        "store rewrap",
        "store accept",
        "key generate",
        "doctor",
        "completions",
        "man",
    ] {
        let help = world.run(&format!("{command} --help")).stdout();
        let options = help
            .split_whitespace()
            .filter(|word| word.starts_with("--") && word.len() > 2);
        for option in options {
            let option = option.trim_end_matches([',', '.', ']']);
            let known = ["--help", "--version"].contains(&option) || PAGE.contains(option);
            // Long forms of options that the page shows by their short ones.
            assert!(
                known || ["--header", "--data", "--include", "--output"].contains(&option),
                "{option}"
            );
        }
    }
}

fn examples() -> Vec<&'static str> {
    let blocks = PAGE.split("```console\n").skip(1);
    let inside = blocks
        .filter_map(|block| block.split_once("```"))
        .map(|(inside, _)| inside);
    inside
        .flat_map(str::lines)
        .filter_map(|line| line.strip_prefix("$ "))
        .collect()
}

fn shell(command: &str, home: &Path) -> ProcessBuilder {
    let binaries = Path::new(env!("CARGO_BIN_EXE_tokenkeep")).parent().unwrap();
    ProcessBuilder::new("/bin/sh")
        .args(["-c", command])
        .current_dir(home)
        .env("PATH", format!("{}:/usr/bin:/bin", binaries.display()))
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("XDG_CONFIG_HOME", home.join("config"))
}
