//! Answers, and the headers that every one of them has.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY};
use http::header::{HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;

use crate::page::{self, Page};

/// What a visitor gets.
#[derive(Debug)]
pub(super) enum Reply {
    /// A page.
    Page(Page),
    /// The way to a page (303): the answer leaves the address bar.
    SeeOther(&'static str),
    /// Nothing of this name.
    NotFound,
    /// Nothing, with this status.
    Empty(StatusCode),
}

impl From<Reply> for Response<Full<Bytes>> {
    fn from(reply: Reply) -> Self {
        let mut response = Response::new(Full::default());
        *response.status_mut() = match &reply {
            Reply::Page(page) => page.status(),
            Reply::SeeOther(_) => StatusCode::SEE_OTHER,
            Reply::NotFound => StatusCode::NOT_FOUND,
            Reply::Empty(status) => *status,
        };
        let policy = HeaderValue::from_static(page::CONTENT_SECURITY_POLICY);
        let method_not_allowed = response.status() == StatusCode::METHOD_NOT_ALLOWED;
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, policy);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if method_not_allowed {
            headers.insert(ALLOW, HeaderValue::from_static("GET"));
        }
        match reply {
            Reply::Page(page) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
                *response.body_mut() = Full::from(page.into_html());
            }
            Reply::SeeOther(path) => {
                headers.insert(LOCATION, HeaderValue::from_static(path));
            }
            Reply::NotFound | Reply::Empty(_) => {}
        }
        response
    }
}
