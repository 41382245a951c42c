//! The token as a layer of tower.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use auth_core::TokenSource;
use auth_http::{ClientError, SendOnce, TokenLayer, TokenService};
use bytes::Bytes;
use http::{Request, Response};
use reqwest::{Body, Client};
use tower_layer::Layer;
use tower_service::Service;

use crate::calls::fixed;
use crate::raw::{RawServer, answer};
use crate::rules::{Answer, BODY, Sender, rules};

/// Sends what it gets, paths to `base`. As services may, it insists on being polled before each call.
struct Wire {
    http: Client,
    base: String,
    ready: bool,
}

impl Clone for Wire {
    fn clone(&self) -> Self {
        Self {
            http: self.http.clone(),
            base: self.base.clone(),
            ready: false,
        }
    }
}

impl<B: Into<Body>> Service<Request<B>> for Wire {
    type Response = Response<Body>;
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being polled");
        let mut request = request.map(Into::into);
        if request.uri().authority().is_none() {
            *request.uri_mut() = format!("{}{}", self.base, request.uri()).parse().unwrap();
        }
        let (http, request) = (self.http.clone(), reqwest::Request::try_from(request));
        Box::pin(async move { http.execute(request?).await.map(Into::into) })
    }
}

#[derive(Clone)]
struct Layered {
    layer: TokenLayer,
    base: String,
}

impl Layered {
    fn wire(&self) -> Wire {
        Wire {
            http: Client::new(),
            base: self.base.clone(),
            ready: false,
        }
    }
}

impl Sender for Layered {
    fn for_origin(origin: &str, source: TokenSource) -> Self {
        Self {
            layer: TokenLayer::new(origin, source).unwrap(),
            base: origin.to_owned(),
        }
    }

    async fn send(&self, url: &str, headers: &[(&'static str, &'static str)]) -> Answer {
        let request = headers.iter().fold(Request::post(url), |request, (name, value)| {
            request.header(*name, *value)
        });
        answered(
            self.layer.layer(self.wire()),
            request.body(Bytes::from_static(BODY.as_bytes())).unwrap(),
        )
        .await
    }

    async fn send_stream(&self, url: &str) -> Answer {
        let service = self.layer.clone().copies(SendOnce).layer(self.wire());
        answered(service, Request::post(url).body(Body::from(BODY)).unwrap()).await
    }
}

async fn answered<B, Copies>(mut service: TokenService<Wire, Copies>, request: Request<B>) -> Answer
where
    TokenService<Wire, Copies>: Service<Request<B>, Response = Response<Body>, Error = Box<dyn Error + Send + Sync>>,
{
    poll_fn(|context| service.poll_ready(context)).await.unwrap();
    match service.call(request).await {
        Ok(response) => {
            let response = reqwest::Response::from(response);
            Ok((response.status().as_u16(), response.text().await.unwrap()))
        }
        Err(error) => Err(*error.downcast::<ClientError>().unwrap()),
    }
}

rules! { Layered }

#[tokio::test]
async fn a_path_goes_to_the_one_origin_there_is() {
    let api = RawServer::answering(answer("200 OK", "", b"")).await;
    let mut sender = Layered::for_origin(&api.origin(), fixed("t"));
    assert_eq!(sender.send("/v1/x", &[]).await.unwrap().0, 200);
    let heard = api.heard().pop().unwrap();
    assert!(heard.starts_with("POST /v1/x HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("\r\nauthorization: Bearer t\r\n"), "{heard}");
    sender.layer = sender.layer.origin("https://api.example", fixed("other")).unwrap();
    for uri in ["/v1/x", "api.example:443"] {
        let error = sender.send(uri, &[]).await.unwrap_err();
        assert!(matches!(error, ClientError::OriginNotAllowed(_)), "{error:?}");
    }
    assert_eq!(api.connections(), 1);
}

#[tokio::test]
async fn a_host_that_two_parsers_read_differently_is_refused() {
    let api = RawServer::answering(answer("200 OK", "", b"")).await;
    let sender = Layered::for_origin(&api.origin(), fixed("t"));
    for host in ["127.1", "2130706433", "0x7f.1", "127.0.0.1."] {
        let error = sender
            .send(&format!("http://{host}:{}/", api.port()), &[])
            .await
            .unwrap_err();
        assert!(matches!(error, ClientError::OriginNotAllowed(_)), "{host}: {error:?}");
    }
    assert_eq!(api.connections(), 0);
}

#[tokio::test]
async fn a_closure_says_what_is_sent_twice() {
    for twice in [true, false] {
        let setting = crate::setting::Setting::new();
        let source = setting.machine();
        source.token().await.unwrap();
        setting.server.expire_access_tokens();
        let sender = Layered::for_origin(&setting.server.issuer(), source);
        let copies = move |request: &Request<Body>| {
            let copy = Request::post(request.uri().clone()).body(Body::from(BODY));
            twice.then(|| copy.unwrap())
        };
        let service = sender.layer.clone().copies(copies).layer(sender.wire());
        let request = Request::post(setting.server.api_url()).body(Body::from(BODY)).unwrap();
        let (status, body) = answered(service, request).await.unwrap();
        assert_eq!((status, body.contains(BODY)), (if twice { 200 } else { 401 }, twice));
        assert_eq!(setting.counters().token_requests, 2);
    }
}
