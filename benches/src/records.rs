//! What the stores are filled with.

use tokenkeep::record::{AccessEntry, Binding, Contents, GrantRecord, Recipe};
use tokenkeep::{Profile, Secret, Target, clock};

pub(crate) fn profile(number: usize) -> Profile {
    Profile::new(format!("profile-{number}")).unwrap()
}

/// A login with a refresh token and an access token of 600 bytes.
pub(crate) fn contents(number: usize) -> Contents {
    let recipe = Recipe::new("authorization_code", Target::new().scope("openid"));
    let binding = Binding::new(
        Some("https://auth.example".into()),
        Some("https://auth.example/token".into()),
        "app",
    );
    let mut grant = GrantRecord::new(recipe, binding);
    grant.refresh_token = Some(Secret::new(format!(
        "refresh-token-of-profile-{number}-0123456789abcdef"
    )));
    let now = clock::Timestamp::from_unix_seconds(1_800_000_000);
    grant.access = Some(AccessEntry::bearer(Secret::new("a".repeat(600)), now, None));
    grant.into()
}
