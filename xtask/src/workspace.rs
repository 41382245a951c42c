//! The workspace as cargo describes it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::examples::Example;
use crate::run::{Failure, capture, cargo};

/// Root, target folder and crates.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
}

/// One crate of ours.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    /// Without a `default` that is only a list of others.
    pub(crate) features: Vec<String>,
    /// What it depends on outside its tests, by package name.
    pub(crate) dependencies: Vec<String>,
    pub(crate) examples: Vec<Example>,
}

impl Workspace {
    /// Asks `cargo metadata`.
    pub(crate) fn read() -> Result<Self, Failure> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
        let here = if top.join("Cargo.lock").exists() {
            top
        } else {
            Path::new(".")
        };
        let text = capture(cargo(here).args(["metadata", "--format-version", "1", "--locked", "--no-deps"]))?;
        let metadata = serde_json::from_str(&text)
            .map_err(|error| Failure(format!("cargo metadata did not print JSON: {error}")))?;
        Self::parse(&metadata).ok_or_else(|| Failure("cargo metadata: a field is missing".into()))
    }

    /// The crate of this name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The crates that are (or will be) published: those under `crates/`.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Member> {
        let crates = self.root.join("crates");
        self.members
            .iter()
            .filter(move |member| member.folder.starts_with(&crates))
    }

    fn parse(metadata: &Value) -> Option<Self> {
        let members: Option<Vec<Member>> = metadata["packages"].as_array()?.iter().map(Member::parse).collect();
        Some(Self {
            root: metadata["workspace_root"].as_str()?.into(),
            target: metadata["target_directory"].as_str()?.into(),
            members: members?,
        })
    }
}

impl Member {
    fn parse(package: &Value) -> Option<Self> {
        let dependencies = package["dependencies"].as_array()?;
        Some(Self {
            name: package["name"].as_str()?.to_owned(),
            folder: Path::new(package["manifest_path"].as_str()?).parent()?.to_owned(),
            features: features(&package["features"])?,
            dependencies: dependencies
                .iter()
                .filter(|dependency| dependency["kind"].as_str() != Some("dev"))
                .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned))
                .collect(),
            examples: package["targets"]
                .as_array()?
                .iter()
                .filter_map(Example::parse)
                .collect(),
        })
    }
}

fn features(table: &Value) -> Option<Vec<String>> {
    let table = table.as_object()?;
    let names_others = |of: &Value| {
        let mut of = of.as_array().into_iter().flatten();
        of.all(|other| other.as_str().is_some_and(|other| table.contains_key(other)))
    };
    let features = table
        .iter()
        .filter(|(name, of)| *name != "default" || !names_others(of));
    Some(features.map(|(name, _)| name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Workspace, features};

    #[test]
    fn metadata_is_read_without_test_dependencies() {
        let metadata = json!({
            "workspace_root": "/w",
            "target_directory": "/t",
            "packages": [
                {
                    "name": "store-x", "manifest_path": "/w/crates/store-x/Cargo.toml",
                    "features": {"default": ["fast"], "fast": []},
                    "targets": [
                        {"kind": ["lib"], "name": "store_x", "src_path": "/w/crates/store-x/src/lib.rs"},
                        {"kind": ["example"], "name": "share", "src_path": "/w/crates/store-x/examples/share.rs"},
                    ],
                    "dependencies": [
                        {"name": "auth-core", "kind": null},
                        {"name": "store-testkit", "kind": "dev"},
                        {"name": "cc", "kind": "build"},
                    ],
                },
                {"name": "xtask", "manifest_path": "/w/xtask/Cargo.toml", "features": {}, "targets": [],
                 "dependencies": []},
            ],
        });
        let workspace = Workspace::parse(&metadata).unwrap();
        let member = workspace.member("store-x").unwrap();
        assert_eq!(member.dependencies, ["auth-core", "cc"]);
        assert_eq!(member.features, ["fast"]);
        assert_eq!(member.examples.len(), 1);
        assert_eq!(workspace.libraries().count(), 1);
    }

    #[test]
    fn a_default_that_names_others_is_no_feature_of_its_own() {
        let of = |default| features(&json!({"default": default, "fast": ["dep:fast"]})).unwrap();
        assert_eq!(of(json!(["fast"])), ["fast"]);
        assert_eq!(of(json!(["dep:fast"])), ["default", "fast"]);
    }
}
