//! A login whose code comes later.

use std::fmt;

use auth_core::grant::{CodeExchange, PendingLogin};
use auth_core::manager::TokenManager;
use auth_core::{Profile, Target, TokenSource};
use auth_login::{PasteError, Pasted};
use url::Url;

use super::error::UserError;
use super::kept;

/// A login whose code comes later: the [URL](Self::url) first.
pub struct UserLogin {
    manager: TokenManager,
    profile: Profile,
    url: Url,
    pending: PendingLogin,
}

impl UserLogin {
    pub(super) fn begin(
        manager: TokenManager,
        profile: Profile,
        redirect_uri: &str,
        target: Target,
    ) -> Result<Self, UserError> {
        let (url, pending) = manager.begin_login(redirect_uri, target)?;
        Ok(Self {
            manager,
            profile,
            url,
            pending,
        })
    }

    /// Where the person goes.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Ends the login with what the person brought: the code, or the whole address that
    /// they were led to, whose `state` is then checked. What is wrong costs nothing:
    /// another try is welcome.
    ///
    /// # Errors
    /// [`UserError::Entered`], and those of the token request and the store.
    pub async fn finish(&mut self, entered: &str) -> Result<TokenSource, UserError> {
        let code = self.accept(Pasted::parse(entered)?)?;
        self.finish_with(code).await
    }

    pub(super) fn accept(&mut self, pasted: Pasted) -> Result<CodeExchange, PasteError> {
        pasted.accept(&self.manager, self.pending.clone())
    }

    pub(super) async fn finish_with(&self, code: CodeExchange) -> Result<TokenSource, UserError> {
        kept::keep_client(&self.manager, &self.profile).await?;
        self.manager.finish_login(&self.profile, code).await?;
        Ok(self.manager.source(&self.profile))
    }
}

impl fmt::Debug for UserLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserLogin")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
