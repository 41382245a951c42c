//! Printing a token.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use store_testkit::process::{Process, run_many};
use store_testkit::server::{Fault, Gate};

use super::support::{BIN, LIMIT, SIGNAL_TAKEN, World, assert_code, assert_fails, end, hear, json as parsed};

#[test]
fn each_form_to_the_letter() {
    let world = World::new();
    world.log_in_service("default");
    let token = world.run("token").stdout().trim().to_owned();
    for (form, text) in [
        ("bare", token.clone()),
        ("header", format!("Authorization: Bearer {token}")),
        ("curl", format!("header = \"Authorization: Bearer {token}\"")),
        ("env", format!("export TOKENKEEP_ACCESS_TOKEN='{token}'")),
        ("env:sh", format!("export TOKENKEEP_ACCESS_TOKEN='{token}'")),
        ("env:fish", format!("set -gx TOKENKEEP_ACCESS_TOKEN '{token}'")),
        ("env:pwsh", format!("$Env:TOKENKEEP_ACCESS_TOKEN = '{token}'")),
        ("env:cmd", format!("set \"TOKENKEEP_ACCESS_TOKEN={token}\"")),
    ] {
        assert_eq!(
            world.run(&format!("token -o {form}")).stdout(),
            format!("{text}\n"),
            "{form}"
        );
    }
    assert_eq!(world.server.counters().token_requests, 1);
}

#[test]
fn awkward_tokens_survive_a_shell() {
    let world = World::new();
    let token = r#"it's"a$HOME`x`\n"#;
    assert_code(&world.run_with("login --flow token", token), 0);
    let line = world.run("token -o env").stdout();
    let shell = store_testkit::process::ProcessBuilder::new("/bin/sh")
        .arg("-c")
        .arg(format!("{line}\nprintf %s \"$TOKENKEEP_ACCESS_TOKEN\""));
    assert_eq!(super::support::end(shell).stdout(), token);
    let curl = world.run("token -o curl").stdout();
    assert_eq!(curl, "header = \"Authorization: Bearer it's\\\"a$HOME`x`\\\\n\"\n");
    assert_fails(&world.run("token -o env:cmd"), 1, &["cmd", "env:pwsh"]);
}

#[test]
fn the_json_forms() {
    let world = World::new();
    world.log_in_service("default");
    let token = world.run("token").stdout().trim().to_owned();
    let object = parsed(&world.run("token -o json"));
    let names: Vec<&String> = object.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "access_token",
            "expires_at",
            "expires_at_epoch",
            "expires_in_s",
            "profile",
            "schema",
            "scopes",
            "token_type"
        ]
    );
    assert_eq!(object["schema"], 1);
    assert_eq!(object["access_token"], json!(token));
    assert_eq!(object["profile"], "default");
    assert_eq!(object["token_type"], "Bearer");
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let epoch = object["expires_at_epoch"].as_u64().unwrap();
    assert!((now + 7100..=now + 7200).contains(&epoch), "{epoch}");
    assert!((7100..=7200).contains(&object["expires_in_s"].as_u64().unwrap()));
    assert!(object["expires_at"].as_str().unwrap().ends_with('Z'));

    let credential = parsed(&world.run("token -o exec-credential"));
    assert_eq!(
        credential,
        json!({
            "apiVersion": "client.authentication.k8s.io/v1",
            "kind": "ExecCredential",
            "status": { "token": token, "expirationTimestamp": object["expires_at"] },
        })
    );
}

#[test]
fn times_are_the_same_in_every_locale_and_zone() {
    let world = World::new();
    world.log_in_service("default");
    let plain = parsed(&world.run("token -o json"));
    let abroad = world
        .command("token -o json")
        .env("TZ", "Asia/Tokyo")
        .env("LC_ALL", "de_DE.UTF-8");
    let abroad: Value = parsed(&super::support::end(abroad));
    assert_eq!(plain["expires_at"], abroad["expires_at"]);
}

#[test]
fn min_valid_and_force() {
    let world = World::with(|server| server.access_token_lifetime(Duration::from_secs(600)));
    world.log_in_service("default");
    let first = world.run("token").stdout();
    assert_eq!(world.run("token --min-valid 5m").stdout(), first);
    let forced = world.run("token --force").stdout();
    assert_ne!(forced, first);
    assert_eq!(world.run("token").stdout(), forced);
    assert_code(&world.run("token --min-valid 5x"), 2);
}

