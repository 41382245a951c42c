//! Records are sealed under a key of one's own.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use store_testkit::server::{Fault, Gate};

use crate::support::{LIMIT, PasteLogin, SECRET, World, assert_code, assert_fails, end, json as parsed};

/// A new key, and the `--seal` that names it.
fn key(world: &World, name: &str) -> (PathBuf, String) {
    let path = world.home().join(name);
    let made = world.run(&format!("key generate {}", path.display()));
    assert_code(&made, 0);
    assert!(made.stdout().starts_with("local:"), "{}", made.stdout());
    let seal = format!("key-file:{}", path.display());
    (path, seal)
}

/// With the seal from the environment, as a service has it.
fn sealed(world: &World, seal: &str, arguments: &str) -> store_testkit::process::Output {
    end(world.command(arguments).env("TOKENKEEP_SEAL", seal))
}

fn log_in(world: &World, seal: &str) {
    let issuer = world.server.issuer();
    let login = format!("login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin");
    let login = world.command(&login).stdin(SECRET).env("TOKENKEEP_SEAL", seal);
    let output = end(login);
    assert_code(&output, 0);
    assert!(output.stderr().contains("tokens.json, sealed\n"), "{}", output.stderr());
}

fn contents(world: &World) -> String {
    std::fs::read_to_string(world.store_file()).unwrap()
}

#[test]
fn nothing_secret_is_in_the_file_and_the_token_is_printed() {
    let world = World::new();
    let (path, seal) = key(&world, "key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_fails(&world.run(&format!("key generate {}", path.display())), 3, &["key"]);
    log_in(&world, &seal);
    let token = sealed(&world, &seal, "token").stdout();
    assert!(token.len() > 10);
    for secret in [SECRET, token.trim()] {
        assert!(!contents(&world).contains(secret));
    }
    assert_fails(&world.run("token"), 6, &["is sealed: open the store with its seal"]);
    let (_, other) = key(&world, "other");
    assert_fails(&sealed(&world, &other, "token"), 6, &["local:"]);
    assert_eq!(sealed(&world, &seal, "token").stdout(), token, "nothing was lost");
}

#[test]
fn a_plain_store_is_sealed_in_place_and_its_key_is_changed() {
    let world = World::new();
    world.log_in_service("default");
    let token = world.run("token").stdout();
    let (_, first) = key(&world, "first");
    let (_, second) = key(&world, "second");
    assert_fails(&world.run("store rewrap"), 2, &["not sealed", "--seal"]);
    assert_code(&sealed(&world, &first, "store rewrap"), 6);
    assert!(contents(&world).contains(SECRET), "not without being told");
    assert_code(&sealed(&world, &first, "store rewrap --accept-plaintext"), 0);
    assert!(!contents(&world).contains(SECRET) && !contents(&world).contains(token.trim()));
    let rewrap = || {
        let command = world.command("store rewrap --json").env("TOKENKEEP_SEAL", &second);
        end(command.env("TOKENKEEP_SEAL_READ", &first))
    };
    let report = parsed(&rewrap());
    assert_eq!(report["failed"], serde_json::json!([]));
    assert!(report["rewrapped"].as_u64().unwrap() > 0);
    assert_eq!(parsed(&rewrap())["rewrapped"], 0);
    assert_eq!(sealed(&world, &second, "token").stdout(), token);
    let check = parsed(&sealed(&world, &second, "store check --json"));
    assert_eq!(check["seal"]["records"]["keys"].as_object().unwrap().len(), 1);
    assert_eq!(check["seal"]["key_from"], "TOKENKEEP_SEAL");
    let text = sealed(&world, &second, "store check").stdout();
    assert!(text.contains("it is sealed") && text.contains("under local:"), "{text}");
    assert!(world.run("store check").stdout().contains("it is not sealed"));
}

#[test]
fn a_move_keeps_the_seal_unless_told() {
    let world = World::new();
    let (_, seal) = key(&world, "key");
    log_in(&world, &seal);
    let place = |name: &str| world.home().join(name).join("tokens.json");
    for (name, option) in [("kept", ""), ("plain", " --to-seal none")] {
        let to = format!("store migrate --to json:{}{option}", place(name).display());
        assert_code(&sealed(&world, &seal, &to), 0);
    }
    let has_secret = |name: &str| std::fs::read_to_string(place(name)).unwrap().contains(SECRET);
    assert!(!has_secret("kept") && has_secret("plain"));
}

#[test]
fn a_login_that_the_store_does_not_take_is_sealed_too() {
    let world = World::new();
    let (_, seal) = key(&world, "key");
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_before(&gate));
    let login = PasteLogin::begin(&world, &format!("--seal {seal}"));
    let answer = login.visit();
    let ended = std::thread::scope(|scope| {
        let ended = scope.spawn(|| login.paste(&answer));
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        std::fs::write(world.store_file(), "{ broken").unwrap();
        gate.release();
        ended.join().unwrap()
    });
    assert_eq!(ended.code, Some(6), "{}", ended.stderr);
    let rescued = world.home().join(".local/state/tokenkeep/rescued");
    let kept = std::fs::read_dir(rescued).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read(&kept).unwrap()[0], 0xFE, "sealed");
    std::fs::remove_file(world.store_file()).unwrap();
    let import = format!("profile import --overwrite {}", kept.display());
    assert_fails(&world.run(&import), 3, &["sealed", "--seal"]);
    assert_code(&sealed(&world, &seal, &import), 0);
    let token = sealed(&world, &seal, "token").stdout();
    assert!(world.server.is_live(token.trim()));
}

