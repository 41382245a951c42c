//! The clients whose files we read and write, as their users install them: what they write we read, what we write
//! they read. Their Python is `TOKENKEEP_TEST_PACKAGES_PYTHON`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use store_testkit::process::{Output, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::Packages;
use tokenkeep::import::{self, Format};
use tokenkeep::key::Key;
use tokenkeep::record::{ClientRecord, GrantRecord, TokenRecord};
use tokenkeep::store::TokenStoreExt as _;
use tokenkeep::{Profile, Secret, Target};

use crate::command::{Home, finish};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/packages");
/// In 2100.
const LATE: i64 = 4_102_444_800;

/// One of those clients in a home, by a script of ours.
fn script(home: &Home, name: &str, arguments: &[&str], stdin: &Value) -> Output {
    let packages = Packages::shared().unwrap();
    let command = ProcessBuilder::new(packages.python())
        .env("HOME", home.folder())
        .arg(Path::new(SCRIPTS).join(name))
        .args(arguments);
    finish(command.stdin(stdin.to_string()))
}

fn run(home: &Home, name: &str, arguments: &[&str], stdin: &Value) -> String {
    let output = script(home, name, arguments, stdin);
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    output.stdout()
}

fn read(home: &Home, name: &str, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(home, name, arguments, &Value::Null)).unwrap()
}

/// What the store holds under a name.
async fn kept(home: &Home, profile: &str) -> (ClientRecord, Option<GrantRecord>) {
    let (store, profile) = (
        tokenkeep::store::open(home.url()).await.unwrap(),
        Profile::new(profile).unwrap(),
    );
    let client = store.load_contents(&Key::client(&profile)).await.unwrap();
    let grant = store.load_contents(&Key::grant(&profile)).await.unwrap();
    let grant = grant.and_then(|(_, contents)| contents.into_grant());
    (client.and_then(|(_, contents)| contents.into_client()).unwrap(), grant)
}

async fn kept_token(home: &Home, profile: &str, server: &str) -> TokenRecord {
    let store = tokenkeep::store::open(home.url()).await.unwrap();
    let target = Target::new().resource_server(server);
    let key = Key::token(&Profile::new(profile).unwrap(), target.id());
    let (_, contents) = store.load_contents(&key).await.unwrap().unwrap();
    contents.into_token().unwrap()
}

fn server() -> AuthorizationServer {
    let builder = AuthorizationServer::builder().client(Client::confidential("app", "s%cret"));
    builder.client(Client::public("desktop")).start().unwrap()
}

