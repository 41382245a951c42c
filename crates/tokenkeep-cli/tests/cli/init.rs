//! A profile set up with credentials that are there; no server is asked.

use store_testkit::process::Output;

use super::support::{SECRET, World, assert_code, assert_fails, json as parsed};

impl World {
    /// `init --from -` with this on stdin.
    fn init(&self, arguments: &str, stdin: &str) -> Output {
        self.run_with(&format!("{arguments} --from -"), stdin)
    }

    /// How often the server heard from anybody.
    fn requests(&self) -> u64 {
        let counters = self.server.counters();
        counters.token_requests + counters.discovery_requests
    }
}

#[test]
fn a_refresh_token_without_a_request() {
    let world = World::new();
    let login = world.server.log_in("desktop", "read");
    let credentials = serde_json::json!({
        "client_id": "desktop",
        "refresh_token": login.refresh_token,
        "token_endpoint": world.server.token_endpoint(),
        "revocation_endpoint": world.server.revocation_endpoint(),
        "scopes": ["read"],
    });
    let init = world.init("-p me init", &credentials.to_string());
    assert_code(&init, 0);
    assert_eq!(init.stdout(), "");
    for words in [
        "profile me is set up: client desktop at",
        "no server was asked",
        "tokenkeep -p me token",
    ] {
        assert!(init.stderr().contains(words), "{}", init.stderr());
    }
    assert_eq!(world.requests(), 0);
    let token = world.run("-p me token");
    assert_code(&token, 0);
    assert!(world.server.is_live(token.stdout().trim()));
    assert_eq!(world.server.counters().refreshes_granted, 1);
    assert_code(&world.run("-p me revoke"), 0);
    assert!(!world.server.is_live(token.stdout().trim()));
}

