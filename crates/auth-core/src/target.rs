//! Targets: what an access token is for.

use std::collections::BTreeSet;

use crate::digest_name::{NameDigest, digest_name};

/// What an access token is for: audience, resources, scopes, resource server.
///
/// The default target is whatever the grant gives when nothing is asked for.
/// Two targets with the same parts are the same, whatever the order in which
/// scopes and resources were named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Target {
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resources: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    scopes: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_server: Option<String>,
}

impl Target {
    /// The default target.
    pub fn new() -> Self {
        Self::default()
    }

    /// For this audience (Auth0 and others; sent as `audience`).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// For this resource (RFC 8707; sent as `resource`, repeatable).
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resources.insert(resource.into());
        self
    }

    /// With this scope (RFC 6749 section 3.3); repeatable.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.insert(scope.into());
        self
    }

    /// With these scopes.
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// Of this resource server: where one answer carries tokens of several (Globus),
    /// this one. It is not sent; one request gets the tokens of all, and each is kept.
    /// A [login](crate::TokenManager::finish_login)'s own token is the first of them.
    pub fn resource_server(mut self, name: impl Into<String>) -> Self {
        self.resource_server = Some(name.into());
        self
    }

    /// The audience asked for.
    pub fn audience_name(&self) -> Option<&str> {
        self.audience.as_deref()
    }

    /// The resources asked for, sorted.
    pub fn resource_names(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(String::as_str)
    }

    /// The scopes asked for, sorted.
    pub fn scope_names(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(String::as_str)
    }

    /// The resource server asked for.
    pub fn resource_server_name(&self) -> Option<&str> {
        self.resource_server.as_deref()
    }

    /// Whether it only picks one of the tokens that are given where nothing in
    /// particular is asked for.
    pub(crate) fn only_picks(&self) -> bool {
        self.resource_server.is_some() && self.unpicked().is_default()
    }

    /// What is asked of the server for it: all tokens of which it picks one.
    pub(crate) fn unpicked(&self) -> Self {
        Self {
            resource_server: None,
            ..self.clone()
        }
    }

    /// Whether nothing in particular is asked for.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The target's identity in keys: a hash that no two different targets share.
    pub fn id(&self) -> TargetId {
        let mut digest = NameDigest::default();
        digest.parts(self.audience.iter());
        digest.parts(self.resources.iter());
        digest.parts(self.scopes.iter());
        digest.parts(self.resource_server.iter());
        TargetId::of_digest(digest)
    }
}

digest_name! {
    /// The hash by which a key names a [`Target`]: 16 bytes, shown as 32
    /// hexadecimal digits.
    TargetId
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn order_of_scopes_does_not_matter() {
        let one = Target::new().scope("b").scope("a");
        let two = Target::new().scopes(["a", "b", "a"]);
        assert_eq!(one, two);
        assert_eq!(one.id(), two.id());
    }

    #[test]
    fn each_part_counts() {
        let targets = [
            Target::new(),
            Target::new().audience("x"),
            Target::new().resource("x"),
            Target::new().scope("x"),
            Target::new().resource_server("x"),
            Target::new().scope("xy"),
            Target::new().scopes(["x", "y"]),
        ];
        for (i, left) in targets.iter().enumerate() {
            for (j, right) in targets.iter().enumerate() {
                assert_eq!(left.id() == right.id(), i == j, "{left:?} {right:?}");
            }
        }
    }

    fn any_target() -> impl Strategy<Value = Target> {
        let word = "[ab]{0,3}";
        (
            proptest::option::of(word),
            proptest::collection::btree_set(word, 0..3),
            proptest::collection::btree_set(word, 0..3),
        )
            .prop_map(|(audience, resources, scopes)| Target {
                audience,
                resources,
                scopes,
                resource_server: None,
            })
    }

    proptest! {
        #[test]
        fn different_targets_have_different_ids(left in any_target(), right in any_target()) {
            prop_assert_eq!(left == right, left.id() == right.id());
        }
    }
}
