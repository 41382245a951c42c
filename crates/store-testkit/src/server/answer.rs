//! What the server sends back, whole or broken on purpose.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    pub(super) fn empty(status: StatusCode) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        let mut answer = Self::empty(status);
        answer.body = Bytes::from(value.to_string());
        answer.with(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// RFC 6749 section 5.1: nothing that carries a token may be kept by a cache.
    pub(super) fn no_store(self) -> Self {
        self.with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(header::PRAGMA, HeaderValue::from_static("no-cache"))
    }

    pub(super) fn found(location: &str) -> Self {
        match HeaderValue::from_str(location) {
            Ok(value) => Self::empty(StatusCode::FOUND).with(header::LOCATION, value),
            Err(_) => Self::empty(StatusCode::BAD_REQUEST),
        }
    }

    pub(super) fn whole(self) -> Response<AnswerBody> {
        let end = End::Complete;
        self.ending(end)
    }

    /// Sends `sent` bytes of the body and closes; the announced length is never reached.
    pub(super) fn cut_after(mut self, sent: usize) -> Response<AnswerBody> {
        let announced = self.body.len().max(sent.saturating_add(1));
        self.body.truncate(sent);
        self.headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(announced));
        self.ending(End::Cut { flushed: false })
    }

    /// The body goes on until the client hangs up.
    pub(super) fn endless(self) -> Response<AnswerBody> {
        self.ending(End::Endless)
    }

    fn ending(self, end: End) -> Response<AnswerBody> {
        let mut response = Response::new(AnswerBody { rest: self.body, end });
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// An OAuth 2.0 error answer (RFC 6749 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) error: &'static str,
    pub(super) description: &'static str,
}

impl Refusal {
    pub(super) fn new(error: &'static str, description: &'static str) -> Self {
        Self { error, description }
    }

    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::new("invalid_request", description)
    }

    pub(super) fn invalid_client(description: &'static str) -> Self {
        Self::new("invalid_client", description)
    }

    pub(super) fn invalid_grant(description: &'static str) -> Self {
        Self::new("invalid_grant", description)
    }

    pub(super) fn answer(self) -> Answer {
        let body = json!({ "error": self.error, "error_description": self.description });
        if self.error == "invalid_client" {
            return Answer::json(StatusCode::UNAUTHORIZED, &body)
                .with(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Basic realm=\"token\""),
                )
                .no_store();
        }
        Answer::json(StatusCode::BAD_REQUEST, &body).no_store()
    }
}

/// The connection is closed on purpose.
#[derive(Debug)]
pub(super) enum Dropped {
    Silently,
    /// These bytes are sent first, as they are.
    Saying(Bytes),
}

impl fmt::Display for Dropped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("connection closed by an injected fault")
    }
}

impl std::error::Error for Dropped {}

#[derive(Debug)]
pub(super) struct AnswerBody {
    rest: Bytes,
    end: End,
}

#[derive(Debug)]
enum End {
    Complete,
    Cut { flushed: bool },
    Endless,
}

const ENDLESS_CHUNK: &[u8] = &[b'A'; 16 * 1024];

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Dropped;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Dropped>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        match &mut self.end {
            End::Complete => Poll::Ready(None),
            End::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(ENDLESS_CHUNK))))),
            End::Cut { flushed: true } => Poll::Ready(Some(Err(Dropped::Silently))),
            End::Cut { flushed } => {
                // One turn of waiting lets the connection flush what was written so far.
                *flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.end, End::Complete) && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.end {
            End::Complete => SizeHint::with_exact(self.rest.len() as u64),
            End::Cut { .. } | End::Endless => SizeHint::default(),
        }
    }
}
