//! Where settings come from.

use super::support::{SECRET, World, assert_code, assert_fails, end, json};

#[test]
fn a_file_with_comments() {
    let world = World::new();
    let issuer = world.server.issuer();
    let file = world.home().join("secret");
    std::fs::write(&file, SECRET).unwrap();
    world.write_config(&format!(
        "# ours\n[profiles.ci] # the build\nflow = \"client-credentials\"\nissuer = \"{issuer}\"\nclient_id = \"app\"\n\
         client_secret_file = \"{}\"\nscope = [\"b\", \"a\"]\n",
        file.display()
    ));
    assert_code(&world.run("-p ci login"), 0);
    assert_eq!(
        json(&world.run("-p ci token -o json"))["scopes"],
        serde_json::json!(["a", "b"])
    );
    assert!(!std::fs::read_to_string(world.store_file()).unwrap().contains(SECRET));
    std::fs::write(&file, "changed").unwrap();
    assert_fails(&world.run("-p ci token --force"), 5, &["invalid_client"]);
}

#[test]
fn unknown_keys_and_secrets_are_refused() {
    let world = World::new();
    world.write_config("[profiles.a]\nflow = 'paste'\nclient_sekret = 'canary'\n");
    assert_fails(&world.run("status"), 3, &["config.toml, line 3", "`client_sekret`"]);
    for key in ["client_secret", "refresh_token", "access_token"] {
        world.write_config(&format!("[profiles.a]\n{key} = 'canary'\n"));
        let output = world.run("status");
        assert_fails(
            &output,
            3,
            &["line 2", "secrets don't belong in this file", "client_secret_file"],
        );
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
    }
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let world = World::new();
    assert_code(&world.run("status"), 0);
    assert_fails(
        &world.run("--config /nonexistent.toml status"),
        3,
        &["/nonexistent.toml can't be read"],
    );
    let named = world.command("status").env("TOKENKEEP_CONFIG", "/nonexistent.toml");
    assert_fails(&end(named), 3, &["/nonexistent.toml can't be read"]);
}

#[test]
fn flags_then_environment_then_file() {
    let world = World::new();
    world.write_config("[profiles.default]\nscope = 'file'\nclient_id = 'nobody'\n");
    let issuer = world.server.issuer();
    let scopes = |flags: &str, variable: Option<&str>| {
        let login = format!("login --flow client-credentials --client-secret-stdin --force {flags}");
        let mut command = world
            .command(&login)
            .stdin(SECRET)
            .env("TOKENKEEP_ISSUER", &issuer)
            .env("TOKENKEEP_CLIENT_ID", "app");
        if let Some(scope) = variable {
            command = command.env("TOKENKEEP_SCOPE", scope);
        }
        assert_code(&end(command), 0);
        json(&world.run("token -o json"))["scopes"].clone()
    };
    assert_eq!(scopes("", None), serde_json::json!(["file"]));
    assert_eq!(scopes("", Some("env")), serde_json::json!(["env"]));
    assert_eq!(scopes("--scope flag", Some("env")), serde_json::json!(["flag"]));
}

#[test]
fn profile_store_and_secret_from_the_environment() {
    let world = World::new();
    let issuer = world.server.issuer();
    let store = format!("json:{}/private/t.json", world.home().display());
    let run = |arguments: &str| {
        end(world
            .command(arguments)
            .env("TOKENKEEP_STORE", &store)
            .env("TOKENKEEP_PROFILE", "from-env")
            .env("TOKENKEEP_CLIENT_SECRET", SECRET))
    };
    let login = run(&format!(
        "login --flow client-credentials --issuer {issuer} --client-id app"
    ));
    assert_code(&login, 0);
    let status = json(&run("status --json"));
    assert_eq!(status["store"], store);
    assert_eq!(status["profiles"][0]["profile"], "from-env");
    assert_fails(&run("-p other token"), 3, &["no profile other", "it has from-env"]);
    assert!(!world.store_file().exists());
    // The login kept the secret, so it need not be there any more.
    let later = world
        .command("-p from-env token --force")
        .env("TOKENKEEP_STORE", &store);
    assert_code(&end(later), 0);
}

