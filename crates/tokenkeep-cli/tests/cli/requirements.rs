//! What people asked of commands like this one: `docs/development/cli-requirements.md` says which
//! test proves which of it; here are those that belong nowhere else.

use std::path::Path;

use serde_json::Value;
use store_testkit::server::{Fault, Gate};
use tokenkeep::key::Key;
use tokenkeep::store::TokenStoreExt as _;
use tokenkeep::{Profile, Secret};

use super::support::{LIMIT, World, assert_code, assert_fails, end, json as parsed};

const PAGE: &str = include_str!("../../../../docs/development/cli-requirements.md");

#[test]
fn every_test_that_the_page_names_is_there() {
    let rows = PAGE
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| #"));
    let mut numbers = Vec::new();
    for row in rows {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        numbers.push(cells.next().unwrap().parse::<u32>().unwrap());
        let (_, proof) = (cells.next().unwrap(), cells.next().unwrap());
        let names: Vec<&str> = proof
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.contains("::"))
            .collect();
        assert!(!names.is_empty() || proof.contains("not there yet"), "{row}");
        for name in names {
            let (file, function) = name.rsplit_once("::").unwrap();
            let path = match file.strip_prefix("cli/") {
                Some(file) => format!("tokenkeep-cli/tests/cli/{file}.rs"),
                None => format!("{file}.rs"),
            };
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let function = format!("fn {function}(");
            assert!(text.contains(&function), "{function} is not in {}", path.display());
        }
    }
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
}

#[test]
fn without_a_terminal_no_browser_opens_and_the_command_to_run_is_said() {
    let world = World::new();
    assert_code(&world.run_with("login --flow token", "opaque"), 0);
    let opened = world.home().join("opened");
    let browser = world.home().join("browser.sh");
    std::fs::write(&browser, format!("touch {}\n", opened.display())).unwrap();
    let api = world.server.api_url();
    for command in [
        "token --force".to_owned(),
        "refresh".to_owned(),
        "-p nobody token".to_owned(),
        format!("-p other exec -- true {api}"),
        "login".to_owned(),
    ] {
        let variable = format!("sh {}", browser.display());
        let output = end(world.command(&command).env("BROWSER", variable));
        assert_ne!(output.code(), Some(0), "{command}");
        assert!(output.stderr().contains("log"), "{command}: {}", output.stderr());
    }
    let words = ["a login is required", "hint: log in: tokenkeep -p default login"];
    assert_fails(&world.run("token --force"), 4, &words);
    assert!(!opened.exists());
}

#[test]
fn a_refusal_deletes_nothing_where_the_store_holds_another_refresh_token() {
    let world = World::new();
    world.log_in_expired_person("me");
    let gate = Gate::new();
    let refusal = Fault::answer(400)
        .body("{\"error\":\"invalid_grant\"}")
        .hold_before(&gate);
    world.server.inject(refusal);
    let process = world.command("-p me token").spawn().unwrap();
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    // Somebody who knows nothing of leases brings another login.
    let newer = world.server.log_in("desktop", "read");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let url = format!("json:{}", world.store_file().display());
        let store = tokenkeep::store::open(&url).await.unwrap();
        let key = Key::grant(&Profile::new("me").unwrap());
        let (version, contents) = store.load_contents(&key).await.unwrap().unwrap();
        let mut grant = contents.into_grant().unwrap();
        grant.refresh_token = Some(Secret::new(newer.refresh_token.clone()));
        grant.mark = None;
        store
            .save_contents(&key, &grant.into(), Some(version), None)
            .await
            .unwrap();
    });
    gate.release();
    let output = process.wait(LIMIT).unwrap();
    assert_code(&output, 0);
    assert!(world.server.is_live(output.stdout().trim()));
    assert!(world.server.family_alive(&newer.refresh_token));
    assert_code(&world.run("-p me token --force"), 0);
}

#[test]
fn an_unknown_lifetime_is_never_for_ever() {
    let world = World::new();
    assert_code(&world.run_with("login --flow token", "opaque"), 0);
    let object = parsed(&world.run("token -o json"));
    for name in ["expires_at", "expires_at_epoch", "expires_in_s"] {
        assert_eq!(object[name], Value::Null, "{name}");
    }
    assert!(world.run("status").stdout().contains("until a 401"));
    // Where nobody says it, the profile's own answer counts.
    let login = world.run_with("-p told login --flow token --default-lifetime 600", "opaque");
    assert!(
        login.stderr().contains("expires in 9m") || login.stderr().contains("expires in 10m"),
        "{}",
        login.stderr()
    );
    assert!(
        parsed(&world.run("-p told token -o json"))["expires_in_s"]
            .as_u64()
            .unwrap()
            <= 600
    );
    // And a 401 renews it, whatever its end was thought to be.
    let login = world.log_in_person("me");
    world.server.expire_access_tokens();
    let request = format!("-p me request GET {} --fail", world.server.api_url());
    assert_code(&world.run(&request), 0);
    assert_ne!(world.run("-p me token").stdout().trim(), login.access_token);
}

#[test]
fn every_json_answer_is_an_object_with_a_schema() {
    let world = World::new();
    world.log_in_service("default");
    for command in [
        "token -o json",
        "status --json",
        "status --check --json",
        "refresh --json",
        "profile list --json",
        "profile show --json",
        "store check --json",
        "doctor --json",
        "profile export --plaintext",
    ] {
        let object = parsed(&world.run(command));
        assert_eq!(object["schema"], 1, "{command}");
    }
}

#[test]
fn every_failure_says_what_to_do_next() {
    let world = World::new();
    let issuer = world.server.issuer();
    world.log_in_person("me");
    assert_code(&world.run_with("-p over login --flow token", "opaque"), 0);
    std::fs::write(world.home().join("broken.json"), "{").unwrap();
    let broken = format!("--store json:{}/broken.json status", world.home().display());
    let closed = "login --flow client-credentials --issuer http://127.0.0.1:1 --client-id x";
    let wrong =
        format!("login --flow client-credentials --issuer {issuer}/ --client-id x --client-secret-file /dev/null");
    for command in [
        "token",
        "-p over token --force",
        "login",
        "init",
        closed,
        &wrong,
        &broken,
        "--store redis://u:p@h/0 status",
        "--store nonsense:x status",
        "profile remove me",
        "profile rename me over",
        "-p me profile export --plaintext",
        "-p me profile export",
        "profile import /dev/null",
        "-p over refresh",
    ] {
        let output = world.run(command);
        assert_ne!(output.code(), Some(0), "{command}");
        let said = output.stderr();
        let next = ["hint: ", "; log in: ", "write one of", "restore a copy"];
        assert!(next.iter().any(|words| said.contains(words)), "{command}: {said}");
    }
}
