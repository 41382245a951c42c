//! Who may depend on whom. Tests may depend on anything.

use crate::workspace::Workspace;

/// One line for each dependency between our crates that the layout does not know.
pub(crate) fn faults(workspace: &Workspace) -> Vec<String> {
    let mut faults = Vec::new();
    for member in &workspace.members {
        for dependency in &member.dependencies {
            if workspace.member(dependency).is_some() && !may(&member.name, dependency) {
                faults.push(format!("{} may not depend on {dependency}", member.name));
            }
        }
    }
    faults
}

fn may(from: &str, to: &str) -> bool {
    match from {
        "auth-core" | "test-services" => false,
        "xtask" => to == "test-services",
        "tokenkeep" => to == "auth-core" || is_adapter(to),
        "tokenkeep-cli" => to == "tokenkeep",
        // Not published: they use what a user would, and the test server.
        "benches" | "e2e" | "examples" => matches!(to, "tokenkeep" | "store-testkit" | "auth-core" | "test-services"),
        adapter => to == "auth-core" && (is_adapter(adapter) || adapter == "store-testkit"),
    }
}

fn is_adapter(name: &str) -> bool {
    name != "store-testkit" && (name.starts_with("store-") || name.starts_with("auth-")) && name != "auth-core"
}

#[cfg(test)]
mod tests {
    use super::{faults, may};
    use crate::workspace::{Member, Workspace};

    #[test]
    fn the_layers_of_the_layout_hold() {
        for (from, to) in [
            ("store-json", "auth-core"),
            ("store-kms", "auth-core"),
            ("auth-http", "auth-core"),
            ("auth-login", "auth-core"),
            ("store-testkit", "auth-core"),
            ("tokenkeep", "auth-core"),
            ("tokenkeep", "store-json"),
            ("tokenkeep", "auth-http"),
            ("tokenkeep-cli", "tokenkeep"),
            ("e2e", "store-testkit"),
            ("e2e", "test-services"),
            ("xtask", "test-services"),
        ] {
            assert!(may(from, to), "{from} -> {to}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (from, to) in [
            ("auth-core", "auth-http"),
            ("auth-core", "store-testkit"),
            ("store-json", "store-testkit"),
            ("store-json", "auth-http"),
            ("store-json", "tokenkeep"),
            ("auth-login", "auth-http"),
            ("store-testkit", "store-json"),
            ("tokenkeep", "store-testkit"),
            ("tokenkeep", "tokenkeep-cli"),
            ("tokenkeep-cli", "auth-core"),
            ("tokenkeep-cli", "store-json"),
            ("xtask", "tokenkeep"),
            ("new-crate", "auth-core"),
        ] {
            assert!(!may(from, to), "{from} -> {to}");
        }
    }

    #[test]
    fn dependencies_on_others_are_not_our_layers() {
        let member = |name: &str, dependencies: &[&str]| Member {
            name: name.into(),
            folder: "/w".into(),
            features: vec![],
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
            examples: vec![],
        };
        let members = vec![
            member("auth-core", &["serde", "auth-http"]),
            member("auth-http", &["reqwest"]),
        ];
        let workspace = Workspace {
            root: "/w".into(),
            target: "/t".into(),
            members,
        };
        assert_eq!(faults(&workspace), ["auth-core may not depend on auth-http"]);
    }
}
