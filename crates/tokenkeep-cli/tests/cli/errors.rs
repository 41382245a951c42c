//! What goes wrong: a clear message, the next step, the right exit code.

use std::os::unix::fs::PermissionsExt as _;

use store_testkit::server::{Endpoint, Fault};

use super::support::{SECRET, World, assert_code, assert_fails, end};

/// `{"alg":"none"}`, `{"exp":1000000000}`.
const EXPIRED_JWT: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjEwMDAwMDAwMDB9.c2ln";

const CLOSED: &str = "http://127.0.0.1:1";

#[test]
fn usage() {
    let world = World::new();
    for arguments in [
        "",
        "nonsense",
        "token --nonsense",
        "token -o nonsense",
        "login --flow nonsense",
        "-p a#b token",
    ] {
        let output = world.run(arguments);
        assert_code(&output, 2);
        assert_eq!(output.stdout(), "");
    }
    assert_fails(&world.run("login"), 2, &["no flow is named", "hint: --flow code"]);
    for arguments in ["--help", "--version", "login --help"] {
        let output = world.run(arguments);
        assert_code(&output, 0);
        assert_eq!(output.stderr(), "");
    }
}

#[test]
fn missing_credentials_name_the_field_and_each_place() {
    let world = World::new();
    let issuer = world.server.issuer();
    let login = format!("login --flow client-credentials --issuer {issuer}");
    let places = [
        "client_id is missing",
        "--client-id",
        "TOKENKEEP_CLIENT_ID",
        "[profiles.default]",
        "in the store",
    ];
    assert_fails(&world.run(&login), 3, &places);
    let places = [
        "client_secret is missing",
        "--client-secret-stdin",
        "--client-secret-file",
        "TOKENKEEP_CLIENT_SECRET",
        "client_secret_file",
    ];
    assert_fails(&world.run(&format!("{login} --client-id app")), 3, &places);
    let no_issuer = "login --flow client-credentials --client-id app";
    assert_fails(
        &world.run(no_issuer),
        3,
        &["issuer is missing", "--token-endpoint", "TOKENKEEP_ISSUER"],
    );
    assert_eq!(world.server.counters().token_requests, 0);
}

#[test]
fn a_secret_that_went_away() {
    let world = World::new();
    let issuer = world.server.issuer();
    world.write_config(&format!(
        "[profiles.default]\nflow = 'client-credentials'\nissuer = '{issuer}'\nclient_id = 'app'\nclient_secret_env = 'MY_SECRET'\n"
    ));
    assert_code(&end(world.command("login").env("MY_SECRET", SECRET)), 0);
    assert!(!std::fs::read_to_string(world.store_file()).unwrap().contains(SECRET));
    assert_code(&world.run("token"), 0);
    assert_fails(
        &world.run("token --force"),
        3,
        &[
            "client_secret",
            "environment variable MY_SECRET",
            "TOKENKEEP_CLIENT_SECRET",
            "hint",
        ],
    );
    assert_code(&end(world.command("token --force").env("MY_SECRET", SECRET)), 0);
}

#[test]
fn an_unreachable_server() {
    let world = World::new();
    let login = format!("login --flow client-credentials --client-id app --client-secret-stdin --issuer {CLOSED}");
    assert_fails(
        &world.run_with(&login, SECRET),
        7,
        &["can't be reached", "hint: check the network"],
    );
    let login = login.replace(
        "--issuer http://127.0.0.1:1",
        "--token-endpoint http://127.0.0.1:1/token",
    );
    assert_fails(&world.run_with(&login, SECRET), 7, &["can't be reached", "caused by"]);
    assert!(!world.home().join("data").join("tokenkeep").join("tokens.json").exists());

    world.log_in_service("default");
    world.server.inject(Fault::drop_before_handling().times(100));
    assert_fails(&world.run("token --force"), 7, &["can't be reached", "try again"]);
    assert_code(&world.run("token"), 0);
}

#[test]
fn a_wrong_issuer() {
    let world = World::new();
    let login = "login --flow client-credentials --client-id app --client-secret-stdin --issuer";
    let slash = format!("{login} {}/", world.server.issuer());
    assert_fails(
        &world.run_with(&slash, SECRET),
        3,
        &["is of issuer", "hint: give --issuer exactly"],
    );
    let plain = format!("{login} http://as.example");
    assert_fails(&world.run_with(&plain, SECRET), 3, &["use https"]);
    world.server.inject(Fault::answer(404).at(Endpoint::Discovery).times(2));
    let absent = format!("{login} {}", world.server.issuer());
    assert_fails(
        &world.run_with(&absent, SECRET),
        3,
        &["publishes no metadata", "--token-endpoint"],
    );
}

#[test]
fn a_server_that_refuses() {
    let world = World::new();
    world.log_in_service("default");
    let fault = Fault::answer(400).body("{\"error\":\"invalid_scope\",\"error_description\":\"no such scope\"}");
    world.server.inject(fault);
    assert_fails(
        &world.run("token --force"),
        5,
        &["status 400, invalid_scope", "no such scope"],
    );
}

