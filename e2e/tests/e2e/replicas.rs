//! A web application whose requests each meet another process: logins are begun on one
//! and finished on another, once.

use reqwest::redirect::Policy;
use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::server::{AuthorizationServer, Client};

use crate::command::{LIMIT, finish};

const REDIRECT: &str = "https://app.example/callback";
const SECRET: &str = "web-secret";

struct Application {
    server: AuthorizationServer,
    folder: tempfile::TempDir,
}

impl Application {
    fn new() -> Self {
        let client = Client::confidential("web", SECRET).redirect_uri(REDIRECT);
        Self {
            server: AuthorizationServer::builder().client(client).start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// A process that serves one request of the browser with this cookie.
    fn replica(&self, cookie: &str) -> ProcessBuilder {
        let store = format!("json:{}", self.folder.path().join("tokens.json").display());
        ProcessBuilder::new(env!("CARGO_BIN_EXE_replica"))
            .env("HOME", self.folder.path())
            .env("REPLICA_STORE", store)
            .env("REPLICA_TOKEN_ENDPOINT", self.server.token_endpoint())
            .env("REPLICA_AUTHORIZATION_ENDPOINT", self.server.authorization_endpoint())
            .env("REPLICA_CLIENT_SECRET", SECRET)
            .env("REPLICA_COOKIE", cookie)
    }

    /// Begins a login of this person; gives the query that the browser comes back with.
    async fn begin(&self, user: &str, cookie: &str) -> String {
        let begin = self.replica(cookie);
        let output = finish(begin.env("REPLICA_USER", user).env("REPLICA_REDIRECT_URI", REDIRECT));
        assert_eq!(output.code(), Some(0), "{}", output.stderr());
        let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        let url = format!("{}&login_hint={user}", output.stdout().trim());
        let answer = browser.get(url).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        location.strip_prefix(&format!("{REDIRECT}?")).unwrap().to_owned()
    }

    fn finishing(&self, query: &str, cookie: &str) -> ProcessBuilder {
        self.replica(cookie).env("REPLICA_QUERY", query)
    }

    /// What the replica says to a browser that has come back.
    fn finish(&self, query: &str, cookie: &str) -> String {
        let output = finish(self.finishing(query, cookie));
        assert_eq!(output.code(), Some(0), "{}", output.stderr());
        output.stdout().trim().to_owned()
    }

    fn codes_spent(&self) -> u64 {
        self.server.counters().requests_of("authorization_code")
    }
}

fn token_of<'a>(said: &'a str, user: &str) -> &'a str {
    let token = said.strip_prefix(&format!("finished {user} "));
    token.unwrap_or_else(|| panic!("not finished: {said}"))
}

#[tokio::test]
async fn begun_by_one_process_and_finished_by_another_once() {
    let application = Application::new();
    let query = application.begin("ana", "cookie-of-ana").await;
    let said = application.finish(&query, "cookie-of-ana");
    assert!(application.server.is_live(token_of(&said, "ana")));
    for cookie in ["cookie-of-ana", "cookie-of-ben"] {
        let again = application.finish(&query, cookie);
        assert!(again.starts_with("refused "), "{again}");
    }
    assert_eq!(application.codes_spent(), 1);
    assert!(
        application.server.is_live(token_of(&said, "ana")),
        "a replay costs nothing"
    );
}

#[tokio::test]
async fn another_browser_can_not_use_a_login_up() {
    let application = Application::new();
    let query = application.begin("ana", "cookie-of-ana").await;
    let forged = query.replacen("state=", "state=x", 1);
    for (query, cookie) in [(&query, "cookie-of-ben"), (&query, ""), (&forged, "cookie-of-ana")] {
        let said = application.finish(query, cookie);
        assert!(said.starts_with("refused "), "{said}");
    }
    assert_eq!(application.codes_spent(), 0);
    token_of(&application.finish(&query, "cookie-of-ana"), "ana");
}

#[tokio::test]
async fn of_many_processes_one_finishes_a_login() {
    let application = Application::new();
    let query = application.begin("ana", "cookie").await;
    let outputs = run_many(12, LIMIT, |_| application.finishing(&query, "cookie")).unwrap();
    let finished = outputs.iter().filter(|output| output.stdout().starts_with("finished "));
    assert_eq!((finished.count(), application.codes_spent()), (1, 1));
}

#[tokio::test]
async fn two_people_at_once_get_their_own_tokens() {
    let application = Application::new();
    let ana = application.begin("ana", "cookie-of-ana").await;
    let ben = application.begin("ben", "cookie-of-ben").await;
    let (said_to_ben, said_to_ana) = (
        application.finish(&ben, "cookie-of-ben"),
        application.finish(&ana, "cookie-of-ana"),
    );
    let tokens = [token_of(&said_to_ana, "ana"), token_of(&said_to_ben, "ben")];
    assert_ne!(tokens[0], tokens[1]);
    for (token, user) in tokens.into_iter().zip(["ana", "ben"]) {
        let answer = reqwest::Client::new()
            .get(application.server.api_url())
            .bearer_auth(token);
        let answer: serde_json::Value = answer.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["subject"], user, "{answer}");
    }
}
