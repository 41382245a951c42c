//! `tokenkeep request`: calls an API with the token: attach, refresh, retry once.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, Url};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::http::{AuthorizedClient, AuthorizedClientBuilder, ClientError};

use super::token;
use crate::args::Request;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::session::Session;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);

pub(super) async fn run(session: &Session, args: &Request) -> Result<()> {
    let call = Call::read(args).await?;
    let source = token::source(session, &args.target).await?;
    let http = reqwest::Client::builder()
        .user_agent(concat!("tokenkeep/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_LIMIT);
    let client = AuthorizedClient::builder(http).origin(&call.endpoint.origin(), source);
    let client = client
        .and_then(AuthorizedClientBuilder::build)
        .map_err(|error| failed(session, error))?;
    let mut request = client
        .request(call.method, call.endpoint.as_url().clone())
        .headers(call.headers);
    if let Some(body) = call.body {
        request = request.body(body);
    }
    let response = session
        .waiting("waiting for the API", request.send())
        .await
        .map_err(|error| failed(session, error))?;
    answer(args, response).await
}

/// What is to be sent, as far as it is known without a token.
struct Call {
    method: Method,
    endpoint: EndpointUrl,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

impl Call {
    async fn read(args: &Request) -> Result<Self> {
        let method = Method::from_bytes(args.method.to_ascii_uppercase().as_bytes());
        let method = method.map_err(|_| usage("the method is none; write GET, POST, PUT, PATCH, DELETE, …"))?;
        let endpoint = parse_url(&args.url)?;
        let body = match &args.data {
            None => None,
            Some(data) => Some(read_body(data).await?),
        };
        let mut headers = HeaderMap::new();
        if args.json {
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            if body.is_some() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
        }
        // What is said by name beats --json.
        let mut named = HeaderMap::new();
        for line in &args.headers {
            let (name, value) = parse_header(line)?;
            named.append(name, value);
        }
        headers.extend(named);
        Ok(Self {
            method,
            endpoint,
            headers,
            body,
        })
    }
}

// The fragment stays in the browser, and here too.
fn parse_url(text: &str) -> Result<EndpointUrl> {
    let bad = |error| Failure::caused(Exit::Usage, "a token can't be sent to this URL", error);
    let Ok(mut url) = Url::parse(text) else {
        return Err(usage("this is no URL; write it like https://api.example/path"));
    };
    url.set_fragment(None);
    EndpointUrl::new(url.as_str()).map_err(bad)
}

fn parse_header(line: &str) -> Result<(HeaderName, HeaderValue)> {
    let malformed = || usage("a header is written -H 'Name: value'");
    let (name, value) = line.split_once(':').ok_or_else(malformed)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| malformed())?;
    if name == AUTHORIZATION {
        let failure = usage("the Authorization header is set by tokenkeep, not with -H");
        return Err(failure.hint("choose whose token is sent with -p PROFILE"));
    }
    let value = HeaderValue::from_str(value.trim()).map_err(|_| malformed())?;
    Ok((name, value))
}

async fn read_body(data: &str) -> Result<Vec<u8>> {
    match data.strip_prefix('@') {
        None => Ok(data.as_bytes().to_vec()),
        Some("-") => input::everything().await,
        Some(path) => std::fs::read(path)
            .map_err(|error| Failure::caused(Exit::Failure, format!("the body can't be read from {path}"), error)),
    }
}

async fn answer(args: &Request, mut response: Response) -> Result<()> {
    let status = response.status();
    if args.include {
        output::result(&head(&response))?;
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => output::result(&chunk)?,
            Ok(None) => break,
            Err(error) => {
                let message = "the answer of the API broke off";
                return Err(Failure::caused(Exit::Network, message, error.without_url()));
            }
        }
    }
    if args.fail && status.as_u16() >= 400 {
        return Err(Failure::new(Exit::Failure, format!("the API answered {status}")));
    }
    Ok(())
}

fn head(response: &Response) -> Vec<u8> {
    let mut text = format!("{:?} {}\n", response.version(), response.status()).into_bytes();
    for (name, value) in response.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.push(b'\n');
    }
    text.push(b'\n');
    text
}

fn failed(session: &Session, error: ClientError) -> Failure {
    match error {
        ClientError::Token(error) => token::no_token(session, &error),
        ClientError::Http(error) if error.is_builder() => {
            Failure::caused(Exit::Failure, "the request can't be built", error)
        }
        ClientError::Http(error) => {
            let failure = Failure::caused(Exit::Network, "the API can't be reached", error);
            failure.hint("check the URL, the network and the proxy settings, then try again")
        }
        other => Failure::of(Exit::Failure, other),
    }
}

fn usage(message: &str) -> Failure {
    Failure::new(Exit::Usage, message)
}
