//! Waits on a loopback address for the browser to come back.
//!
//! It listens on 127.0.0.1 and, where there is one, on `[::1]` at the same port; it
//! answers GET only, under its own `Host` only, in 8 KiB and ten seconds. What is not
//! the answer of this login gets an error page, and the login waits on.

mod bind;
mod connections;
mod reply;
mod rules;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use auth_core::clock::Clock;
use auth_core::grant::Callback;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

pub use bind::{ListenError, ListenerConfig};

use crate::page::Page;
use connections::{Connections, Question, Visit};
use reply::Reply;
use rules::Rules;

/// How long a browser is held while the code is exchanged: longer, and it is told
/// to look elsewhere.
const HOLD_LIMIT: Duration = Duration::from_secs(30);

/// How long the last page waits to be fetched: a browser on a busy machine takes seconds to follow.
const LINGER: Duration = Duration::from_secs(6);

/// No memory, no file descriptors: give connections time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What an answer is to the login that waits.
#[derive(Debug)]
pub enum Verdict<T> {
    /// The one it waits for: nothing else is accepted from then on.
    Taken(T),
    /// Not its own. The browser is told so, the waiting goes on.
    Stray,
}

/// A listening socket, or two, and the browser that waits for a page. Dropping it
/// closes them.
pub struct Listener {
    sockets: Vec<TcpListener>,
    redirect_uri: String,
    rules: Arc<Rules>,
    clock: Arc<dyn Clock>,
    connections: Connections,
    stage: Stage,
}

enum Stage {
    Waiting,
    Taken(Option<oneshot::Sender<Reply>>),
    Over(Page),
}

impl Listener {
    /// Listens as asked.
    ///
    /// # Errors
    /// [`ListenError`] names each address that was tried, and why it did not do.
    pub async fn bind(config: &ListenerConfig) -> Result<Self, ListenError> {
        let (sockets, address) = bind::sockets(config).await?;
        let path = config.path_or_random()?;
        Ok(Self {
            sockets,
            redirect_uri: format!("http://{address}{path}"),
            rules: Arc::new(Rules::new(address.port(), path)),
            clock: config.clock.clone(),
            connections: Connections::new(config.clock.clone()),
            stage: Stage::Waiting,
        })
    }

    /// Where the authorization server is to send the browser.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits until `judge` takes an answer; `None` when `limit` has passed before. The
    /// browser is then held: end the login inside [`during`](Self::during), and
    /// [`show`](Self::show) how it ended.
    pub async fn wait<T>(&mut self, limit: Duration, mut judge: impl FnMut(&Callback) -> Verdict<T>) -> Option<T> {
        let mut end = self.clock.sleep(limit);
        loop {
            let visit = tokio::select! {
                visit = self.next_visit() => visit,
                () = &mut end => return None,
            };
            let Question::Callback(query) = &visit.question else {
                self.answer(visit);
                continue;
            };
            match Callback::from_query(query).map(|callback| judge(&callback)) {
                Ok(Verdict::Taken(value)) => {
                    self.stage = Stage::Taken(Some(visit.reply));
                    return Some(value);
                }
                Ok(Verdict::Stray) | Err(_) => visit.answer(Reply::Page(Page::stray())),
            }
        }
    }

    /// Does the work; every answer that comes now comes too late, and is told so. A
    /// browser held for more than 30 seconds is shown `unfinished`.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>, unfinished: &Page) -> T {
        let mut work = pin!(work);
        let mut limit = Some(self.clock.sleep(HOLD_LIMIT));
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                visit = self.next_visit() => { self.answer(visit); }
                () = passed(&mut limit) => { self.lead_to(unfinished); }
            }
        }
    }

    /// Leads the held browser to this page, waits up to six seconds until it has
    /// it, and closes.
    pub async fn show(mut self, page: &Page) {
        if !self.lead_to(page) {
            return;
        }
        let mut limit = self.clock.sleep(LINGER);
        let shown = async {
            loop {
                let visit = self.next_visit().await;
                if self.answer(visit) {
                    break self.connections.settle().await;
                }
            }
        };
        tokio::select! {
            () = shown => {}
            () = &mut limit => {}
        }
    }

    /// False when no browser waits any more.
    fn lead_to(&mut self, page: &Page) -> bool {
        let Stage::Taken(held) = &mut self.stage else {
            return false;
        };
        let held = held.take();
        self.stage = Stage::Over(page.clone());
        held.is_some_and(|held| held.send(Reply::SeeOther(page.path())).is_ok())
    }

    /// Whether it got the last page.
    fn answer(&self, visit: Visit) -> bool {
        let (reply, shown) = match (&visit.question, &self.stage) {
            (Question::Callback(_), _) => (Reply::Page(Page::already_used()), false),
            (Question::Page(path), Stage::Over(page)) if path == page.path() => (Reply::Page(page.clone()), true),
            (Question::Page(_), _) => (Reply::NotFound, false),
        };
        visit.answer(reply);
        shown
    }

    // Dropped and called again, it loses nothing.
    async fn next_visit(&mut self) -> Visit {
        loop {
            tokio::select! {
                accepted = accept(&self.sockets) => match accepted {
                    Ok(stream) => self.connections.open(stream, self.rules.clone()),
                    Err(_) => self.clock.sleep(ACCEPT_PAUSE).await,
                },
                visit = self.connections.next() => return visit,
            }
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

async fn accept(sockets: &[TcpListener]) -> io::Result<TcpStream> {
    poll_fn(|context| {
        for socket in sockets {
            if let Poll::Ready(accepted) = socket.poll_accept(context) {
                return Poll::Ready(accepted.map(|(stream, _)| stream));
            }
        }
        Poll::Pending
    })
    .await
}

type Sleep = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends once, when the time has passed.
async fn passed(limit: &mut Option<Sleep>) {
    match limit {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
    }
    *limit = None;
}
