//! The open connections: few, short, and none that can keep another out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_core::clock::Clock;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::reply::Reply;
use super::rules::{Asked, Rules};

const CONNECTIONS_MAX: usize = 16;
const HEAD_MAX: usize = 8 * 1024;
const HEAD_TIME: Duration = Duration::from_secs(10);

/// More than the longest hold of a browser.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// A request that the login must answer.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) question: Question,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// The redirect URI, with this query.
    Callback(String),
    /// The page at this path.
    Page(String),
}

impl Visit {
    pub(super) fn answer(self, reply: Reply) {
        // A visitor who has gone needs no answer.
        let _ = self.reply.send(reply);
    }
}

/// The open connections; dropping them closes them.
pub(super) struct Connections {
    clock: Arc<dyn Clock>,
    tasks: JoinSet<()>,
    open: VecDeque<Open>,
    sender: mpsc::Sender<Visit>,
    visits: mpsc::Receiver<Visit>,
}

struct Open {
    handle: AbortHandle,
    /// Its request has been read.
    asked: Arc<AtomicBool>,
}

impl Connections {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (sender, visits) = mpsc::channel(CONNECTIONS_MAX);
        Self {
            clock,
            tasks: JoinSet::new(),
            open: VecDeque::new(),
            sender,
            visits,
        }
    }

    /// Serves one more. Where there are too many, the oldest that has not asked yet
    /// makes room: silent connections keep nobody out.
    pub(super) fn open(&mut self, stream: TcpStream, rules: Arc<Rules>) {
        self.open.retain(|open| !open.handle.is_finished());
        if self.open.len() >= CONNECTIONS_MAX {
            let silent = self.open.iter().position(|open| !open.asked.load(Ordering::Relaxed));
            match silent.and_then(|position| self.open.remove(position)) {
                Some(oldest) => oldest.handle.abort(),
                None => return,
            }
        }
        let asked = Arc::new(AtomicBool::new(false));
        let desk = Desk {
            rules,
            visits: self.sender.clone(),
            asked: asked.clone(),
        };
        let handle = self.tasks.spawn(serve(stream, desk, self.clock.clone()));
        self.open.push_back(Open { handle, asked });
    }

    /// The next request that the login must answer. Dropped and called again, it
    /// loses nothing.
    pub(super) async fn next(&mut self) -> Visit {
        loop {
            tokio::select! {
                Some(visit) = self.visits.recv() => return visit,
                Some(_) = self.tasks.join_next() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// Lets the answers under way be written, and closes.
    pub(super) async fn settle(&mut self) {
        for open in &self.open {
            if !open.asked.load(Ordering::Relaxed) {
                open.handle.abort();
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What a connection knows.
#[derive(Clone)]
struct Desk {
    rules: Arc<Rules>,
    visits: mpsc::Sender<Visit>,
    asked: Arc<AtomicBool>,
}

async fn serve(stream: TcpStream, desk: Desk, clock: Arc<dyn Clock>) {
    let asked = desk.asked.clone();
    let service = service_fn(move |request| answer(desk.clone(), request));
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    // Errors are the visitor's: hung up, no HTTP, too much of it.
    let mut connection = pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = clock.sleep(HEAD_TIME) => {}
    }
    if asked.load(Ordering::Relaxed) {
        tokio::select! {
            _ = &mut connection => {}
            () = clock.sleep(ANSWER_TIME) => {}
        }
    }
}

async fn answer<B>(desk: Desk, request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
    desk.asked.store(true, Ordering::Relaxed);
    let reply = match desk.rules.read(&request) {
        Asked::Callback(query) => desk.ask(Question::Callback(query)).await,
        Asked::Page(path) => desk.ask(Question::Page(path)).await,
        Asked::Favicon => Reply::Empty(StatusCode::NO_CONTENT),
        Asked::Refused(status) => Reply::Empty(status),
    };
    Ok(reply.into())
}

impl Desk {
    async fn ask(&self, question: Question) -> Reply {
        let (reply, answered) = oneshot::channel();
        let visit = Visit { question, reply };
        if self.visits.send(visit).await.is_err() {
            return Reply::NotFound;
        }
        answered.await.unwrap_or(Reply::NotFound)
    }
}
