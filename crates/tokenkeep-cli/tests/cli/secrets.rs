//! No secret where others can see it.

use std::io::ErrorKind;
use std::path::Path;

use store_testkit::server::{Fault, Gate};

use super::support::{PasteLogin, SECRET, World, assert_code, end};

#[test]
fn nothing_secret_is_said_however_much_is_said() {
    let world = World::new();
    let issuer = world.server.issuer();
    let login = format!(
        "login -vvv --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin --client-auth post"
    );
    let mut said = String::new();
    let mut note = |output: store_testkit::process::Output| {
        said.push_str(&output.stderr());
        output.stdout()
    };
    note(world.run_with(&login, SECRET));
    let tokens = [note(world.run("-vvv token")), note(world.run("-vvv token --force"))];
    let person = world.log_in_person("person");
    note(world.run("-vvv -p person token --force"));
    note(world.run("-vvv status"));
    let api = world.server.api_url();
    for command in ["token --force".to_owned(), format!("request POST {api} -d canary-body")] {
        note(end(world.command(&command).env("TOKENKEEP_LOG", "trace")));
    }
    let echo = format!("{{\"error\":\"invalid_client\",\"error_description\":\"no {SECRET} here\"}}");
    world.server.inject(Fault::answer(400).body(echo));
    note(world.run("-vvv token --force"));
    assert!(said.contains("invalid_client") && said.contains("INFO"), "{said}");
    let secrets = [
        SECRET,
        "canary-body",
        &person.access_token,
        &person.refresh_token,
        tokens[0].trim(),
        tokens[1].trim(),
    ];
    for secret in secrets
        .into_iter()
        .chain(world.server.live_access_tokens().iter().map(String::as_str))
    {
        assert!(!said.contains(secret), "{secret} is in: {said}");
    }
}

#[test]
fn the_code_and_the_verifier_are_not_said() {
    let world = World::new();
    let login = PasteLogin::begin(&world, "-vvv");
    let address = login.visit();
    let code = address
        .split_once("code=")
        .unwrap()
        .1
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let ended = login.paste(&address);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&code));
    assert!(!ended.stderr.contains("code_verifier"));
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_secret_is_in_arguments_or_environment() {
    let world = World::new();
    let gate = Gate::new();
    world.server.inject(Fault::none().hold_before(&gate));
    let issuer = world.server.issuer();
    let login = format!("login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin");
    let process = world.command(&login).stdin(SECRET).spawn().unwrap();
    assert!(world.server.wait_for_token_requests_blocking(1, super::support::LIMIT));
    let folder = Path::new("/proc").join(process.id().to_string());
    for file in ["cmdline", "environ"] {
        let text = match std::fs::read(folder.join(file)) {
            // Of a process that leaves no core file not even its own user may see it, only root.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && file == "environ" => continue,
            text => text.unwrap(),
        };
        assert!(!text.is_empty());
        assert!(!String::from_utf8_lossy(&text).contains(SECRET), "{file}");
    }
    gate.release();
    assert_code(&process.wait(super::support::LIMIT).unwrap(), 0);
}

#[test]
fn a_secret_given_as_an_argument_is_refused_unheard() {
    let world = World::new();
    for arguments in [
        "login --client-secret=canary",
        "login --client-secret canary",
        "login --token canary",
    ] {
        let output = end(world.command(arguments));
        assert_code(&output, 2);
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
    }
}
