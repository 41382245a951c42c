//! The token as a middleware of reqwest-middleware.

use auth_core::TokenSource;
use auth_http::{ClientError, TokenMiddleware, within_origin};
use bytes::Bytes;
use reqwest::redirect::Policy;
use reqwest::{Body, Client};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Error, RequestBuilder};

use crate::calls::fixed;
use crate::raw::{RawServer, answer};
use crate::rules::{Answer, BODY, Sender, rules};

fn over(http: Client, middleware: TokenMiddleware) -> ClientWithMiddleware {
    ClientBuilder::new(http).with(middleware).build()
}

async fn answered(request: RequestBuilder) -> Answer {
    match request.send().await {
        Ok(response) => Ok((response.status().as_u16(), response.text().await.unwrap())),
        Err(Error::Middleware(error)) => Err(error.downcast::<ClientError>().unwrap()),
        Err(error) => panic!("{error:?}"),
    }
}

impl Sender for ClientWithMiddleware {
    fn for_origin(origin: &str, source: TokenSource) -> Self {
        over(Client::new(), TokenMiddleware::new(origin, source).unwrap())
    }

    async fn send(&self, url: &str, headers: &[(&'static str, &'static str)]) -> Answer {
        let request = self.post(url).body(BODY);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        answered(request).await
    }

    async fn send_stream(&self, url: &str) -> Answer {
        let stream = http_body_util::Full::new(Bytes::from_static(BODY.as_bytes()));
        answered(self.post(url).body(Body::wrap(stream))).await
    }
}

rules! { ClientWithMiddleware }

#[tokio::test]
async fn each_origin_has_its_own_token() {
    let (one, other) = (
        RawServer::answering(answer("200 OK", "", b"")).await,
        RawServer::answering(answer("200 OK", "", b"")).await,
    );
    let middleware = TokenMiddleware::new(&one.origin(), fixed("first")).unwrap();
    let client = over(
        Client::new(),
        middleware.origin(&other.origin(), fixed("second")).unwrap(),
    );
    for (server, token) in [(&one, "first"), (&other, "second")] {
        assert_eq!(client.send(&server.url(), &[]).await.unwrap().0, 200);
        let heard = server.heard().pop().unwrap();
        assert!(
            heard.contains(&format!("\r\nauthorization: Bearer {token}\r\n")),
            "{heard}"
        );
    }
    assert!(matches!(
        TokenMiddleware::new("http://api.example", fixed("t")).unwrap_err(),
        ClientError::Origin(_)
    ));
}

#[tokio::test]
async fn over_a_client_that_stays_within_the_origin_no_redirect_shows_the_token() {
    let other = RawServer::answering(answer("200 OK", "", b"")).await;
    let location = format!("location: {}\r\n", other.url());
    let api = RawServer::answering(answer("307 Temporary Redirect", &location, b"")).await;
    let http = Client::builder().redirect(within_origin(Policy::default()));
    let client = over(
        http.build().unwrap(),
        TokenMiddleware::new(&api.origin(), fixed("t")).unwrap(),
    );
    assert_eq!(client.send(&api.url(), &[]).await.unwrap().0, 307);
    assert_eq!((api.connections(), other.connections()), (1, 0));
}
