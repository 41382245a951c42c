//! Providers by the names under which people pick them.

use super::{Provider, auth0, foundry, globus, pancloud};
use crate::endpoint::EndpointError;

/// The names of the providers of which more is known than the standards say.
pub const NAMES: [&str; 4] = ["auth0", "foundry", "globus", "pancloud"];

/// Why a name makes no provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderNameError {
    /// There are several of it, and the place of none was given.
    #[error("the provider has many tenants or hosts: give the domain of one")]
    NeedsDomain,
    /// There is one of it, and a place was given.
    #[error("there is one of this provider: give no domain")]
    TakesNoDomain,
    /// The place makes no URL.
    #[error("the domain makes no URL")]
    Domain(#[from] EndpointError),
    /// No provider has this name.
    #[error("no such provider; there are: generic, {}", NAMES.join(", "))]
    Unknown,
}

/// The provider of this name, at this domain: a tenant of `auth0`, a host of `foundry`.
/// `generic` is not among them: such are made by [`generic`](super::generic) and
/// [`with_endpoints`](super::with_endpoints).
///
/// # Errors
/// [`ProviderNameError`].
pub fn by_name(name: &str, domain: Option<&str>) -> Result<Provider, ProviderNameError> {
    match (name, domain) {
        ("auth0", Some(domain)) => Ok(auth0(domain)?),
        ("foundry", Some(domain)) => Ok(foundry(domain)?),
        ("auth0" | "foundry", None) => Err(ProviderNameError::NeedsDomain),
        ("globus", None) => Ok(globus()),
        ("pancloud", None) => Ok(pancloud()),
        ("globus" | "pancloud", Some(_)) => Err(ProviderNameError::TakesNoDomain),
        _ => Err(ProviderNameError::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_name() {
        for name in NAMES {
            let provider = by_name(name, Some("x.example")).or_else(|_| by_name(name, None));
            assert_eq!(provider.unwrap().name, name);
        }
        assert_eq!(by_name("foundry", None), Err(ProviderNameError::NeedsDomain));
        assert_eq!(by_name("globus", Some("x")), Err(ProviderNameError::TakesNoDomain));
        assert!(matches!(
            by_name("auth0", Some("a b")),
            Err(ProviderNameError::Domain(_))
        ));
        assert_eq!(by_name("generic", None), Err(ProviderNameError::Unknown));
    }
}
