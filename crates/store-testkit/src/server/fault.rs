//! Faults: what goes wrong with a request, when, and how often.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::answer::Answer;
use super::dialect::Dialect;
use super::tally::Tally;

/// The part of the server that a fault waits at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/token`
    Token,
    /// `/authorize`
    Authorization,
    /// `/revoke`
    Revocation,
    /// The two metadata documents.
    Discovery,
    /// `/api` and everything below.
    Api,
    /// The service that redeems developer tokens.
    DeveloperTokens,
}

impl Endpoint {
    pub(super) fn of(dialect: Dialect, path: &str) -> Option<Self> {
        let paths = dialect.paths();
        match path {
            _ if path == paths.token => Some(Self::Token),
            _ if path == paths.authorization => Some(Self::Authorization),
            _ if path == paths.revocation => Some(Self::Revocation),
            "/.well-known/openid-configuration" | "/.well-known/oauth-authorization-server" => Some(Self::Discovery),
            "/request_token" if dialect.redeems_developer_tokens() => Some(Self::DeveloperTokens),
            _ => {
                let below = path.strip_prefix(paths.api)?;
                (below.is_empty() || below.starts_with('/')).then_some(Self::Api)
            }
        }
    }
}

/// Something that goes wrong once, or as often as [`times`](Self::times) says.
///
/// Faults queue up; each request takes the first that fits its endpoint and grant type. By
/// default a fault waits at the token endpoint, for any grant type.
///
/// ```
/// # use store_testkit::server::Fault;
/// # use std::time::Duration;
/// let limited = Fault::answer(429).header("retry-after", "2").times(3);
/// let lost = Fault::drop_after_handling().grant_type("refresh_token");
/// let nonsense = Fault::raw("SSH-2.0-OpenSSH\r\n").after_handling();
/// let slow_and_lost = Fault::drop_after_handling().delay_after(Duration::from_millis(50));
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    endpoint: Endpoint,
    grant_type: Option<String>,
    remaining: usize,
    pub(super) before: Vec<Pause>,
    pub(super) effect: Effect,
    pub(super) after: Vec<Pause>,
}

impl Fault {
    /// The request is handled as usual: a start for delays and holds.
    pub fn none() -> Self {
        Self::with(Effect::None)
    }

    /// This status instead of handling the request: nothing is spent. The body is empty until
    /// [`body`](Self::body) gives one. A number that is no HTTP status counts as 500.
    pub fn answer(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::with(Effect::AnswerInstead(Answer::empty(status)))
    }

    /// These bytes instead of handling the request, whether they are HTTP or not; then the
    /// connection is closed.
    pub fn raw(bytes: impl Into<Bytes>) -> Self {
        Self::with(Effect::RawInstead(bytes.into()))
    }

