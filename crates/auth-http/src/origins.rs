//! The origins that were named, each with the source of its tokens.

use std::fmt;

use auth_core::TokenSource;
use url::Url;

use crate::error::ClientError;
use crate::origin::Origin;

#[derive(Clone, Default)]
pub(crate) struct Origins(Vec<(Origin, TokenSource)>);

impl Origins {
    /// Names an origin; naming it again replaces its source.
    pub(crate) fn with(mut self, origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        let origin = Origin::new(origin).map_err(ClientError::Origin)?;
        self.0.retain(|(named, _)| *named != origin);
        self.0.push((origin, source));
        Ok(self)
    }

    /// The origin of this URL, if a token may go there.
    pub(crate) fn named(&self, url: &Url) -> Result<&(Origin, TokenSource), ClientError> {
        let named = self.0.iter().find(|(origin, _)| origin.holds(url));
        named.ok_or_else(|| ClientError::OriginNotAllowed(url.origin().ascii_serialization()))
    }

    /// The source of the one origin there is; `None` if there are several.
    #[cfg(feature = "tower")]
    pub(crate) fn only(&self) -> Option<&TokenSource> {
        match self.0.as_slice() {
            [(_, source)] => Some(source),
            _ => None,
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(origin, _)| origin)).finish()
    }
}
