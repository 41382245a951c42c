//! The thread that listens, and the way of a request through faults and handlers.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::answer::{Answer, AnswerBody, Dropped};
use super::dialect::{self, Dialect};
use super::fault::{self, Effect, Endpoint, Fault, Pause};
use super::request::ServedRequest;
use super::{Shared, authorize, control, resources, token_endpoint};

/// Stops the thread and waits for its end when dropped.
#[derive(Debug)]
pub(super) struct Listening {
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    pub(super) fn start(shared: Arc<Shared>, listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("authorization-server".to_owned())
            .spawn(move || runtime.block_on(accept_until(shared, listener, stopped)))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by the thread itself.
            let _ = thread.join();
        }
    }
}

async fn accept_until(
    shared: Arc<Shared>,
    listener: tokio::net::TcpListener,
    mut stopped: oneshot::Receiver<Infallible>,
) {
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    shared.state().counters.connections += 1;
                    tokio::spawn(serve_connection(Arc::clone(&shared), stream));
                }
                // Out of file descriptors: give the connections time to end.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

async fn serve_connection(shared: Arc<Shared>, stream: TcpStream) {
    // Latency only; the connection works without it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(serve(Arc::clone(&shared), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    // Other errors are the client's going away or our own dropping of the connection.
    if let Some(bytes) = served.err().and_then(|error| last_words(&error)) {
        let _ = stream.write_all(&bytes).await;
    }
    let _ = stream.shutdown().await;
}

fn last_words(error: &(dyn Error + 'static)) -> Option<Bytes> {
    match error.source()?.downcast_ref()? {
        Dropped::Saying(bytes) => Some(bytes.clone()),
        Dropped::Silently => None,
    }
}

async fn serve(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Dropped> {
    let request = ServedRequest::read(request).await?;
    if let Some(command) = request.path.strip_prefix("/control/") {
        return Ok(control::answer(&shared, command, &request).whole());
    }
    if shared.config.dialect == Dialect::Foundry && request.path == "/multipass/api/oauth2/callback" {
        return Ok(dialect::code_page(&request).whole());
    }
    let Some(endpoint) = Endpoint::of(shared.config.dialect, &request.path) else {
        return Ok(Answer::empty(StatusCode::NOT_FOUND).whole());
    };
    // A task of its own: a request that has arrived is handled to its end even when the client
    // hangs up, as real servers do.
    tokio::spawn(async move { pass(&shared, endpoint, &request).await })
        .await
        .map_err(|_| Dropped::Silently)?
}

async fn pass(shared: &Shared, endpoint: Endpoint, request: &ServedRequest) -> Result<Response<AnswerBody>, Dropped> {
    let fault = arrive(shared, endpoint, request);
    let half_of_latency = match endpoint {
        Endpoint::Token => shared.config.latency / 2,
        _ => Duration::ZERO,
    };
    let Some(fault) = fault else {
        pause(half_of_latency, &[]).await;
        let answer = handle(shared, endpoint, request);
        pause(half_of_latency, &[]).await;
        return Ok(answer.whole());
    };
    pause(half_of_latency, &fault.before).await;
    let response = apply(&fault, || handle(shared, endpoint, request));
    pause(half_of_latency, &fault.after).await;
    response
}

/// Counts the request and takes its fault in one step, then tells those who wait for it.
fn arrive(shared: &Shared, endpoint: Endpoint, request: &ServedRequest) -> Option<Fault> {
    let fault = {
        let mut state = shared.state();
        let mut grant_type = String::new();
        if endpoint == Endpoint::Token {
            if let Ok(parameters) = request.body_parameters() {
                grant_type = parameters.owned("grant_type").unwrap_or_default();
            }
            state.counters.count_token_request(&grant_type);
        }
        let fault = fault::take(&mut state.faults, endpoint, &grant_type);
        state.counters.faults_applied += u64::from(fault.is_some());
        fault
    };
    if endpoint == Endpoint::Token {
        shared.token_arrivals.add_one();
    }
    fault
}

async fn pause(latency: Duration, pauses: &[Pause]) {
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    for pause in pauses {
        pause.wait().await;
    }
}

fn apply(fault: &Fault, handle: impl FnOnce() -> Answer) -> Result<Response<AnswerBody>, Dropped> {
    match &fault.effect {
        Effect::None => Ok(handle().whole()),
        Effect::AnswerInstead(answer) => Ok(answer.clone().whole()),
        Effect::AnswerAfterwards(answer) => {
            handle();
            Ok(answer.clone().whole())
        }
        Effect::RawInstead(bytes) => Err(Dropped::Saying(bytes.clone())),
        Effect::RawAfterwards(bytes) => {
            handle();
            Err(Dropped::Saying(bytes.clone()))
        }
        Effect::DropBefore => Err(Dropped::Silently),
        Effect::DropAfter => {
            handle();
            Err(Dropped::Silently)
        }
        Effect::Cut(sent) => Ok(handle().cut_after(*sent)),
        Effect::Endless => Ok(handle().endless()),
    }
}

fn handle(shared: &Shared, endpoint: Endpoint, request: &ServedRequest) -> Answer {
    let config = &shared.config;
    let mut state = shared.state();
    match endpoint {
        Endpoint::Token => token_endpoint::answer(config, &mut state, request),
        Endpoint::Authorization => authorize::answer(config, &mut state, request),
        Endpoint::Revocation => resources::revoke(config, &mut state, request),
        Endpoint::Discovery => resources::metadata(config, &mut state),
        Endpoint::Api => resources::api(&mut state, request),
        Endpoint::DeveloperTokens => dialect::redeem(config, &mut state, request),
    }
}
