//! Rules on the source text: how long a file may be, and what must not stand in it.

use std::path::Path;

use crate::leaks;
use crate::run::{Failure, capture};
use crate::workspace::Workspace;

const LONGEST: usize = 400;

// In two pieces, so that this file obeys its own rule.
const FORBIDDEN: [&str; 3] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("#[", "ignore"),
];

/// Checks every tracked file (and every new one that git would track).
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let machine = leaks::machine_paths(std::env::var("HOME").ok().as_deref(), &workspace.root);
    let mut faults = Vec::new();
    for name in files(&workspace.root)? {
        // A file deleted but not yet committed is still listed.
        let Ok(bytes) = std::fs::read(workspace.root.join(&name)) else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            faults.extend(rust_faults(&name, &text));
        }
        faults.extend(leaks::faults(&name, &text, &machine));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure(faults.join("\n")))
    }
}

fn files(root: &Path) -> Result<Vec<String>, Failure> {
    let mut git = std::process::Command::new("git");
    git.current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let text = capture(&mut git)?;
    Ok(text.split_terminator('\0').map(str::to_owned).collect())
}

fn rust_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let length = production_lines(text);
    if is_production(name) && length > LONGEST {
        faults.push(format!("{name}: {length} lines before its tests; at most {LONGEST}"));
    }
    for (number, line) in text.lines().enumerate() {
        if let Some(word) = FORBIDDEN.iter().find(|word| line.contains(*word)) {
            faults.push(format!("{name}:{}: {word}", number + 1));
        }
    }
    faults
}

fn is_production(name: &str) -> bool {
    (name.starts_with("crates/") && name.contains("/src/")) || name.starts_with("xtask/src/")
}

/// Lines before the tests, which stand last in a file.
fn production_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let tests = lines
        .windows(2)
        .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::{FORBIDDEN, LONGEST, is_production, production_lines, rust_faults};

    #[test]
    fn tests_do_not_count() {
        assert_eq!(production_lines("a\nb\n#[cfg(test)]\nmod tests {\n}\n"), 2);
        assert_eq!(production_lines("a\n#[cfg(test)]\nfn helper() {}\nb\n"), 4);
        assert_eq!(production_lines(""), 0);
    }

    #[test]
    fn the_longest_file_allowed_is_allowed() {
        assert!(rust_faults("crates/x/src/lib.rs", &"\n".repeat(LONGEST)).is_empty());
        assert_eq!(rust_faults("crates/x/src/lib.rs", &"\n".repeat(LONGEST + 1)).len(), 1);
        assert!(rust_faults("crates/x/tests/all.rs", &"\n".repeat(LONGEST + 1)).is_empty());
    }

    #[test]
    fn forbidden_words_are_found_with_their_line() {
        let text = format!("\n    {})\n", FORBIDDEN[0]);
        let faults = rust_faults("e2e/tests/e2e.rs", &text);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("e2e/tests/e2e.rs:2:"), "{faults:?}");
    }

    #[test]
    fn production_is_what_is_built_from_src() {
        assert!(is_production("crates/auth-core/src/store/mod.rs"));
        assert!(is_production("xtask/src/main.rs"));
        assert!(!is_production("crates/auth-core/tests/conformance.rs"));
        assert!(!is_production("examples/quickstart.rs"));
    }
}
