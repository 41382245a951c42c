//! Whether our clock and the authorization server's agree.

use std::time::{Duration, SystemTime};

use tokenkeep::http::HttpTransport;
use tokenkeep::transport::{HttpRequest, Transport as _};

use super::finding::{Finding, Verdict};
use crate::duration;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::settings::pick;

/// The server says whole seconds, and the answer takes its time.
const TOLERANCE: Duration = Duration::from_secs(10);

/// Asks the issuer of the profile for the time; nothing where there is no issuer.
pub(super) async fn run(session: &Session) -> Option<Finding> {
    let issuer = match issuer(session).await {
        Ok(issuer) => issuer?,
        Err(failure) => return Some(Finding::of_failure("profile", &failure)),
    };
    let date = match date(&issuer).await {
        Ok(date) => date,
        Err(failure) => return Some(Finding::of_failure("clock", &failure)),
    };
    Some(match date {
        Some(date) => compared(&issuer, date, SystemTime::now()),
        None => Finding::fine("clock", format!("{issuer} is reached; it does not say what time it is")),
    })
}

async fn issuer(session: &Session) -> Result<Option<String>> {
    if let Some(named) = pick(None, "issuer", session.settings.config.issuer.as_ref())? {
        return Ok(Some(named));
    }
    let stored = session.client_record().await?;
    Ok(stored
        .and_then(|client| client.provider.issuer)
        .map(|issuer| issuer.to_string()))
}

async fn date(issuer: &str) -> Result<Option<SystemTime>> {
    let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let mut request = HttpRequest::default();
    *request.uri_mut() = place
        .parse()
        .map_err(|error| Failure::caused(Exit::Configuration, "the issuer is no URL", error))?;
    let answer = HttpTransport::new().send(request).await.map_err(|error| {
        let failure = Failure::caused(Exit::Network, format!("{issuer} can't be reached"), error);
        failure.hint("check the network, the proxy settings and the issuer")
    })?;
    let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
    Ok(date.and_then(|text| httpdate::parse_http_date(text).ok()))
}

fn compared(issuer: &str, theirs: SystemTime, ours: SystemTime) -> Finding {
    let (apart, word) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    if apart <= TOLERANCE {
        return Finding::fine("clock", format!("agrees with that of {issuer}"));
    }
    let text = format!("ours is {} {word} that of {issuer}", duration::words(apart));
    let hint = "set the clock (NTP): times in tokens and in the store are wrong by that much";
    Finding::new("clock", Verdict::Warning, text).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_clock_is_ahead() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let text = |theirs| {
            compared("https://x", theirs, now).to_json()["text"]
                .as_str()
                .map(str::to_owned)
        };
        for (theirs, words) in [
            (now, "agrees"),
            (now + Duration::from_secs(9), "agrees"),
            (now - Duration::from_secs(60), "ours is 1m ahead of"),
            (now + Duration::from_secs(3600), "ours is 1h behind"),
        ] {
            assert!(text(theirs).is_some_and(|text| text.starts_with(words)), "{words}");
        }
    }
}
