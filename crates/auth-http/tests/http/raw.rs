//! A TCP server that says what the test says, and keeps what it heard.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on 127.0.0.1; each connection is one entry in `heard`.
pub(crate) struct RawServer {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl RawServer {
    /// Serves each connection with `serve`, after a whole request was read.
    pub(crate) async fn start<F, Done>(serve: F) -> Self
    where
        F: Fn(String, TcpStream) -> Done + Clone + Send + 'static,
        Done: Future<Output = ()> + Send,
    {
        Self::listen("127.0.0.1:0", serve).await
    }

    /// The same on another address.
    pub(crate) async fn listen<F, Done>(address: &str, serve: F) -> Self
    where
        F: Fn(String, TcpStream) -> Done + Clone + Send + 'static,
        Done: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (serve, log) = (serve.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    let entry = {
                        let mut log = log.lock().unwrap();
                        log.push(String::new());
                        log.len() - 1
                    };
                    let request = read_request(&mut stream).await;
                    log.lock().unwrap()[entry].clone_from(&request);
                    serve(request, stream).await;
                });
            }
        });
        Self { address, heard }
    }

    /// A server with one answer for all.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::routing(move |_| answer.clone()).await
    }

    /// A server whose answer depends on the path and the rest of the request.
    pub(crate) async fn routing(answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let answers = Arc::new(answers);
        Self::start(move |request: String, stream: TcpStream| {
            let answer = answers(request.strip_prefix("GET ").unwrap_or(&request));
            async move { write(stream, &answer).await }
        })
        .await
    }

    /// `http://127.0.0.1:PORT`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("{}/token?key=canary-query", self.origin())
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// What each connection said.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// An answer with `Content-Length`.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Says it, and closes.
pub(crate) async fn write(mut stream: TcpStream, answer: &[u8]) {
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

/// Every layer of an error, as a log would print it.
pub(crate) fn printed(error: &(dyn Error + 'static)) -> String {
    let layers = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = layers.map(|error| format!("{error} {error:?}")).collect();
    texts.join(" ")
}

// The head, and as much body as `Content-Length` says.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n")
            && request.len() >= head + 4 + content_length(&request[..head])
        {
            return text(&request);
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return text(&request),
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap())
}
