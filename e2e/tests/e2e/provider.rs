//! The real authorization server that `cargo xtask test` starts, and its controls.

use reqwest::redirect::Policy;
use serde_json::{Value, json};

/// A client of its own at the server, for one test.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
}

impl Registered {
    pub(crate) async fn new(kind: &str) -> Self {
        let client = control("clients", &json!({ "kind": kind })).await;
        Self {
            id: client["client_id"].as_str().unwrap().to_owned(),
            secret: client["client_secret"].as_str().map(str::to_owned),
        }
    }

    pub(crate) async fn counters(&self) -> Value {
        let url = format!("{}/counters?client_id={}", control_url(), self.id);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// How many token requests of this grant type arrived.
    pub(crate) async fn requests(&self, grant_type: &str) -> u64 {
        self.counters().await["token_requests"][grant_type]
            .as_u64()
            .unwrap_or(0)
    }

    pub(crate) async fn expire_access_tokens(&self) {
        control("expire", &json!({ "client_id": self.id })).await;
    }

    pub(crate) async fn lifetime(&self, seconds: u64) {
        control("ttl", &json!({ "client_id": self.id, "seconds": seconds })).await;
    }

    pub(crate) async fn fault(&self, mut fault: Value) {
        fault["client_id"] = json!(self.id);
        control("faults", &fault).await;
    }
}

pub(crate) fn issuer() -> String {
    variable("TOKENKEEP_TEST_OIDC_URL")
}

/// Logs in as a person would, by plain HTTP, and gives the address that the
/// browser ends at.
pub(crate) async fn browse(url: &str) -> String {
    let browser = reqwest::Client::builder()
        .cookie_store(true)
        .redirect(Policy::none())
        .build()
        .unwrap();
    let mut place = url.to_owned();
    for _ in 0..20 {
        let answer = if let Some(uid) = interaction(&place) {
            let step = if uid.1 { "login" } else { "confirm" };
            let form = [("login", "ana")];
            browser
                .post(format!("{}/interaction/{}/{step}", issuer(), uid.0))
                .form(&form)
                .send()
                .await
                .unwrap()
        } else {
            browser.get(&place).send().await.unwrap()
        };
        let Some(location) = answer.headers().get("location") else {
            panic!(
                "no redirect at {place}: {} {}",
                answer.status(),
                answer.text().await.unwrap()
            );
        };
        let next = answer.url().join(location.to_str().unwrap()).unwrap();
        if next.port() == Some(9999) || next.path() == "/callback" {
            return next.into();
        }
        // The sign-in page comes first, the page for consent second.
        place = next.into();
        if place.contains("/interaction/") {
            let page = browser.get(&place).send().await.unwrap().text().await.unwrap();
            let suffix = if page.contains("/login") { "#login" } else { "#confirm" };
            place.push_str(suffix);
        }
    }
    panic!("the login does not end: {place}");
}

fn interaction(place: &str) -> Option<(&str, bool)> {
    let rest = place.split_once("/interaction/")?.1;
    let (uid, step) = rest.split_once('#')?;
    Some((uid, step == "login"))
}

async fn control(path: &str, body: &Value) -> Value {
    let answer = reqwest::Client::new()
        .post(format!("{}/{path}", control_url()))
        .json(body)
        .send()
        .await
        .unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
    answer.json().await.unwrap_or(Value::Null)
}

fn control_url() -> String {
    variable("TOKENKEEP_TEST_OIDC_CONTROL_URL")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test --only oidc`"))
}
