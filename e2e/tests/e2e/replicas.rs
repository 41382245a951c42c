//! A web application whose requests each meet another process: logins are begun on one
//! and finished on another, once.

use reqwest::redirect::Policy;
use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::Redis;

use crate::command::{LIMIT, finish, patient};

const REDIRECT: &str = "https://app.example/callback";
const SECRET: &str = "web-secret";

struct Application {
    server: AuthorizationServer,
    folder: tempfile::TempDir,
    redis: Option<Redis>,
}

impl Application {
    /// Over a JSON file.
    fn new() -> Self {
        Self::over(None)
    }

    fn over_redis() -> Self {
        Self::over(Some(Redis::start().unwrap()))
    }

    fn over(redis: Option<Redis>) -> Self {
        let client = Client::confidential("web", SECRET).redirect_uri(REDIRECT);
        Self {
            server: AuthorizationServer::builder().client(client).start().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            redis,
        }
    }

    fn store(&self) -> String {
        match &self.redis {
            Some(redis) => patient(&redis.url()),
            None => format!("json:{}", self.folder.path().join("tokens.json").display()),
        }
    }

    /// A process that serves one request of the browser with this cookie.
    fn replica(&self, cookie: &str) -> ProcessBuilder {
        ProcessBuilder::new(env!("CARGO_BIN_EXE_replica"))
            .env("HOME", self.folder.path())
            .env("REPLICA_STORE", self.store())
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
    is_finished_by_another_once(Application::new()).await;
}

#[tokio::test]
async fn begun_by_one_process_and_finished_by_another_once_over_redis() {
    is_finished_by_another_once(Application::over_redis()).await;
}

async fn is_finished_by_another_once(application: Application) {
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
    is_not_used_up_by_another_browser(Application::new()).await;
}

#[tokio::test]
async fn another_browser_can_not_use_a_login_up_over_redis() {
    is_not_used_up_by_another_browser(Application::over_redis()).await;
}

async fn is_not_used_up_by_another_browser(application: Application) {
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
    is_finished_by_one_of_many(Application::new()).await;
}

#[tokio::test]
async fn of_many_processes_one_finishes_a_login_over_redis() {
    is_finished_by_one_of_many(Application::over_redis()).await;
}

async fn is_finished_by_one_of_many(application: Application) {
    let query = application.begin("ana", "cookie").await;
    let outputs = run_many(12, LIMIT, |_| application.finishing(&query, "cookie")).unwrap();
    let finished = outputs.iter().filter(|output| output.stdout().starts_with("finished "));
    assert_eq!((finished.count(), application.codes_spent()), (1, 1));
}

#[tokio::test]
async fn two_people_at_once_get_their_own_tokens() {
    gives_each_their_own_token(Application::new()).await;
}

#[tokio::test]
async fn two_people_at_once_get_their_own_tokens_over_redis() {
    gives_each_their_own_token(Application::over_redis()).await;
}

async fn gives_each_their_own_token(application: Application) {
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

#[tokio::test]
async fn a_denied_login_is_over_and_says_so() {
    is_over_when_denied(Application::new()).await;
}

#[tokio::test]
async fn a_denied_login_is_over_and_says_so_over_redis() {
    is_over_when_denied(Application::over_redis()).await;
}

async fn is_over_when_denied(application: Application) {
    application.server.deny_next_authorization("access_denied");
    let query = application.begin("ana", "cookie-of-ana").await;
    let said = application.finish(&query, "cookie-of-ana");
    assert!(said.starts_with("refused ") && said.contains("access_denied"), "{said}");
    let said = application.finish(&query, "cookie-of-ana");
    assert!(said.contains("no such login"), "{said}");
    assert_eq!(application.codes_spent(), 0);
    let query = application.begin("ana", "cookie-of-ana").await;
    token_of(&application.finish(&query, "cookie-of-ana"), "ana");
}

/// Redis forgets a login by itself.
#[tokio::test]
async fn redis_keeps_a_login_for_ten_minutes() {
    let application = Application::over_redis();
    application.begin("ana", "cookie-of-ana").await;
    let redis = application.redis.as_ref().unwrap();
    let key = redis.command(&["KEYS", "*"]).unwrap();
    let left: u64 = redis.command(&["TTL", key.trim()]).unwrap().parse().unwrap();
    assert!((500..=600).contains(&left), "{left}");
}