#[test]
fn another_target_is_another_token() {
    let world = World::new();
    world.log_in_service("default");
    let own = world.run("token").stdout();
    let other = world.run("token --audience https://other --scope read").stdout();
    assert_ne!(own, other);
    assert_eq!(world.run("token --scope read --audience https://other").stdout(), other);
    assert_eq!(world.server.counters().token_requests, 2);
}

#[test]
fn a_valid_token_needs_no_network() {
    let world = World::new();
    world.log_in_service("default");
    let command = world.command("token -vv");
    let home = world.home().to_owned();
    assert!(home.exists());
    let token = super::support::end(command.env("HTTPS_PROXY", "http://127.0.0.1:1"));
    assert_code(&token, 0);
    assert_eq!(world.server.counters().token_requests, 1);
}

#[test]
fn a_reader_that_goes_away_is_no_error_message() {
    let world = World::new();
    world.log_in_service("default");
    // The shell is the pipe's only reader, and no more when the command starts.
    let pipe = world.home().join("pipe");
    let script = format!(
        "mkfifo {pipe} && exec 4<>{pipe} 5>{pipe} 4<&- && {BIN} token >&5; echo \"code $?\" >&2",
        pipe = pipe.display()
    );
    let shell = world.program("/bin/sh").args(["-c", &script]);
    let output = end(shell.env("PATH", "/usr/bin:/bin"));
    assert_eq!(output.stderr(), "code 1\n");
}

#[test]
fn many_processes_on_one_expired_login_refresh_it_once() {
    const PROCESSES: usize = 32;
    let world = World::with(|server| server.latency(Duration::from_millis(50)));
    world.log_in_expired_person("default");
    let outputs = run_many(PROCESSES, LIMIT, |_| world.command("token")).unwrap();
    for output in &outputs {
        assert_code(output, 0);
        assert_eq!(output.stdout(), outputs[0].stdout());
    }
    assert!(world.server.is_live(outputs[0].stdout().trim()));
    let counters = world.server.counters();
    assert_eq!((counters.refreshes_granted, counters.double_spends), (1, 0));
    assert_code(&world.run("token --force"), 0);
}

#[test]
fn an_interrupted_refresh_is_carried_to_its_end() {
    for stop in [Process::interrupt, Process::terminate] {
        let world = World::new();
        world.log_in_expired_person("default");
        let gate = Gate::new();
        world.server.inject(Fault::none().hold_after(&gate));
        let mut process = world.command("-v token").spawn().unwrap();
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        stop(&mut process).unwrap();
        hear(&process, SIGNAL_TAKEN);
        assert!(process.is_running().unwrap());
        gate.release();
        let output = process.wait(LIMIT).unwrap();
        assert!(matches!(output.code(), Some(130 | 143)), "{:?}", output.code());
        assert_eq!(output.stdout(), "");
        let token = world.run("token").stdout();
        assert!(world.server.is_live(token.trim()));
        assert_eq!(world.server.counters().refreshes_granted, 1);
    }
}

#[test]
fn who_interrupts_twice_does_not_wait() {
    let world = World::new();
    world.log_in_expired_person("default");
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_before(&gate));
    let mut process = world.command("token").spawn().unwrap();
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    let begun = Instant::now();
    while process.is_running().unwrap() {
        process.interrupt().unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(process.wait(LIMIT).unwrap().code(), Some(130));
    // Who waits for the refresh gives up after 30 seconds.
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    gate.release();
}

#[test]
fn processes_in_other_time_zones_share_a_token() {
    let world = World::new();
    world.log_in_service("ci");
    let first = world.run("-p ci token").stdout();
    for zone in ["Pacific/Kiritimati", "Etc/GMT+12", "UTC"] {
        let found = end(world.command("-p ci token --min-valid 30m").env("TZ", zone));
        assert_code(&found, 0);
        assert_eq!(found.stdout(), first, "{zone}");
    }
    assert_eq!(world.server.counters().token_requests, 1);
}
