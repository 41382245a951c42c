//! The web application: people log in, and it calls an API for them with their tokens.
//! What it has to remember is in the store, so that every replica can serve every request.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use tokenkeep::clock::{Clock, SystemClock, Timestamp};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::refresh::Timing;
use tokenkeep::{AuthorizedClient, ClientRegistration, Profile, Secret, Target, TokenManager, provider, store};

use crate::Outcome;

/// The public address, behind which the replicas stand.
pub(crate) const CALLBACK: &str = "http://127.0.0.1/callback";
pub(crate) const CLIENT_ID: &str = "web";
pub(crate) const CLIENT_SECRET: &str = "web-secret";

/// Serves until its standard input ends, which is when whoever started it does.
pub(crate) async fn serve(store_url: &str, issuer: &str) -> Outcome<()> {
    let application = Application::new(store_url, issuer).await?;
    let router = Router::new()
        .route("/login", get(log_in))
        .route("/callback", get(come_back))
        .route("/api", get(call_api))
        .with_state(application);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().next();
        std::process::exit(0);
    });
    Ok(axum::serve(listener, router).await?)
}

#[derive(Clone)]
struct Application {
    manager: TokenManager,
    client: AuthorizedClient,
    api: String,
}

impl Application {
    async fn new(store_url: &str, issuer: &str) -> Outcome<Self> {
        let token = EndpointUrl::new(&format!("{issuer}/token"))?;
        let authorization = EndpointUrl::new(&format!("{issuer}/authorize"))?;
        let provider = provider::with_endpoints(token, Some(authorization));
        let client = ClientRegistration::confidential(provider, CLIENT_ID, Secret::new(CLIENT_SECRET));
        let ahead = std::env::var("WEB_APP_SECONDS_AHEAD").map_or(Ok(0), |text| text.parse())?;
        let manager = tokenkeep::manager(client, store::open(store_url).await?)
            .clock(ClockAhead(Duration::from_secs(ahead)))
            .timing(patient())
            .build()?;
        // Each request names whose token it is to carry.
        let nobody = manager.source(&Profile::new("nobody")?);
        Ok(Self {
            client: AuthorizedClient::for_origin(issuer, nobody)?,
            api: format!("{issuer}/api"),
            manager,
        })
    }
}

/// As patient as the store: a replica that stands still for seconds keeps its lease, and whoever waits for an answer to
/// be saved goes on waiting.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(60);
    timing.stall = Duration::from_secs(120);
    timing
}

/// A new session for each login: a value that somebody planted in the browser is worth nothing.
async fn log_in(State(application): State<Application>) -> Response {
    let begun = async {
        let session = new_session()?;
        let target = Target::new().scope("api");
        let url = application
            .manager
            .begin_web_login(&profile_of(&session), CALLBACK, target, &session)
            .await?;
        // And `Secure`, with the prefix `__Host-`, wherever the application is served over TLS.
        let cookie = format!("session={}; Path=/; HttpOnly; SameSite=Lax", session.expose());
        Ok::<_, Box<dyn Error + Send + Sync>>(
            ([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response(),
        )
    };
    begun
        .await
        .unwrap_or_else(|error| refuse(StatusCode::BAD_GATEWAY, &*error))
}

/// The login may have been begun on another replica; its session finishes it here.
async fn come_back(
    State(application): State<Application>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<&'static str, Response> {
    let session = session_of(&headers).unwrap_or_else(|| Secret::new(""));
    let query = query.unwrap_or_default();
    match application.manager.finish_web_login(&query, &session).await {
        Ok(_) => Ok("logged in"),
        Err(error) => Err(refuse(StatusCode::FORBIDDEN, &error)),
    }
}

/// Calls the API with the token of this session; it is refreshed where it has to be.
async fn call_api(State(application): State<Application>, headers: HeaderMap) -> Result<String, Response> {
    let session = session_of(&headers).ok_or_else(|| StatusCode::UNAUTHORIZED.into_response())?;
    let source = application.manager.source(&profile_of(&session));
    let answer = application
        .client
        .get(application.api)
        .source(source)
        .send()
        .await
        .map_err(|error| match error.as_token_error() {
            Some(token) if token.is_reauth_required() => StatusCode::UNAUTHORIZED.into_response(),
            _ => refuse(StatusCode::BAD_GATEWAY, &error),
        })?;
    let status = answer.status();
    match answer.text().await {
        Ok(text) if status.is_success() => Ok(text),
        Ok(text) => Err((StatusCode::BAD_GATEWAY, text).into_response()),
        Err(error) => Err(refuse(StatusCode::BAD_GATEWAY, &error)),
    }
}

fn refuse(status: StatusCode, error: &dyn Error) -> Response {
    let mut text = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        text = format!("{text}: {error}");
        below = error.source();
    }
    (status, text).into_response()
}

fn new_session() -> Outcome<Secret> {
    let mut random = [0; 32];
    getrandom::fill(&mut random)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(random)))
}

/// Tokens stand under the hash of their session: whoever can list profiles can't take one over.
fn profile_of(session: &Secret) -> Profile {
    Profile::from_parts(["session", &format!("{:x}", Sha256::digest(session.expose()))])
}

fn session_of(headers: &HeaderMap) -> Option<Secret> {
    let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
    let session = cookies
        .split(';')
        .find_map(|cookie| cookie.trim().strip_prefix("session="))?;
    (!session.is_empty()).then(|| Secret::new(session))
}

/// Shows in a moment what else takes ten minutes.
#[derive(Clone, Copy, Debug)]
struct ClockAhead(Duration);

impl Clock for ClockAhead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.0
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration)
    }
}
