//! A browser with a cookie jar, and the load balancer that sends each of its requests where
//! the story wants it.

use reqwest::StatusCode;
use reqwest::redirect::Policy;

use crate::{Outcome, Replica, application};

/// A person's browser. Cookies don't know ports: the replicas have them in common, as behind one name.
#[derive(Clone)]
pub(crate) struct Browser {
    http: reqwest::Client,
    person: &'static str,
}

impl Browser {
    pub(crate) fn of(person: &'static str) -> Outcome<Self> {
        let http = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .build()?;
        Ok(Self { http, person })
    }

    /// Begins a login and says who one is at the authorization server; gives the query that it
    /// sends back with.
    pub(crate) async fn begin_login(&self, replica: &Replica) -> Outcome<String> {
        let begun = self.http.get(replica.url("/login")).send().await?;
        let cookie = begun.headers().get("set-cookie").ok_or("no cookie")?.to_str()?;
        if !(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax")) {
            return Err("the cookie is open to scripts or to other sites".into());
        }
        let authorization = format!("{}&login_hint={}", location(&begun)?, self.person);
        let back = location(&self.http.get(authorization).send().await?)?;
        let query = back
            .strip_prefix(application::CALLBACK)
            .and_then(|rest| rest.strip_prefix('?'));
        Ok(query.ok_or("sent back to another place")?.to_owned())
    }

    pub(crate) async fn come_back(&self, replica: &Replica, query: &str) -> Outcome<(StatusCode, String)> {
        self.get(replica, &format!("/callback?{query}")).await
    }

    /// Whom the API takes this browser for.
    pub(crate) async fn subject(&self, replica: &Replica) -> Outcome<String> {
        let (status, text) = self.get(replica, "/api").await?;
        let subject = text
            .split("\"subject\":\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        match subject {
            Some(subject) if status.is_success() => Ok(subject.to_owned()),
            _ => Err(format!("the application answers {status}: {text}").into()),
        }
    }

    /// A request that must be refused; what the application says.
    pub(crate) async fn refused(&self, replica: &Replica, query: &str) -> Outcome<String> {
        match self.come_back(replica, query).await? {
            (StatusCode::FORBIDDEN, text) => Ok(text),
            (status, text) => Err(format!("not refused, but {status}: {text}").into()),
        }
    }

    async fn get(&self, replica: &Replica, path: &str) -> Outcome<(StatusCode, String)> {
        let answer = self.http.get(replica.url(path)).send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

fn location(answer: &reqwest::Response) -> Outcome<String> {
    let location = answer.headers().get("location").ok_or("no redirect")?;
    Ok(location.to_str()?.to_owned())
}
