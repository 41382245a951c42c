//! A login that waits for its answer, and one that has it.

use std::convert::Infallible;
use std::fmt;

use auth_core::grant::{Callback, CallbackError, CodeExchange, PendingLogin};
use auth_core::{Secret, TokenManager};
use tokio::sync::mpsc;
use url::Url;

use super::{LoginError, LoopbackLogin, Notice};
use crate::listener::{Listener, Verdict};
use crate::page::Page;
use crate::paste::{PasteError, Pasted};

/// A login that waits for its answer. Dropping it closes the listener.
pub struct BegunLogin {
    login: LoopbackLogin,
    listener: Listener,
    url: Url,
    pending: PendingLogin,
}

/// A login that has its code. Dropping it leaves the browser without a page.
pub struct ReceivedCode {
    login: LoopbackLogin,
    listener: Listener,
    exchange: CodeExchange,
}

impl BegunLogin {
    pub(super) fn new(login: LoopbackLogin, listener: Listener, url: Url, pending: PendingLogin) -> Self {
        Self {
            login,
            listener,
            url,
            pending,
        }
    }

    /// The address for the browser.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where the browser is to come back to.
    pub fn redirect_uri(&self) -> &str {
        self.listener.redirect_uri()
    }

    /// The login under way.
    pub fn pending(&self) -> &PendingLogin {
        &self.pending
    }

    /// Opens the browser, and waits for it to come back, or for a paste: the first
    /// valid answer counts. A browser that brings a refusal is shown it.
    ///
    /// # Errors
    /// [`LoginError::Callback`], [`LoginError::TimedOut`].
    pub async fn receive(self) -> Result<ReceivedCode, LoginError> {
        let Self {
            mut login,
            mut listener,
            url,
            pending,
        } = self;
        (login.notice)(Notice::Begun(url.clone()));
        let mut lines = login.pasted.take();
        let outcome = {
            let judge = |callback: &Callback| judge(&login.manager, &pending, callback);
            tokio::select! {
                answer = listener.wait(login.timeout, judge) => answer.ok_or(LoginError::TimedOut(login.timeout))?,
                pasted = first_paste(&login, &pending, lines.as_mut()) => pasted,
                never = open_browser(&login, &url) => match never {},
            }
        };
        match outcome {
            Ok(exchange) => Ok(ReceivedCode {
                login,
                listener,
                exchange,
            }),
            Err(error) => {
                listener
                    .show(&Page::failure(&error.to_string(), &login.return_to))
                    .await;
                Err(error.into())
            }
        }
    }
}

impl ReceivedCode {
    /// Exchanges the code by `exchange`, and shows the browser how that ended; a
    /// failure in the words of `describe`.
    ///
    /// # Errors
    /// Those of `exchange`.
    pub async fn finish<T, E, F>(
        self,
        exchange: impl FnOnce(CodeExchange) -> F,
        describe: impl FnOnce(&E) -> String,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        let Self {
            login,
            mut listener,
            exchange: code,
        } = self;
        let unfinished = Page::unfinished(&login.return_to);
        let outcome = listener.during(exchange(code), &unfinished).await;
        let page = match &outcome {
            Ok(_) => success(&login),
            Err(error) => Page::failure(&describe(error), &login.return_to),
        };
        listener.show(&page).await;
        outcome
    }
}

/// Only a stranger's answer is passed over. One with our `state` ends the login,
/// whatever is wrong with it: the browser that was sent has come back.
fn judge(
    manager: &TokenManager,
    pending: &PendingLogin,
    callback: &Callback,
) -> Verdict<Result<CodeExchange, CallbackError>> {
    match manager.accept_callback(pending.clone(), callback) {
        Err(CallbackError::StateMissing | CallbackError::StateMismatch) => Verdict::Stray,
        outcome => Verdict::Taken(outcome),
    }
}

/// The first paste that ends the login; the others are said.
async fn first_paste(
    login: &LoopbackLogin,
    pending: &PendingLogin,
    lines: Option<&mut mpsc::Receiver<Secret>>,
) -> Result<CodeExchange, CallbackError> {
    if let Some(lines) = lines {
        while let Some(line) = lines.recv().await {
            match Pasted::parse(line.expose()).and_then(|pasted| pasted.accept(&login.manager, pending.clone())) {
                Ok(exchange) => return Ok(exchange),
                Err(PasteError::Callback(error @ (CallbackError::Denied { .. } | CallbackError::Expired))) => {
                    return Err(error);
                }
                Err(error) => (login.notice)(Notice::Paste(error)),
            }
        }
    }
    std::future::pending().await
}

async fn open_browser(login: &LoopbackLogin, url: &Url) -> Infallible {
    if let Err(error) = login.browser.open(url).await {
        (login.notice)(Notice::Browser(error));
    }
    std::future::pending().await
}

fn success(login: &LoopbackLogin) -> Page {
    let profile = format!("Profile: {}", login.profile);
    let issuer = login.manager.registration().provider().issuer.as_ref();
    let issuer = issuer.map(|issuer| format!("Logged in at: {issuer}"));
    let lines: Vec<&str> = std::iter::once(&*profile).chain(issuer.as_deref()).collect();
    Page::success(&lines, &login.return_to)
}

impl fmt::Debug for BegunLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BegunLogin")
            .field("login", &self.login)
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ReceivedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedCode")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}
