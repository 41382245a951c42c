//! One call: attach, send, and after a rejection send once more.

use auth_core::TokenSource;
use reqwest::{Request, Response};

use crate::attempt::{Attempt, Conduct, refuse_own_credentials};
use crate::error::ClientError;
use crate::origin::{Origin, has_user};

pub(super) struct Exchange<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) origin: &'a Origin,
    pub(super) source: &'a TokenSource,
    pub(super) conduct: Conduct,
}

impl Exchange<'_> {
    pub(super) async fn run(&self, request: Request) -> Result<Response, ClientError> {
        refuse_own_credentials(request.headers(), has_user(request.url()))?;
        let attempt = Attempt::first(self.source, self.conduct).await?;
        // `None` also where the body can't be had twice.
        let again = attempt.may_repeat().then(|| request.try_clone()).flatten();
        let response = self.send(request, &attempt).await?;
        let rejected = attempt.is_rejected(response.status(), response.headers()) && self.origin.holds(response.url());
        if !rejected {
            return Ok(response);
        }
        match (attempt.next().await?, again) {
            (Some(attempt), Some(request)) => self.send(request, &attempt).await,
            _ => Ok(response),
        }
    }

    async fn send(&self, mut request: Request, attempt: &Attempt<'_>) -> Result<Response, ClientError> {
        attempt.attach(request.headers_mut())?;
        self.http.execute(request).await.map_err(ClientError::http)
    }
}
