//! The examples: each says at its head by which one command it runs.

use std::path::PathBuf;

use serde_json::Value;

use crate::run::Failure;
use crate::workspace::Workspace;

/// One example of a crate.
#[derive(Debug)]
pub(crate) struct Example {
    name: String,
    file: PathBuf,
    /// Without these it is not built.
    features: Vec<String>,
}

impl Example {
    /// A target of `cargo metadata`; `None` if it is no example.
    pub(crate) fn parse(target: &Value) -> Option<Self> {
        let kinds = target["kind"].as_array()?;
        let features = target["required-features"].as_array();
        kinds.contains(&Value::from("example")).then_some(())?;
        Some(Self {
            name: target["name"].as_str()?.to_owned(),
            file: target["src_path"].as_str()?.into(),
            features: features
                .into_iter()
                .flatten()
                .filter_map(|feature| feature.as_str().map(str::to_owned))
                .collect(),
        })
    }

    /// What runs it, from the root.
    fn command(&self) -> String {
        let run = format!("cargo run --release --example {}", self.name);
        if self.features.is_empty() {
            return run;
        }
        format!("{run} --features {}", self.features.join(","))
    }

    /// What `cargo check` takes to check it as its command builds it; `None` if it needs no feature.
    pub(crate) fn check(&self) -> Option<Vec<String>> {
        let features = (!self.features.is_empty()).then(|| self.features.join(","))?;
        let arguments = ["--example", &self.name, "--features", &features];
        Some(arguments.map(str::to_owned).to_vec())
    }

    /// Whether a line of its head is that command; a remark may follow.
    fn says(&self, text: &str) -> bool {
        let command = self.command();
        let lines = text.lines().filter_map(|line| line.strip_prefix("//! "));
        lines
            .filter_map(|line| line.strip_prefix(command.as_str()))
            .any(|rest| rest.is_empty() || rest.starts_with("  "))
    }
}

/// Each example names the command that runs it.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let mut faults = Vec::new();
    for example in workspace.members.iter().flat_map(|member| &member.examples) {
        let text = std::fs::read_to_string(&example.file)
            .map_err(|error| Failure(format!("{} can't be read: {error}", example.file.display())))?;
        if !example.says(&text) {
            faults.push(format!(
                "{}: its head does not say: {}",
                example.file.display(),
                example.command()
            ));
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure(faults.join("\n")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Example;

    #[test]
    fn an_example_says_its_command_with_its_features() {
        let target = json!({
            "kind": ["example"], "name": "share", "src_path": "/w/examples/share.rs", "required-features": ["redis"],
        });
        let example = Example::parse(&target).unwrap();
        assert!(example.says("//! x\n//! cargo run --release --example share --features redis\n"));
        assert!(example.says("//! cargo run --release --example share --features redis   # slow\n"));
        assert!(!example.says("//! cargo run --release --example share\n"));
        assert!(!example.says("//! cargo run --release --example share --features redis,more\n"));
        assert_eq!(example.check().unwrap(), ["--example", "share", "--features", "redis"]);
    }

    #[test]
    fn without_features_it_says_none() {
        let target = json!({"kind": ["example"], "name": "share", "src_path": "/w/share.rs"});
        let example = Example::parse(&target).unwrap();
        assert_eq!(example.check(), None);
        assert!(example.says("//! cargo run --release --example share\n"));
        assert!(!example.says("//! cargo run --release --example share --features redis\n"));
    }

    #[test]
    fn other_targets_are_no_examples() {
        assert!(Example::parse(&json!({"kind": ["lib"], "name": "x", "src_path": "/w/lib.rs"})).is_none());
    }
}
