//! A sign of life while something takes long: for a person at a terminal, nobody else.

use std::time::Duration;

use store_testkit::server::{Fault, Gate};

use super::support::{World, assert_code, end};
#[cfg(target_os = "linux")]
use super::terminal::AtTerminal;

const SIGN: &str = "waiting for the authorization server";
/// Long enough for a sign to be due.
const LONG: Duration = Duration::from_millis(900);

#[cfg(target_os = "linux")]
fn start(world: &World, arguments: &str, variables: &[(&str, &str)]) -> AtTerminal {
    let variables = [&[("TERM", "xterm-256color")], variables].concat();
    world.at_terminal(arguments, &variables, "")
}

#[cfg(target_os = "linux")]
fn shown(world: &World, arguments: &str, variables: &[(&str, &str)]) -> String {
    all_of(start(world, arguments, variables))
}

#[cfg(target_os = "linux")]
fn all_of(terminal: AtTerminal) -> String {
    let seen = terminal.end();
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    seen.text
}

/// What is shown where the server answers only after the sign has been seen.
#[cfg(target_os = "linux")]
fn shown_with_the_sign(world: &World, arguments: &str, variables: &[(&str, &str)]) -> String {
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_before(&gate));
    let terminal = start(world, arguments, variables);
    terminal.hear(SIGN);
    gate.release();
    all_of(terminal)
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_wait_is_shown_and_taken_back() {
    let world = World::new();
    world.log_in_service("ci");
    // A terminal shows both streams: the sign comes, and is wiped before the token.
    let said = shown_with_the_sign(&world, "-p ci token --force", &[]);
    let (before, token) = said.rsplit_once("\u{1b}[2K").unwrap();
    assert!(before.contains(SIGN), "{said:?}");
    assert!(world.server.is_live(token.trim()), "{said:?}");
    assert!(
        !said.contains("\u{1b}[3") && !said.contains("\u{1b}[1;3"),
        "no colour: {said:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_sign_has_no_colour_and_can_be_done_without() {
    let world = World::new();
    world.log_in_service("ci");
    let plain = shown_with_the_sign(&world, "-p ci token --force", &[("NO_COLOR", "1")]);
    assert!(!plain.contains("\u{1b}[3"), "no colour: {plain:?}");
    for (arguments, variables) in [
        ("-q -p ci token --force", [("A", "B")]),
        ("-v -p ci token --force", [("A", "B")]),
        ("-p ci token --force", [("TERM", "dumb")]),
        ("-p ci token --force", [("TERM", "")]),
    ] {
        world.server.inject(Fault::none().delay_before(LONG));
        let said = shown(&world, arguments, &variables);
        assert!(!said.contains(SIGN), "{arguments}: {said:?}");
        assert!(!said.contains('\u{1b}'), "{arguments}: {said:?}");
    }
}

#[test]
fn nobody_else_sees_one() {
    let world = World::new();
    world.log_in_service("ci");
    world.server.inject(Fault::none().delay_before(LONG));
    let command = world
        .command("-p ci token --force")
        .env("TERM", "xterm")
        .env("CLICOLOR_FORCE", "1");
    let output = end(command);
    assert_code(&output, 0);
    assert_eq!(output.stderr(), "");
    assert!(world.server.is_live(output.stdout().trim()));
}

#[cfg(target_os = "linux")]
#[test]
fn colours_are_for_those_who_want_them() {
    let world = World::new();
    world.log_in_service("ci");
    let red = "\u{1b}[";
    assert!(shown(&world, "status", &[]).contains(red));
    for (arguments, variable) in [
        ("status", ("NO_COLOR", "1")),
        ("status", ("TERM", "dumb")),
        ("--color never status", ("CLICOLOR_FORCE", "1")),
    ] {
        let said = shown(&world, arguments, &[variable]);
        assert!(!said.contains(red), "{arguments} {variable:?}: {said:?}");
    }
    let piped = |arguments: &str, name: &str| end(world.command(arguments).env(name, "1")).stdout();
    assert!(!piped("status", "A").contains(red));
    assert!(piped("status", "CLICOLOR_FORCE").contains(red));
    assert!(piped("--color always status", "A").contains(red));
}
