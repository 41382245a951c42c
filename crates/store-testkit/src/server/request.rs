//! A request as the handlers see it: read to its end, parameters parsed once.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use super::answer::{Dropped, Refusal};

/// More than any request of a test needs; a client that sends more is cut off.
const MAX_BODY: usize = 64 * 1024 * 1024;

pub(super) struct ServedRequest {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ServedRequest {
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, Dropped> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY)
            .collect()
            .await
            .map_err(|_| Dropped::Silently)?
            .to_bytes();
        Ok(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            headers: head.headers,
            body,
        })
    }

    pub(super) fn query_parameters(&self) -> Result<Parameters, Refusal> {
        Parameters::from_form(self.query.as_bytes())
    }

    /// The parameters of a form or a JSON body, as the content type says.
    pub(super) fn body_parameters(&self) -> Result<Parameters, Refusal> {
        match self.content_type() {
            Some("application/x-www-form-urlencoded") => Parameters::from_form(&self.body),
            Some("application/json") => Parameters::from_json(&self.body),
            _ => Err(Refusal::invalid_request("the content type is neither a form nor JSON")),
        }
    }

    /// The body as JSON; `Null` when it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(super) fn is_json(&self) -> bool {
        self.content_type() == Some("application/json")
    }

    fn content_type(&self) -> Option<&str> {
        let value = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        Some(value.split(';').next().unwrap_or(value).trim())
    }
}

/// Request parameters. One without a value counts as left out (RFC 6749 section 3.1).
#[derive(Default)]
pub(super) struct Parameters {
    single: BTreeMap<String, String>,
    resources: Vec<String>,
}

impl Parameters {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.single.get(name).map(String::as_str)
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    pub(super) fn required(&self, name: &str, description: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::invalid_request(description))
    }

    /// `resource`, the one parameter that may come more than once (RFC 8707 section 2).
    pub(super) fn resources(&self) -> &[String] {
        &self.resources
    }

    fn from_form(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            parameters.add(name.into_owned(), value.into_owned())?;
        }
        Ok(parameters)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, Refusal> {
        let Ok(Value::Object(members)) = serde_json::from_slice(bytes) else {
            return Err(Refusal::invalid_request("the body is not a JSON object"));
        };
        let mut parameters = Self::default();
        for (name, value) in members {
            match value {
                Value::String(value) => parameters.add(name, value)?,
                Value::Array(values) if name == "resource" => parameters
                    .resources
                    .extend(values.iter().filter_map(Value::as_str).map(str::to_owned)),
                Value::Null => {}
                _ => return Err(Refusal::invalid_request("a parameter is not a string")),
            }
        }
        Ok(parameters)
    }

    fn add(&mut self, name: String, value: String) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        if name == "resource" {
            self.resources.push(value);
        } else if self.single.insert(name, value).is_some() {
            return Err(Refusal::invalid_request("a parameter comes more than once"));
        }
        Ok(())
    }
}
