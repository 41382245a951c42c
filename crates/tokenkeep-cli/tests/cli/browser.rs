//! `login --flow code`: a browser that comes back to the command.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::support::{LIMIT, PasteLogin, World, assert_code, assert_fails, get, visit};

/// A login that waits for a browser, which the test plays.
fn begin(world: &World, arguments: &str) -> PasteLogin {
    let issuer = world.server.issuer();
    let login = format!("login --flow code --no-browser --issuer {issuer} --client-id desktop {arguments}");
    PasteLogin::begin_as(world, &login)
}

/// Goes back to the command, and to the page it leads to.
fn come_back(login: &PasteLogin) -> String {
    let answer = login.visit();
    let page = visit(&answer);
    assert!(!page.contains("code="), "{page}");
    let origin = &answer[..answer.find("/callback").unwrap()];
    get(&format!("{origin}{page}"))
}

#[test]
fn the_browser_comes_back() {
    let world = World::new();
    let login = begin(&world, "--scope read");
    let page = come_back(&login);
    assert!(
        page.contains("You are logged in") && page.contains("Profile: default"),
        "{page}"
    );
    let ended = login.end();
    assert_eq!((ended.code, &*ended.stdout), (Some(0), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("logged in: profile default"), "{}", ended.stderr);
    assert!(world.server.is_live(world.run("token").stdout().trim()));
}

#[test]
fn a_paste_may_be_quicker() {
    let world = World::new();
    let login = begin(&world, "-q");
    let answer = login.visit();
    let ended = login.paste(&answer);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_code(&world.run("token"), 0);
}

#[test]
fn strangers_and_their_answers_change_nothing() {
    let world = World::new();
    let (login, other) = (begin(&world, ""), begin(&world, "-p other"));
    let foreign = other.visit();
    let (query, mine) = (foreign.split_once('?').unwrap().1, login.visit());
    let back = mine.split_once('?').unwrap().0;
    assert!(get(&format!("{back}?{query}")).starts_with("HTTP/1.1 400 "));
    assert!(get(&format!("{back}/elsewhere")).starts_with("HTTP/1.1 404 "));
    assert_eq!(world.server.counters().token_requests, 0);
    // Both go on, and each gets its own.
    for login in [login, other] {
        assert!(come_back(&login).contains("You are logged in"));
        assert_eq!(login.end().code, Some(0));
    }
    let tokens = [world.run("token").stdout(), world.run("-p other token").stdout()];
    assert!(tokens.iter().all(|token| world.server.is_live(token.trim())));
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn a_person_who_says_no() {
    let world = World::new();
    world.server.deny_next_authorization("access_denied");
    let login = begin(&world, "");
    assert!(come_back(&login).contains("The login failed"));
    let ended = login.end();
    assert_eq!((ended.code, &*ended.stdout), (Some(5), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("(access_denied)") && ended.stderr.contains("hint: begin again"));
    assert_fails(&world.run("token"), 3, &["no profile default"]);
}

#[test]
fn a_refused_code_is_no_success() {
    let world = World::new();
    let login = begin(&world, "");
    let answer = login.visit();
    let spoiled = answer.replacen("code=", "code=x", 1);
    let page = visit(&spoiled);
    assert_eq!(page, "/failed");
    let origin = &answer[..answer.find("/callback").unwrap()];
    assert!(get(&format!("{origin}{page}")).contains("invalid_grant"));
    assert_eq!(login.end().code, Some(5));
}

#[test]
fn nobody_comes() {
    let world = World::new();
    let ended = begin(&world, "--timeout 1s").end();
    assert_eq!((ended.code, &*ended.stdout), (Some(4), ""), "{}", ended.stderr);
    for words in ["nobody logged in within 1 s", "--timeout", "--flow paste"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
}

#[test]
fn ports_that_are_taken() {
    let world = World::new();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap();
    let login = format!(
        "login --flow code --issuer {} --client-id desktop",
        world.server.issuer()
    );
    let words = [
        &*taken.to_string(),
        "address in use",
        "hint: another program has the port",
    ];
    assert_fails(&world.run(&format!("{login} --listen {taken}")), 1, &words);
    let pinned = format!("{login} --redirect-uri http://{taken}/callback");
    assert_fails(&world.run(&pinned), 1, &words);
    let login = begin(&world, &format!("--listen {taken} --listen [::1]:0"));
    assert!(login.visit().starts_with("http://[::1]:"));
    come_back(&login);
    assert_eq!(login.end().code, Some(0));
}

#[test]
fn where_nobody_may_listen() {
    let world = World::new();
    let login = format!(
        "login --flow code --issuer {} --client-id desktop",
        world.server.issuer()
    );
    assert_fails(
        &world.run(&format!("{login} --listen 0.0.0.0:0")),
        2,
        &["on this machine only"],
    );
    for uri in ["https://app.example/callback", "http://localhost/callback", "nonsense"] {
        let output = world.run(&format!("{login} --redirect-uri {uri}"));
        assert_fails(&output, 3, &["redirect_uri", "--flow paste"]);
    }
}

#[test]
fn a_browser_that_can_not_start_is_said_and_done_without() {
    let world = World::new();
    let login = format!(
        "login --flow code --browser no-such-browser --issuer {} --client-id desktop",
        world.server.issuer()
    );
    let mut login = PasteLogin::begin_as(&world, &login);
    login.hear("no-such-browser can't be started");
    come_back(&login);
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_real_browser() {
    let world = World::new();
    let shown = world.home().join("shown.html");
    let script = world.home().join("browser.sh");
    // Its own files are too many for memory.
    let profile = tempfile::tempdir().unwrap();
    // Written when the browser has ended: it uses the folder.
    let text = format!(
        "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
         --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir={profile} \
         --dump-dom \"$1\" > {shown}.part 2> /dev/null\nmv {shown}.part {shown}\n",
        profile = profile.path().display(),
        shown = shown.display(),
    );
    std::fs::write(&script, text).unwrap();
    let login = format!(
        "login --flow code --issuer {} --client-id desktop --timeout 100s",
        world.server.issuer()
    );
    let browser = format!("sh {}", script.display());
    let output = super::support::end(world.command(&login).env("BROWSER", browser));
    let started = Instant::now();
    while !shown.exists() && started.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    let help = "is Chromium there, as the program `chromium`? On Debian: apt-get install chromium";
    assert_eq!(output.code(), Some(0), "{help}\n{}", output.stderr());
    let page = std::fs::read_to_string(&shown).unwrap();
    assert!(page.contains("<h1>You are logged in</h1>"), "{page}");
    assert!(world.server.is_live(world.run("token").stdout().trim()));
}
