//! Two logins of one profile at a time; and logins whose tokens the store does not take.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use store_testkit::process::Process;
use store_testkit::server::{Fault, Gate};

use super::support::{LIMIT, PasteLogin, World, assert_code, assert_fails, hear};

/// A second login, which has said that it waits.
fn second(world: &World, arguments: &str) -> Process {
    let issuer = world.server.issuer();
    let command = format!("login --flow paste --issuer {issuer} --client-id desktop {arguments}");
    let process = world.command(&command).spawn().unwrap();
    hear(&process, "waiting for it");
    process
}

fn code_login(world: &World, arguments: &str) -> PasteLogin {
    let issuer = world.server.issuer();
    let login = format!("login --flow code --no-browser --issuer {issuer} --client-id desktop {arguments}");
    PasteLogin::begin_as(world, &login)
}

#[test]
fn the_second_login_waits_for_the_first_and_uses_its_result() {
    let world = World::new();
    let first = code_login(&world, "--scope read");
    let second = second(&world, "--scope read -q");
    let waits = format!("another login of profile default is under way (process {})", first.id());
    assert!(second.stderr_so_far().contains(&waits), "{}", second.stderr_so_far());
    assert!(
        second.stderr_so_far().contains("3m at most"),
        "{}",
        second.stderr_so_far()
    );
    let answer = first.visit();
    assert_eq!(first.paste(&answer).code, Some(0));
    let output = second.wait(LIMIT).unwrap();
    assert_code(&output, 0);
    assert!(output.stderr().contains("has succeeded"), "{}", output.stderr());
    assert_eq!((output.stdout().as_str(), world.server.counters().logins), ("", 1));
    assert_code(&world.run("token"), 0);
    let folder = world.home().join(".local/state/tokenkeep/logins");
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn the_second_login_goes_on_where_the_first_came_to_nothing() {
    let world = World::new();
    let first = PasteLogin::begin(&world, "");
    // Nobody pastes anything there.
    let second = second(&world, "");
    assert!(!second.stderr_so_far().contains("open this address"));
    assert_eq!(first.paste("").code, Some(1));
    let output = second.wait(LIMIT).unwrap();
    assert_fails(&output, 1, &["open this address"]);
    assert!(!output.stderr().contains("has succeeded"), "{}", output.stderr());
}

#[test]
fn waiting_for_another_login_can_be_ended() {
    let world = World::new();
    let first = PasteLogin::begin(&world, "");
    let mut interrupted = second(&world, "");
    interrupted.interrupt().unwrap();
    assert_code(&interrupted.wait(LIMIT).unwrap(), 130);
    let words = format!("(process {}) has not ended within 1s", first.id());
    assert_fails(
        &second(&world, "--timeout 1s").wait(LIMIT).unwrap(),
        4,
        &[&words, "end it and try again"],
    );
    let issuer = world.server.issuer();
    let at_once = format!("login --flow code --no-wait --issuer {issuer} --client-id desktop");
    assert_fails(&world.run(&at_once), 4, &["is under way (process"]);
    // Other profiles, and other stores, are other logins.
    let other = PasteLogin::begin(&world, "-p other");
    let elsewhere = PasteLogin::begin(&world, &format!("--store json:{}/else.json", world.home().display()));
    for login in [first, other, elsewhere] {
        assert_eq!(login.paste("").code, Some(1));
    }
}

#[test]
fn a_store_that_can_not_be_written_is_found_before_anybody_is_sent_to_a_browser() {
    let world = World::new();
    let issuer = world.server.issuer();
    for flow in ["paste", "code"] {
        let login =
            format!("--store json:/proc/no/tokens.json login --flow {flow} --issuer {issuer} --client-id desktop");
        let output = world.run(&login);
        assert_code(&output, 6);
        assert!(!output.stderr().contains("open this address"), "{}", output.stderr());
    }
    assert_eq!(world.server.counters().authorization_requests, 0);
}

#[test]
fn tokens_that_the_store_does_not_take_are_kept_and_can_be_imported() {
    let world = World::new();
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_before(&gate));
    let login = PasteLogin::begin(&world, "");
    let answer = login.visit();
    let ended = std::thread::scope(|scope| {
        let ended = scope.spawn(|| login.paste(&answer));
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        // The person has logged in, the server has the code; now the store breaks.
        std::fs::write(world.store_file(), "{ broken").unwrap();
        gate.release();
        ended.join().unwrap()
    });
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(6), ""), "{}", ended.stderr);
    for words in [
        "you are logged in, but json:",
        "does not take the tokens",
        "profile import --overwrite",
    ] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert_eq!(std::fs::read_to_string(world.store_file()).unwrap(), "{ broken");
    let folder = world.home().join(".local/state/tokenkeep/rescued");
    let kept: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let [kept] = &*kept else { panic!("{kept:?}") };
    assert!(ended.stderr.contains(&kept.display().to_string()), "{}", ended.stderr);
    assert_eq!(std::fs::metadata(kept).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::remove_file(world.store_file()).unwrap();
    assert_code(&world.run(&format!("profile import --overwrite {}", kept.display())), 0);
    let token = world.run("token");
    assert!(world.server.is_live(token.stdout().trim()), "{}", token.stderr());
    assert_code(&world.run("token --force"), 0);
    assert_eq!(
        (
            world.server.counters().logins,
            world.server.counters().refreshes_granted
        ),
        (1, 1)
    );
}