#[test]
fn the_doctor_and_wrong_settings() {
    let world = World::new();
    let (path, seal) = key(&world, "key");
    let doctor = sealed(&world, &seal, "doctor").stdout();
    assert!(
        doctor.contains("seal") && doctor.contains("gives data keys"),
        "{doctor}"
    );
    assert_fails(&world.run("--seal c2VjcmV0 token"), 3, &["key-file:PATH"]);
    assert_fails(&sealed(&world, "key-file:/nowhere/k", "token"), 3, &["/nowhere/k"]);
    assert_fails(&sealed(&world, &seal, "store accept"), 3, &["no profile default"]);
    std::fs::write(&path, "short").unwrap();
    assert_fails(&sealed(&world, &seal, "token"), 3, &["32 bytes"]);
    world.write_config("seal = 'key-env:NO_SUCH_KEY'\n");
    assert_fails(&world.run("token"), 3, &["NO_SUCH_KEY"]);
    assert_fails(&world.run("--seal none token"), 3, &["no profile default"]);
}

/// The first that comes to this server, held.
fn visitor(server: &TcpListener, child: &mut Child) -> TcpStream {
    let begun = Instant::now();
    loop {
        match server.accept() {
            Ok((visitor, _)) => return visitor,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert_eq!(child.try_wait().unwrap(), None);
        assert!(begun.elapsed() < LIMIT);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Where the kernel would write one into the working folder, or hands it to a program.
#[test]
fn the_command_leaves_no_core_file() {
    let world = World::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    server.set_nonblocking(true).unwrap();
    let dumped = |program: &str| {
        let script = format!("ulimit -c unlimited; exec {program}");
        let mut child = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(world.home())
            .env("HOME", world.home())
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        // From when it asks the server on it is our command, and waits.
        let _held = visitor(&server, &mut child);
        let killed = std::process::Command::new("kill")
            .args(["-ABRT", &child.id().to_string()])
            .status();
        assert!(killed.unwrap().success());
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(6), "{status}");
        status.core_dumped()
    };
    let waiting = format!(
        "{} login --flow paste --client-id app --issuer http://{address}",
        env!("CARGO_BIN_EXE_tokenkeep")
    );
    assert!(!dumped(&waiting));
}