#[test]
fn files_that_cannot_be_used_are_kept_byte_for_byte() {
    for (text, words) in [
        (
            "{\"tokenkeep\": {\"format\": 1}, \"records\": {",
            ["can't be read", "json"],
        ),
        ("not json", ["can't be read", "json"]),
        ("", ["json", "json"]),
        ("{\"tokenkeep\":{\"format\":99},\"records\":{}}", ["99", "update"]),
    ] {
        let world = World::new();
        let folder = world.home().join("data/tokenkeep");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(world.store_file(), text).unwrap();
        std::fs::set_permissions(world.store_file(), std::fs::Permissions::from_mode(0o600)).unwrap();
        let issuer = world.server.issuer();
        let login = format!("login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin");
        for output in [world.run("token"), world.run("status"), world.run_with(&login, SECRET)] {
            assert_fails(&output, 6, &words);
        }
        assert_eq!(std::fs::read_to_string(world.store_file()).unwrap(), text);
        assert_eq!(world.server.counters().token_requests, 0);
    }
}

#[test]
fn a_file_of_somebody_else() {
    let world = World::new();
    world.log_in_service("default");
    let before = std::fs::read(world.store_file()).unwrap();
    // Others may pass through the folders, so that it is the file that says no.
    for folder in ["data", "data/tokenkeep"] {
        let open = std::fs::Permissions::from_mode(0o711);
        std::fs::set_permissions(world.home().join(folder), open).unwrap();
    }
    let file = world.store_file();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o000)).unwrap();
    let store = format!("--store json:{}", file.display());
    for command in ["token", "status"] {
        let output = end(world.command(&format!("{store} {command}")).unprivileged());
        assert_fails(&output, 6, &["not allowed"]);
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(std::fs::read(file).unwrap(), before);
}

#[test]
fn stores_that_are_none() {
    let world = World::new();
    assert_fails(&world.run("--store ftp://host status"), 3, &["json:", "scheme"]);
    assert_fails(&world.run("--store json:x?y=z status"), 3, &["option"]);
    let userinfo = world.run("--store redis://user:canary@host/0 status");
    assert_fails(
        &userinfo,
        2,
        &["--store holds a user name or password", "TOKENKEEP_STORE"],
    );
    assert!(!userinfo.stderr().contains("canary"));
}

#[test]
fn a_login_that_is_over() {
    let world = World::new();
    assert_fails(
        &world.run_with("login --flow token", EXPIRED_JWT),
        1,
        &["has expired already"],
    );
    assert_fails(&world.run("token"), 3, &["no profile default"]);
    assert_code(&world.run_with("login --flow token", "opaque"), 0);
    let expired = world.run("token --force");
    assert_fails(
        &expired,
        4,
        &["a login is required", "hint: log in: tokenkeep -p default login"],
    );
    assert_fails(
        &world.run("--store json:/nonexistent/t.json -p x token"),
        3,
        &["no profile x", "--store json:/nonexistent/t.json -p x login"],
    );
}

#[test]
fn signals_end_it_with_their_codes() {
    let world = World::new();
    let issuer = world.server.issuer();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let login = super::support::PasteLogin::begin_as(
            &world,
            &format!("login --flow paste --issuer {issuer} --client-id desktop"),
        );
        let id = login.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &id])
            .status()
            .unwrap();
        assert!(sent.success());
        let ended = login.end();
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(!ended.stderr.contains("error"), "{}", ended.stderr);
    }
}

#[test]
fn a_damaged_record_is_replaced_by_force_only() {
    let world = World::new();
    world.log_in_service("default");
    world.log_in_service("other");
    let damage = |from: &str, to: &str| {
        let text = std::fs::read_to_string(world.store_file()).unwrap();
        let damaged = text.replace(from, to);
        assert_ne!(text, damaged);
        std::fs::write(world.store_file(), damaged).unwrap();
    };
    damage("\"key\":\"default#grant\"", "\"key\":\"default#grand\"");
    let before = std::fs::read(world.store_file()).unwrap();
    assert_fails(&world.run("token"), 6, &["default#grant", "it was kept"]);
    assert_fails(&world.run("login --flow client-credentials"), 6, &["login --force"]);
    assert_eq!(std::fs::read(world.store_file()).unwrap(), before);
    assert_code(&world.run("-p other token"), 0);
    let status = super::support::json(&world.run("status --json"));
    assert_eq!(status["profiles"][0]["state"], "unreadable");
    assert_code(&world.run("login --flow client-credentials --force"), 0);
    assert_code(&world.run("token"), 0);

    damage(
        "\"format\":1,\"key\":\"default#grant\"",
        "\"format\":2,\"key\":\"default#grant\"",
    );
    assert_fails(
        &world.run("login --flow client-credentials --force"),
        6,
        &["update tokenkeep"],
    );
}