#[test]
fn lines_in_a_file() {
    let world = World::new();
    let login = world.server.log_in("desktop", "read");
    let text = format!(
        "# from elsewhere\nexport TOKENKEEP_CLIENT_ID=desktop\nACCESS_TOKEN='{}'\nrefresh_token=\"{}\"\nTOKEN_ENDPOINT={}\n",
        login.access_token,
        login.refresh_token,
        world.server.token_endpoint()
    );
    let file = world.home().join("credentials.env");
    std::fs::write(&file, text).unwrap();
    assert_code(&world.run(&format!("init --from {}", file.display())), 0);
    assert_eq!(world.run("token").stdout().trim(), login.access_token);
    assert_eq!(world.requests(), 0);
    assert_code(&world.run("token --force"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}

#[test]
fn a_client_whose_server_login_finds() {
    let world = World::new();
    let text = format!(
        "client_id=app\nclient_secret={SECRET}\nissuer={}\n",
        world.server.issuer()
    );
    let init = world.init("-p ci init --rotation grace:5", &text);
    assert_code(&init, 0);
    let next = "tokenkeep -p ci login --flow client-credentials";
    assert!(init.stderr().contains(next), "{}", init.stderr());
    assert_eq!(world.requests(), 0);
    assert_fails(&world.run("-p ci token"), 4, &["log in: tokenkeep -p ci login"]);
    assert_code(&world.run("-p ci login --flow client-credentials"), 0);
    assert_code(&world.run("-p ci token"), 0);
    let shown = parsed(&world.run("-p ci profile show --json"));
    assert_eq!(shown["client"]["rotation"], "grace:5");
    assert_eq!(shown["client"]["token_endpoint"], world.server.token_endpoint());
}

#[test]
fn an_access_token_alone() {
    let world = World::new();
    assert_code(&world.init("init", "access_token=opaque"), 0);
    assert_eq!(world.run("token").stdout(), "opaque\n");
    let flags = format!(
        "init -p flags --client-id app --token-endpoint {}",
        world.server.token_endpoint()
    );
    let secret = world.run_with(&format!("{flags} --client-secret-stdin"), SECRET);
    assert_code(&secret, 0);
    assert_code(&world.run("-p flags login --flow client-credentials"), 0);
}

#[test]
fn what_is_not_known_is_named() {
    let world = World::new();
    let text = format!("client_id=app\nclient_sceret={SECRET}\npasword={SECRET}\nissuer=https://x\n");
    let output = world.init("init", &text);
    assert_fails(
        &output,
        3,
        &["not known: client_sceret, pasword", "there are access_token, client_id"],
    );
    assert!(!output.stderr().contains(SECRET), "{}", output.stderr());
    let output = world.init(
        "init",
        &serde_json::json!({ "client_id": "a", SECRET: 1, "token": SECRET }).to_string(),
    );
    assert_fails(&output, 3, &["token"]);
    assert_fails(
        &world.init("init", "client_id=a\nclient_id=b"),
        3,
        &["client_id is there twice"],
    );
    let output = world.init("init", &format!("client_id=a\n{SECRET}\n"));
    assert_fails(&output, 3, &["stdin", "line 2 is not KEY=VALUE"]);
    assert!(!output.stderr().contains(SECRET), "{}", output.stderr());
    assert_fails(&world.run("profile list"), 0, &[]);
}

#[test]
fn what_is_missing_is_named() {
    let world = World::new();
    assert_fails(
        &world.run("init"),
        3,
        &["client_id is missing", "TOKENKEEP_CLIENT_ID", "--client-id"],
    );
    assert_fails(&world.init("init", "client_id=a"), 3, &["issuer is missing"]);
    let issuer = world.server.issuer();
    let output = world.init("init", &format!("client_id=desktop\nrefresh_token=r\nissuer={issuer}"));
    assert_fails(
        &output,
        3,
        &["token_endpoint is missing", "init asks no server", "login --flow token"],
    );
    let output = world.init("init --client-auth basic", &format!("client_id=app\nissuer={issuer}"));
    assert_fails(&output, 3, &["client_secret is missing"]);
    assert_fails(&world.run("init --from nowhere"), 3, &["file nowhere"]);
    assert_eq!(world.requests(), 0);
    assert_fails(&world.run("profile list"), 0, &[]);
}

#[test]
fn no_secret_from_the_command_line() {
    let world = World::new();
    for arguments in [
        "init --client-secret canary",
        "init --client-secret=canary",
        "init --refresh-token canary",
        "init --refresh-token=canary",
        "init client_secret=canary",
        "init canary",
        "init --passphrase=canary",
        "init --from {\"client_secret\":\"canary\"}",
    ] {
        let output = world.run(arguments);
        assert_code(&output, 2);
        assert!(!output.stderr().contains("canary"), "{arguments}: {}", output.stderr());
    }
    assert_fails(
        &world.run("init --from - --client-secret-stdin"),
        2,
        &["both want stdin"],
    );
}

#[test]
fn what_is_there_is_replaced_by_force_only() {
    let world = World::new();
    let login = world.log_in_person("default");
    let text = format!(
        "client_id=app\nclient_secret={SECRET}\ntoken_endpoint={}\n",
        world.server.token_endpoint()
    );
    let output = world.init("init", &text);
    assert_fails(
        &output,
        3,
        &["profile default is there already", "client desktop at", "--force"],
    );
    assert_eq!(world.run("token").stdout().trim(), login.access_token);

    let output = world.init("init --force", &text);
    assert_code(&output, 0);
    assert!(output.stderr().contains("is forgotten here"), "{}", output.stderr());
    assert_fails(&world.run("token"), 4, &[]);
    assert_code(&world.run("login --flow client-credentials"), 0);
    // The same client, with another secret: the login stays.
    let token = world.run("token").stdout();
    assert_code(&world.init("init --force", &text.replace(SECRET, "other")), 0);
    assert_eq!(world.run("token").stdout(), token);
    assert_fails(&world.run("token --force"), 5, &["invalid_client"]);
}

/// What pancloud's users have in `cred-init.json`.
#[test]
fn the_credentials_of_a_pancloud_user() {
    let world = World::new();
    let login = world.server.log_in("app", "read");
    let credentials = serde_json::json!({
        "client_id": "app",
        "client_secret": SECRET,
        "refresh_token": login.refresh_token,
    });
    let file = world.home().join("cred-init.json");
    std::fs::write(&file, credentials.to_string()).unwrap();
    let init = format!("-p work init --provider pancloud --from {}", file.display());
    let usual = world.run(&init);
    assert_code(&usual, 0);
    let shown = parsed(&world.run("-p work profile show --json"));
    let endpoint = "https://api.paloaltonetworks.com/api/oauth2/RequestToken";
    assert_eq!(shown["client"]["token_endpoint"], endpoint);
    assert_eq!(shown["client"]["provider"], "pancloud");
    let here = format!("{init} --force --token-endpoint {}", world.server.token_endpoint());
    assert_code(&world.run(&here), 0);
    assert_eq!(world.requests(), 0);
    assert_code(&world.run("-p work token"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}

#[cfg(target_os = "linux")]
#[test]
fn a_person_is_asked_and_secrets_are_not_seen() {
    let world = World::new();
    let login = world.server.log_in("desktop", "read");
    let answers = format!(
        "desktop\n{}\n\n{}\n",
        world.server.token_endpoint(),
        login.refresh_token
    );
    let seen = world.at_terminal("init", &[], &answers).end();
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    let said = seen.text;
    for words in [
        "Client id: ",
        "Token endpoint",
        "Client secret",
        "Refresh token",
        "is set up",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_code(&world.run("token"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}

/// What pancloud's generator asks for: client id, client secret, refresh token; the profile is `-p`'s.
#[cfg(target_os = "linux")]
#[test]
fn a_pancloud_user_is_asked_for_three_things() {
    let world = World::new();
    let login = world.server.log_in("app", "read");
    let answers = format!("app\n{SECRET}\n{}\n", login.refresh_token);
    let options = format!("--provider pancloud --token-endpoint {}", world.server.token_endpoint());
    let command = format!("-p work init {options}");
    let seen = world.at_terminal(&command, &[], &answers).end();
    assert_eq!(seen.code, Some(0), "{}", seen.text);
    for words in ["Client id: ", "Client secret", "Refresh token"] {
        assert!(seen.text.contains(words), "{words}: {}", seen.text);
    }
    assert!(!seen.text.contains("Issuer") && !seen.text.contains("Access token"));
    assert_code(&world.run("-p work token"), 0);
    assert_eq!(world.server.counters().refreshes_granted, 1);
}
