//! Servers that are known by name, each at one that speaks as it does.

use std::time::Duration;

use store_testkit::server::Dialect;

use super::support::{PasteLogin, SECRET, World, assert_code, assert_fails, end, get};

fn world(dialect: Dialect) -> World {
    World::with(|server| server.dialect(dialect))
}

/// The address says all of this.
#[track_caller]
fn assert_asks(login: &PasteLogin, parts: &[&str]) {
    for part in parts {
        assert!(login.address.contains(part), "{part}: {}", login.address);
    }
}

#[test]
fn foundry_shows_the_code_for_a_console() {
    let world = world(Dialect::Foundry);
    let host = world.server.issuer();
    let login = format!(
        "login --flow paste --provider foundry --domain {host}/workspace --client-id desktop --scope offline_access"
    );
    let login = PasteLogin::begin_as(&world, &login);
    assert_asks(
        &login,
        &[
            "multipass%2Fapi%2Foauth2%2Fcallback",
            "&prompt=consent",
            "&access_type=offline",
        ],
    );
    let page = get(&login.visit());
    let code = page.split("Authorization code: ").nth(1).unwrap().trim();
    let ended = login.paste(code);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    world.server.advance(Duration::from_secs(3600));
    let renewed = world.run("token --force");
    assert_code(&renewed, 0);
    assert!(world.server.is_live(renewed.stdout().trim()));
}

#[test]
fn foundry_comes_back_to_the_root_of_its_own_ports() {
    let world = world(Dialect::Foundry);
    let host = world.server.issuer();
    let login = format!("login --flow code --no-browser --provider foundry --domain {host} --client-id desktop");
    let login = PasteLogin::begin_as(&world, &login);
    let back = login.visit();
    let (address, query) = back.split_once("/?").unwrap();
    let port: u16 = address.strip_prefix("http://127.0.0.1:").unwrap().parse().unwrap();
    assert!((8888..=8987).contains(&port) && query.contains("code="), "{back}");
    assert!(!login.address.contains("prompt="), "{}", login.address);
    get(&back);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_code(&world.run("token"), 0);
}

#[test]
fn globus_gives_tokens_of_several_resource_servers() {
    let world = world(Dialect::Globus);
    let endpoint = world.server.token_endpoint();
    let login = format!(
        "login --flow client-credentials --provider globus --token-endpoint {endpoint} --client-id app \
         --client-secret-stdin"
    );
    let several = world.run_with(&login, SECRET);
    assert_fails(
        &several,
        3,
        &["several resource servers (auth.globus.org, transfer.api.globus.org)"],
    );
    let picked = format!("{login} --resource-server transfer.api.globus.org");
    assert_code(&world.run_with(&picked, SECRET), 0);
    let transfer = world.run("token").stdout();
    let scope = world.server.scope_of(transfer.trim());
    assert_eq!(
        scope.as_deref(),
        Some("urn:globus:auth:scope:transfer.api.globus.org:all")
    );
    let auth = world.run("token --resource-server auth.globus.org").stdout();
    assert_eq!(
        world.server.scope_of(auth.trim()).as_deref(),
        Some("email openid profile")
    );
}

#[test]
fn pancloud_takes_instance_and_region() {
    let world = world(Dialect::Pancloud);
    let secret = world.home().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let server = &world.server;
    let login = format!(
        "login --flow paste --provider pancloud --token-endpoint {} --authorization-endpoint {} \
         --revocation-endpoint {} --client-id app --client-secret-file {} --parameter instance_id=42 \
         --parameter region=us=1",
        server.token_endpoint(),
        server.authorization_endpoint(),
        server.revocation_endpoint(),
        secret.display(),
    );
    let login = PasteLogin::begin_as(&world, &login);
    assert_asks(&login, &["&instance_id=42", "&region=us%3D1"]);
    let back = login.visit();
    let ended = login.paste(&back);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let token = world.run("token --force").stdout();
    assert!(world.server.is_live(token.trim()));
    assert_code(&world.run("revoke"), 0);
    assert!(!world.server.is_live(token.trim()));
}

#[test]
fn a_developer_token_stays_in_the_environment() {
    let world = World::with(|server| server.dialect(Dialect::Pancloud).developer_token("canary-developer"));
    let (token, service) = (world.server.token_endpoint(), world.server.developer_token_endpoint());
    let login = format!("login --flow developer-token --provider pancloud --token-endpoint {token}");
    let login = format!("{login} --developer-token-endpoint {service}");
    let with = |arguments: &str, token: &str| end(world.command(arguments).env("PAN_DEVELOPER_TOKEN", token));
    let missing = ["TOKENKEEP_DEVELOPER_TOKEN, PAN_DEVELOPER_TOKEN"];
    assert_fails(&world.run(&login), 3, &missing);
    assert_fails(&with(&login, "another"), 4, &["developer token"]);
    assert_fails(&world.run("token"), 3, &["no profile default"]);
    assert_code(&with(&login, "canary-developer"), 0);
    let first = world.run("token");
    assert_code(&first, 0);
    assert!(world.server.is_live(first.stdout().trim()));
    assert!(!std::fs::read_to_string(world.store_file()).unwrap().contains("canary"));
    assert_fails(&world.run("token --force"), 3, &["TOKENKEEP_DEVELOPER_TOKEN"]);
    let second = with("token --force", "canary-developer");
    assert_code(&second, 0);
    assert_ne!(second.stdout(), first.stdout());
    assert_eq!(world.server.counters().developer_token_requests, 3);
    world.server.revoke_developer_token("canary-developer");
    assert_fails(&with("token --force", "canary-developer"), 4, &["developer token"]);
}

#[test]
fn what_the_login_sets_itself_is_no_parameter() {
    let world = World::new();
    let login = format!(
        "login --flow paste --issuer {} --client-id desktop",
        world.server.issuer()
    );
    let with = |parameter: &str| world.run(&format!("{login} --parameter {parameter}"));
    assert_fails(&with("state=x"), 2, &["the login itself sets state"]);
    assert_fails(
        &with("scope=x"),
        2,
        &["the login itself sets scope", "flags of their own"],
    );
    assert_fails(&with("region"), 2, &["NAME=VALUE"]);
    assert_fails(&with("a=1 --parameter a=2"), 2, &["given twice"]);
}
