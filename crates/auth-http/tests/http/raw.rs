//! A TCP server that says what the test says, and keeps what it heard.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A server on 127.0.0.1; each connection is one entry in `heard`.
pub(crate) struct RawServer {
    port: u16,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl RawServer {
    /// Serves each connection with `serve`, after a whole request was read.
    pub(crate) async fn start<F, Done>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> Done + Clone + Send + 'static,
        Done: Future<Output = ()> + Send,
    {
        Self::listen("127.0.0.1:0", serve).await
    }

    /// The same on another address.
    pub(crate) async fn listen<F, Done>(address: &str, serve: F) -> Self
    where
        F: Fn(TcpStream) -> Done + Clone + Send + 'static,
        Done: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (serve, log) = (serve.clone(), Arc::clone(&log));
                tokio::spawn(async move {
                    let entry = {
                        let mut log = log.lock().unwrap();
                        log.push(Vec::new());
                        log.len() - 1
                    };
                    let request = read_request(&mut stream).await;
                    log.lock().unwrap()[entry] = request;
                    serve(stream).await;
                });
            }
        });
        Self { port, heard }
    }

    /// A server with one answer for all.
    pub(crate) async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        Self::start(move |mut stream: TcpStream| {
            let answer = Arc::clone(&answer);
            async move {
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token?key=canary-query", self.port)
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// What each connection said.
    pub(crate) fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect()
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

// The head, and as much body as `Content-Length` says.
async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(head) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            if request.len() >= head + 4 + content_length(&request[..head]) {
                return request;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return request,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    head.lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |value| value.trim().parse().unwrap())
}
