//! A person logs in in a browser, anywhere, and pastes the last address or the code.

use tokenkeep::clock::Timestamp;
use tokenkeep::grant::{CallbackError, CodeExchange, PendingLogin};
use tokenkeep::key::Key;
use tokenkeep::login::{PasteError, Pasted};
use tokenkeep::record::Contents;
use tokenkeep::store::{RemoveIf, TokenStoreExt as _};
use url::Url;

use super::plan::Plan;
use super::with_client;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::session::Session;

/// Codes are good for minutes; so is a login under way.
const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) async fn run(session: &Session, plan: &Plan) -> Result<Option<Timestamp>> {
    let manager = session.manager(plan.registration.clone())?;
    let (url, pending) = manager.begin_login(&plan.redirect_uri, plan.request.clone())?;
    let key = remember(session, &url, &pending).await?;
    output::say(&format!(
        "open this address in a browser, anywhere, and log in:\n\n  {url}\n\nthen paste the address of the page you \
         are led to (it need not load), or the code, and press Enter:"
    ));
    let line = input::line().await?;
    let exchange = Pasted::parse(line.expose()).and_then(|pasted| pasted.accept(&manager, pending));
    // Whatever was pasted: this login is over, its state and verifier are used up.
    session.store.remove(&key, RemoveIf::Any).await?;
    let exchange: CodeExchange = exchange.map_err(|error| bad_paste(session, error))?;
    with_client(session, plan, async |manager| {
        manager
            .finish_login(session.profile(), exchange)
            .await
            .map(|token| token.expires_at())
    })
    .await
}

/// Written before anybody goes to a browser: a store that can't be written is found
/// out while nothing is lost.
pub(super) async fn remember(session: &Session, url: &Url, pending: &PendingLogin) -> Result<Key> {
    let state = url.query_pairs().find(|(name, _)| name == "state");
    let key = Key::login(session.profile(), state.as_ref().map_or("", |(_, value)| value));
    let contents = Contents::from(pending.record().clone());
    let keep_until = pending.record().begun_at.plus(KEPT_FOR);
    session
        .store
        .replace_contents(&key, &contents, Some(keep_until))
        .await?;
    Ok(key)
}

fn bad_paste(session: &Session, error: PasteError) -> Failure {
    let again = format!("begin again: {}", session.command("login"));
    let (exit, hint) = match &error {
        PasteError::Callback(CallbackError::Denied { .. }) => (Exit::Refused, again),
        PasteError::Callback(CallbackError::StateMismatch) => (
            Exit::Failure,
            format!("that address belongs to another login, perhaps in another tab; {again}"),
        ),
        PasteError::Callback(CallbackError::StateMissing) => (
            Exit::Failure,
            format!("paste the whole address, or the code alone; {again}"),
        ),
        _ => (Exit::Failure, again),
    };
    Failure::of(exit, error).hint(hint)
}