#[test]
fn the_store_of_a_profile() {
    let world = World::new();
    let home = world.home().display().to_string();
    world.write_config(&format!(
        "store = 'json:{home}/one/t.json'\n[profiles.special]\nstore = 'json:{home}/two/t.json'\n"
    ));
    world.log_in_service("default");
    world.log_in_service("special");
    assert_eq!(json(&world.run("status --json"))["profiles"][0]["profile"], "default");
    assert_eq!(
        json(&world.run("-p special status --json"))["profiles"][0]["profile"],
        "special"
    );
    world.write_config("store = 'redis://u:canary@host'\n");
    let output = world.run("status");
    assert_fails(
        &output,
        3,
        &["the store URL in the configuration file", "TOKENKEEP_STORE"],
    );
    assert!(!output.stderr().contains("canary"));
}

#[test]
fn the_log_from_the_environment() {
    let world = World::new();
    world.log_in_service("default");
    let logged = |value: &str| end(world.command("token --force").env("TOKENKEEP_LOG", value));
    let output = logged("tokenkeep=debug");
    assert_code(&output, 0);
    assert!(output.stderr().contains("token event"), "{}", output.stderr());
    assert_eq!(logged("error").stderr(), "");
    assert_fails(
        &logged("tokenkeep=loud"),
        3,
        &["TOKENKEEP_LOG can't be read", "TOKENKEEP_LOG=tokenkeep=debug"],
    );
}

#[test]
fn providers_by_name() {
    let world = World::new();
    let login = "login --flow client-credentials --client-id app --client-secret-stdin";
    let run = |rest: &str| world.run_with(&format!("{login} {rest}"), SECRET);
    assert_fails(
        &run("--provider auth0"),
        3,
        &["domain is missing", "--domain", "TOKENKEEP_DOMAIN"],
    );
    assert_fails(
        &run("--provider other"),
        3,
        &["provider can't be used", "generic, auth0, foundry, globus, pancloud"],
    );
    assert_fails(&run("--domain x.example"), 3, &["domain can't be used", "auth0"]);
    assert_fails(&run("--provider foundry"), 3, &["domain is missing", "--domain"]);
    assert_fails(
        &run("--provider foundry --domain http://x.example"),
        3,
        &["domain can't be used", "https"],
    );
    assert_fails(
        &run("--provider globus --domain x.example"),
        3,
        &["domain can't be used", "foundry"],
    );
    // Its endpoints are known: the token endpoint is asked, nothing is discovered.
    let domain = world.server.issuer();
    assert_fails(&run(&format!("--provider auth0 --domain {domain}")), 5, &["status 404"]);
    assert_eq!(world.server.counters().discovery_requests, 0);
}

#[test]
fn what_is_said_of_the_server_is_kept() {
    let world = World::with(|server| server.expires_in(store_testkit::server::ExpiresIn::Omitted));
    let issuer = world.server.issuer();
    let login = format!(
        "login --flow client-credentials --issuer {issuer} --client-id app --client-secret-stdin --default-lifetime 300 \
         --rotation grace:20"
    );
    assert_code(&world.run_with(&login, SECRET), 0);
    for _ in 0..2 {
        let left = json(&world.run("token --force -o json"))["expires_in_s"]
            .as_u64()
            .unwrap();
        assert!((240..=300).contains(&left), "{left}");
    }
    for (wrong, words) in [
        ("--rotation sometimes", "grace:SECONDS"),
        ("--client-auth magic", "basic-raw"),
    ] {
        assert_fails(
            &world.run_with(
                &format!("{login} {wrong}").replace("--rotation grace:20 --rot", "--rot"),
                SECRET,
            ),
            3,
            &[words],
        );
    }
}