    /// A redirect instead of handling the request.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::answer(status).header(header::LOCATION.as_str(), location)
    }

    /// The connection is closed before the request is handled: nothing is spent.
    pub fn drop_before_handling() -> Self {
        Self::with(Effect::DropBefore)
    }

    /// The request is handled, what it asked for is committed, and the answer is lost.
    pub fn drop_after_handling() -> Self {
        Self::with(Effect::DropAfter)
    }

    /// The request is handled; the answer breaks off after this many bytes of its body.
    pub fn cut_answer(sent: usize) -> Self {
        Self::with(Effect::Cut(sent))
    }

    /// The request is handled; the body of the answer is followed by bytes without end.
    pub fn endless_answer() -> Self {
        Self::with(Effect::Endless)
    }

    /// Adds a header to the given answer. Ignored where it is no valid header or no answer is given.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Some(answer), Ok(name), Ok(value)) = (
            self.given_answer(),
            HeaderName::try_from(name),
            HeaderValue::from_str(value),
        ) {
            answer.headers.append(name, value);
        }
        self
    }

    /// The body of the given answer, sent as it is. Ignored where no answer is given.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        if let Some(answer) = self.given_answer() {
            answer.body = body.into();
        }
        self
    }

    /// The request is handled and committed, and only then goes wrong what was to go wrong in
    /// place of it.
    pub fn after_handling(mut self) -> Self {
        self.effect = match self.effect {
            Effect::AnswerInstead(answer) => Effect::AnswerAfterwards(answer),
            Effect::RawInstead(bytes) => Effect::RawAfterwards(bytes),
            Effect::DropBefore => Effect::DropAfter,
            effect => effect,
        };
        self
    }

    /// Waits before the request is handled.
    pub fn delay_before(mut self, delay: Duration) -> Self {
        self.before.push(Pause::Delay(delay));
        self
    }

    /// Waits after the request was handled, before the answer.
    pub fn delay_after(mut self, delay: Duration) -> Self {
        self.after.push(Pause::Delay(delay));
        self
    }

    /// Holds the request before it is handled until the gate is released.
    pub fn hold_before(mut self, gate: &Gate) -> Self {
        self.before.push(Pause::Hold(gate.clone()));
        self
    }

    /// Holds the answer, the request handled and committed, until the gate is released.
    pub fn hold_after(mut self, gate: &Gate) -> Self {
        self.after.push(Pause::Hold(gate.clone()));
        self
    }

    /// Waits at this endpoint instead of the token endpoint.
    pub fn at(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Only for token requests with this `grant_type`.
    pub fn grant_type(mut self, grant_type: impl Into<String>) -> Self {
        self.grant_type = Some(grant_type.into());
        self
    }

    /// Applies to this many requests instead of one.
    pub fn times(mut self, times: usize) -> Self {
        self.remaining = times;
        self
    }

    fn with(effect: Effect) -> Self {
        Self {
            endpoint: Endpoint::Token,
            grant_type: None,
            remaining: 1,
            before: Vec::new(),
            effect,
            after: Vec::new(),
        }
    }

    fn given_answer(&mut self) -> Option<&mut Answer> {
        match &mut self.effect {
            Effect::AnswerInstead(answer) | Effect::AnswerAfterwards(answer) => Some(answer),
            _ => None,
        }
    }

    fn fits(&self, endpoint: Endpoint, grant_type: &str) -> bool {
        self.endpoint == endpoint && self.grant_type.as_deref().is_none_or(|wanted| wanted == grant_type)
    }
}

/// Takes the first fault that fits, once.
pub(super) fn take(faults: &mut Vec<Fault>, endpoint: Endpoint, grant_type: &str) -> Option<Fault> {
    faults.retain(|fault| fault.remaining > 0);
    let fault = faults.iter_mut().find(|fault| fault.fits(endpoint, grant_type))?;
    fault.remaining -= 1;
    Some(fault.clone())
}

#[derive(Debug, Clone)]
pub(super) enum Effect {
    None,
    AnswerInstead(Answer),
    AnswerAfterwards(Answer),
    RawInstead(Bytes),
    RawAfterwards(Bytes),
    DropBefore,
    DropAfter,
    Cut(usize),
    Endless,
}

#[derive(Debug, Clone)]
pub(super) enum Pause {
    Delay(Duration),
    Hold(Gate),
}

impl Pause {
    pub(super) async fn wait(&self) {
        match self {
            Self::Delay(delay) => tokio::time::sleep(*delay).await,
            Self::Hold(gate) => gate.pass().await,
        }
    }
}

/// Holds requests until it is released. Clones are the same gate; once released it stays open.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    arrivals: Arc<Tally>,
    releases: Arc<Tally>,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets everything through, now and later.
    pub fn release(&self) {
        self.releases.add_one();
    }

    /// Returns when `count` requests have come to this gate since it was made.
    pub async fn wait_for_arrivals(&self, count: u64) {
        self.arrivals.reached(count).await;
    }

    /// As [`wait_for_arrivals`](Self::wait_for_arrivals), for code without a runtime. False when
    /// `limit` passed first.
    #[must_use]
    pub fn wait_for_arrivals_blocking(&self, count: u64, limit: Duration) -> bool {
        self.arrivals.reached_within(count, limit)
    }

    async fn pass(&self) {
        self.arrivals.add_one();
        self.releases.reached(1).await;
    }
}