fn file(home: &Home, name: &str) -> (PathBuf, String) {
    let path = home.folder().join(name);
    let text = path.display().to_string();
    (path, text)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn pancloud_writes_and_we_read_and_pancloud_reads_again() {
    let (home, server) = (Home::new(), server());
    let login = server.log_in("app", "read");
    let (path, name) = file(&home, "credentials.json");
    let written = json!([
        {"profile": "default", "client_id": "first", "client_secret": "canary-1", "refresh_token": "canary-2"},
        {"profile": "work", "client_id": "app", "client_secret": "s%cret", "refresh_token": login.refresh_token},
        {"profile": "köln", "access_token": "opaque-token"},
    ]);
    run(&home, "pancloud_files.py", &["write", &name], &written);
    assert_eq!(Format::detect(&std::fs::read(&path).unwrap()), Some(Format::Pancloud));
    assert_eq!(mode(&path), 0o644, "that is how pancloud leaves it");
    let endpoint = server.token_endpoint();
    let import = [
        "profile",
        "import",
        "--from",
        "pancloud",
        "--token-endpoint",
        &endpoint,
        &name,
    ];
    let output = home.run(&import);
    let readers = "can be read by other users (mode 0644)";
    assert!(output.stderr().contains(readers), "{}", output.stderr());
    assert_eq!(mode(&home.store()), 0o600);

    let (client, grant) = kept(&home, "default").await;
    assert_eq!(
        (client.client_id.as_str(), client.client_secret),
        ("first", Some(Secret::new("canary-1")))
    );
    assert_eq!(grant.unwrap().refresh_token, Some(Secret::new("canary-2")));
    assert_eq!(home.print(&["-p", "k%C3%B6ln", "token"]), "opaque-token");
    let token = home.print(&["-p", "work", "token"]);
    assert_eq!(server.counters().refreshes_granted, 1);

    let (back, back_name) = file(&home, "back.json");
    home.print(&[
        "profile", "export", "--all", "--move", "--format", "pancloud", "--output", &back_name,
    ]);
    assert_eq!(mode(&back), 0o600);
    let read = read(
        &home,
        "pancloud_files.py",
        &["read", &back_name, "default", "köln", "work"],
    );
    assert_eq!(read["default"]["refresh_token"], "canary-2");
    assert_eq!(
        read["köln"],
        json!({"access_token": "opaque-token", "client_id": null, "client_secret": null,
                                    "refresh_token": null})
    );
    assert_eq!(
        (&read["work"]["access_token"], &read["work"]["client_secret"]),
        (&json!(token), &json!("s%cret"))
    );
    assert_ne!(read["work"]["refresh_token"], login.refresh_token.as_str());
    assert_eq!(home.run(&["-p", "work", "token"]).code(), Some(4), "the login has left");

    assert_as_pancloud_writes_it(&home, &back, &read);
}

/// The same, written by pancloud: not a byte is different.
fn assert_as_pancloud_writes_it(home: &Home, ours: &Path, read: &Value) {
    let (theirs, name) = file(home, "theirs.json");
    let mut again = Vec::new();
    for profile in ["default", "köln", "work"] {
        let mut entry = read[profile].clone();
        entry["profile"] = json!(profile);
        again.push(entry);
    }
    run(home, "pancloud_files.py", &["write", &name], &json!(again));
    assert_eq!(
        std::fs::read_to_string(theirs).unwrap(),
        std::fs::read_to_string(ours).unwrap()
    );
}

#[test]
fn pancloud_and_we_use_one_file_in_turn() {
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    let path = folder.path().join("credentials.json");
    let name = path.display().to_string();
    let home = Home::with_store(|_| format!("json:{name}?compat=pancloud"));
    let entry = |refresh_token: &str| json!([{"profile": "work", "client_id": "app", "client_secret": "s%cret", "refresh_token": refresh_token}]);
    let theirs = |refresh_token: &str| run(&home, "pancloud_files.py", &["write", &name], &entry(refresh_token));
    theirs(&server.log_in("app", "read").refresh_token);
    assert_eq!(home.print(&["profile", "list"]), "work  renewable");
    let shown = home.print(&["profile", "show", "work", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        shown["client"]["token_endpoint"],
        "https://api.paloaltonetworks.com/api/oauth2/RequestToken"
    );

    // Nothing of this goes to pancloud's own server.
    let login = server.log_in("app", "read");
    let (_, credentials) = file(&home, "init.json");
    std::fs::write(
        &credentials,
        entry(&login.refresh_token)[0]
            .to_string()
            .replace("\"profile\":\"work\",", ""),
    )
    .unwrap();
    let endpoint = server.token_endpoint();
    home.print(&[
        "-p",
        "work",
        "init",
        "--force",
        "--provider",
        "pancloud",
        "--token-endpoint",
        &endpoint,
        "--from",
        &credentials,
    ]);
    for turn in 1..4 {
        let token = home.print(&["-p", "work", "token", "--force"]);
        assert_eq!(server.counters().refreshes_granted, turn);
        let seen = read(&home, "pancloud_files.py", &["read", &name, "work"]);
        assert_eq!(
            (&seen["work"]["access_token"], &seen["work"]["client_id"]),
            (&json!(token), &json!("app"))
        );
        assert_ne!(seen["work"]["refresh_token"], login.refresh_token.as_str());
        // pancloud has logged in anew.
        theirs(&server.log_in("app", "read").refresh_token);
    }
    home.print(&["-p", "work", "token", "--force"]);
    let alone = json!([{"profile": "alone", "access_token": "opaque-token"}]);
    run(&home, "pancloud_files.py", &["write", &name], &alone);
    assert_eq!(home.print(&["-p", "alone", "token"]), "opaque-token");
    assert_eq!(mode(&path), 0o600);
    let sealed = home.run(&["--seal", "key-env:X", "-p", "work", "token"]);
    assert_eq!(sealed.code(), Some(3));
    assert!(sealed.stderr().contains("can't be sealed"), "{}", sealed.stderr());
}

#[tokio::test]
async fn palantir_writes_and_we_read_and_palantir_refreshes_with_it() {
    let (home, server) = (Home::new(), server());
    let (public, confidential) = (server.log_in("desktop", "read"), self::server());
    let other = confidential.log_in("app", "read");
    let written = json!([
        {"token_uri": server.token_endpoint(), "client_id": "desktop", "scopes": ["read"],
         "refresh_token": public.refresh_token},
        {"token_uri": confidential.token_endpoint(), "client_id": "app", "client_secret": "s%%cret", "scopes": [],
         "refresh_token": other.refresh_token},
    ]);
    run(&home, "foundry_files.py", &["write"], &written);
    let path = home.folder().join(".foundry/oauth");
    let output = home.run(&["profile", "import", "--from", "foundry"]);
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert!(
        output.stderr().contains(".foundry/oauth can be read by other users"),
        "{}",
        output.stderr()
    );

    let hosts = [&server, &confidential].map(|server| server.issuer().replace("http://", ""));
    let [host, other_host] = [&hosts[0], &hosts[1]];
    let (client, grant) = kept(&home, host).await;
    assert_eq!((client.client_id.as_str(), client.client_secret), ("desktop", None));
    let grant = grant.unwrap();
    assert_eq!(grant.recipe.target, Target::new().scope("read"));
    assert_eq!(grant.refresh_token, Some(Secret::new(public.refresh_token.clone())));
    let (client, grant) = kept(&home, other_host).await;
    assert_eq!(client.client_secret, Some(Secret::new("s%cret")));
    assert!(grant.unwrap().recipe.target.is_default(), "empty scopes are none");
    for host in [host, other_host] {
        assert_ne!(home.print(&["-p", host, "token"]), "");
    }
    assert_eq!(server.counters().refreshes_granted, 1);

    std::fs::remove_file(&path).unwrap();
    let target = path.display().to_string();
    home.print(&[
        "profile", "export", host, other_host, "--move", "--format", "foundry", "--output", &target,
    ]);
    assert_eq!(mode(&path), 0o600);
    let read_again = read(&home, "foundry_files.py", &["read", host]);
    assert_eq!(
        (&read_again["client_id"], &read_again["scopes"]),
        (&json!("desktop"), &json!(["read"]))
    );
    assert!(
        read_again["token"].is_string(),
        "palantir-oauth-client has refreshed: {read_again}"
    );
    assert_eq!(server.counters().refreshes_granted, 2);
    let other_again = read(&home, "foundry_files.py", &["read", other_host]);
    assert_eq!(other_again["client_secret"], "s%cret");
    assert!(other_again["token"].is_string(), "{other_again}");
}

/// Nothing is sent: no server of ours gives out percent signs.
#[test]
fn palantir_reads_a_percent_sign_in_a_token_that_it_could_not_write() {
    let home = Home::new();
    let entry =
        json!([{"token_uri": "http://127.0.0.1:9/t", "client_id": "c", "scopes": ["a"], "refresh_token": "r%1"}]);
    let theirs = script(&home, "foundry_files.py", &["write"], &entry);
    assert!(
        theirs.stderr().contains("invalid interpolation syntax"),
        "{}",
        theirs.stderr()
    );
    let _ = std::fs::remove_dir_all(home.folder().join(".foundry"));

    let (credentials, name) = file(&home, "credentials.json");
    let text = json!({"client_id": "c", "refresh_token": "r%1%%(x)s", "token_endpoint": "https://h.example/t",
                      "provider": "foundry", "domain": "h.example", "scope": ["a"]});
    std::fs::write(credentials, text.to_string()).unwrap();
    home.print(&["-p", "percent", "init", "--client-auth", "none", "--from", &name]);
    std::fs::create_dir(home.folder().join(".foundry")).unwrap();
    let target = home.folder().join(".foundry/oauth").display().to_string();
    home.print(&[
        "-p", "percent", "profile", "export", "--move", "--format", "foundry", "--output", &target,
    ]);
    let options = read(&home, "foundry_files.py", &["options", "h.example"]);
    assert_eq!(options["refresh_token"], "r%1%%(x)s");
}

#[tokio::test]
async fn globus_writes_in_four_ways_and_we_read_and_globus_reads_again() {
    let data = |server: &str, refresh_token: Option<&str>| {
        json!({"resource_server": server, "identity_id": null, "scope": format!("{server}:all"),
               "access_token": format!("canary-{server}"), "refresh_token": refresh_token,
               "expires_at_seconds": LATE, "token_type": "Bearer"})
    };
    let servers = json!({"auth.globus.org": data("auth.globus.org", Some("canary-refresh")),
                         "groups": data("groups", None), "transfer": data("transfer", None)});
    let mut read_by_us = Vec::new();
    for kind in ["json", "sqlite", "old", "old-sqlite"] {
        let home = Home::new();
        let (path, name) = file(&home, kind);
        run(&home, "globus_files.py", &[kind, &name], &json!({"DEFAULT": servers}));
        let import = ["profile", "import", "--from", "globus", &name];
        let refused = home.run(&import);
        assert_eq!(refused.code(), Some(1));
        assert!(
            refused.stderr().contains("client_id is missing"),
            "{}",
            refused.stderr()
        );
        assert_eq!(home.print(&["profile", "list"]), "", "nothing was written");
        home.print(&[&import[..], &["--client-id", "native-app"]].concat());

        assert_globus_is_kept(&home).await;
        assert_globus_reads_it_again(&home, &servers, kind);
        let (format, entries) = import::read_file(None, &path).unwrap();
        assert_eq!(format, Format::Globus);
        read_by_us.push(
            entries
                .into_iter()
                .map(|entry| entry.found.unwrap())
                .collect::<Vec<_>>(),
        );
    }
    assert!(read_by_us.windows(2).all(|pair| pair[0] == pair[1]));
}

async fn assert_globus_is_kept(home: &Home) {
    let (client, grant) = kept(home, "DEFAULT/auth.globus.org").await;
    assert_eq!(
        (client.client_id.as_str(), client.provider.name.as_str()),
        ("native-app", "globus")
    );
    let grant = grant.unwrap();
    assert_eq!(grant.refresh_token, Some(Secret::new("canary-refresh")));
    assert_eq!(grant.access.unwrap().scopes, ["auth.globus.org:all"]);
    assert_eq!(
        home.print(&["-p", "DEFAULT/auth.globus.org", "token"]),
        "canary-auth.globus.org"
    );
    for server in ["groups", "transfer"] {
        let printed = home.print(&["-p", "DEFAULT", "token", "--resource-server", server]);
        assert_eq!(printed, format!("canary-{server}"));
        let token = kept_token(home, "DEFAULT", server).await;
        assert_eq!(token.access.token, Secret::new(format!("canary-{server}")));
        assert_eq!(token.access.expires_at.unwrap().unix_seconds(), LATE);
    }
}

fn assert_globus_reads_it_again(home: &Home, servers: &Value, kind: &str) {
    let (_, back) = file(home, "back.json");
    home.print(&[
        "profile",
        "export",
        "--all",
        "--allow-duplicate",
        "--format",
        "globus",
        "--output",
        &back,
    ]);
    let mut again = read(home, "globus_files.py", &["read", &back, "DEFAULT"]);
    let mut expected = servers.clone();
    for data in [&mut again, &mut expected]
        .into_iter()
        .flat_map(|all| all.as_object_mut().unwrap().values_mut())
    {
        data.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    assert_eq!(again, expected, "{kind}");
}
