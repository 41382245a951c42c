//! A command with the token in its environment.

use std::os::unix::fs::PermissionsExt as _;

use store_testkit::process::ProcessBuilder;

use super::support::{LIMIT, SECRET, World, assert_code, assert_fails, end};

/// The command, and after `--` a shell with this script.
fn shell(world: &World, arguments: &str, script: &str) -> ProcessBuilder {
    world
        .command(&format!("{arguments} -- /bin/sh -c"))
        .arg(script)
        .env("PATH", "/usr/bin:/bin")
}

#[test]
fn the_token_is_in_the_environment() {
    let world = World::new();
    world.log_in_service("ci");
    let token = world.run("-p ci token").stdout();
    let output = end(shell(&world, "-p ci exec", "echo \"$TOKENKEEP_ACCESS_TOKEN\""));
    assert_code(&output, 0);
    assert_eq!((output.stdout(), output.stderr()), (token.clone(), String::new()));
    let output = end(shell(
        &world,
        "-p ci exec --env GH_TOKEN",
        "echo \"$GH_TOKEN$TOKENKEEP_ACCESS_TOKEN\"",
    ));
    assert_eq!(output.stdout(), token);
    let output = end(shell(
        &world,
        "-p ci exec --min-valid 10m --scope read",
        "echo \"$TOKENKEEP_ACCESS_TOKEN\"",
    ));
    assert_ne!(output.stdout(), token);
    assert!(world.server.is_live(output.stdout().trim()));
}

#[test]
fn what_is_ours_is_not_handed_on() {
    let world = World::new();
    let issuer = world.server.issuer();
    world.write_config(&format!(
        "[profiles.ci]\nflow = 'client-credentials'\nissuer = '{issuer}'\nclient_id = 'app'\nclient_secret_env = 'MY_SECRET'\n"
    ));
    assert_code(&end(world.command("-p ci login").env("MY_SECRET", SECRET)), 0);
    let output = end(shell(&world, "exec", "env")
        .env("TOKENKEEP_PROFILE", "ci")
        .env("TOKENKEEP_CLIENT_SECRET", SECRET)
        .env("MY_SECRET", SECRET)
        .env("THEIRS", "kept"));
    assert_code(&output, 0);
    let environment = output.stdout();
    assert!(!environment.contains(SECRET), "{environment}");
    let ours: Vec<&str> = environment
        .lines()
        .filter(|line| line.starts_with("TOKENKEEP_"))
        .collect();
    assert_eq!(ours.len(), 1, "{environment}");
    assert!(ours[0].starts_with("TOKENKEEP_ACCESS_TOKEN="));
    assert!(environment.contains("THEIRS=kept") && environment.contains("HOME="));
}

#[test]
fn the_command_ends_as_it_ends() {
    let world = World::new();
    world.log_in_service("default");
    assert_code(&end(shell(&world, "exec", "exit 42")), 42);
    let killed = end(shell(&world, "exec", "kill -KILL $$"));
    assert_eq!(killed.signal(), Some(9));
    let lines = end(shell(&world, "exec", "cat; echo aside >&2").stdin("given"));
    assert_eq!((lines.stdout(), lines.stderr()), ("given".into(), "aside\n".into()));
}

#[test]
fn signals_reach_the_command() {
    let world = World::new();
    world.log_in_service("default");
    let script = "trap 'echo caught; exit 9' INT TERM; echo ready; while :; do sleep 0.05; done";
    for stop in [
        store_testkit::process::Process::interrupt,
        store_testkit::process::Process::terminate,
    ] {
        let mut process = shell(&world, "exec", script).spawn().unwrap();
        assert!(process.wait_for_stdout("ready", LIMIT));
        stop(&mut process).unwrap();
        let output = process.wait(LIMIT).unwrap();
        assert_code(&output, 9);
        assert_eq!(output.stdout(), "ready\ncaught\n");
    }
    // Ours to begin with: nothing of our handling of signals is left.
    let mut process = shell(&world, "exec", "echo ready; exec sleep 60").spawn().unwrap();
    assert!(process.wait_for_stdout("ready", LIMIT));
    process.terminate().unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().signal(), Some(15));
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_is_ignored_stays_so() {
    let world = World::new();
    world.log_in_service("default");
    let kill = "kill -INT $$; echo went on";
    for (trap, code, said) in [("trap '' INT", Some(0), "went on\n"), ("true", None, "")] {
        let outer = format!("{trap}; exec \"$0\" exec -- /bin/sh -c '{kill}'");
        let shell = world.program("/bin/sh").args(["-c", &outer, super::support::BIN]);
        let output = end(shell);
        assert_eq!((output.code(), &*output.stdout()), (code, said), "{}", output.stderr());
    }
}

#[test]
fn a_command_that_cannot_be_run() {
    let world = World::new();
    world.log_in_service("default");
    let path = |arguments: &str| end(world.command(arguments).env("PATH", "/usr/bin:/bin"));
    assert_fails(
        &path("exec -- no-such-command"),
        127,
        &["there is no command no-such-command"],
    );
    let file = world.home().join("plain");
    std::fs::write(&file, "text").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let plain = format!("exec -- {}", file.display());
    assert_fails(&path(&plain), 126, &["can't be run", "Permission denied"]);
    for usage in [
        "exec",
        "exec --",
        "exec true",
        "exec --env A=B -- true",
        "exec --env 1 -- true",
    ] {
        assert_code(&path(usage), 2);
    }
}

#[test]
fn without_a_token_nothing_is_run() {
    let world = World::new();
    world.log_in_service("default");
    assert_code(&world.run("logout"), 0);
    let touched = world.home().join("touched");
    let script = format!("touch {}", touched.display());
    assert_fails(
        &end(shell(&world, "exec", &script)),
        4,
        &["log in: tokenkeep -p default login"],
    );
    assert!(!touched.exists());
}

#[test]
fn a_refresh_is_committed_before_the_command_takes_over() {
    let world = World::new();
    world.log_in_expired_person("default");
    let output = end(shell(&world, "exec", "echo \"$TOKENKEEP_ACCESS_TOKEN\""));
    assert_code(&output, 0);
    assert_eq!(world.run("token").stdout(), output.stdout());
    assert_eq!(world.server.counters().refreshes_granted, 1);
    assert_code(&world.run("token --force"), 0);
    assert_eq!(world.server.counters().double_spends, 0);
}
