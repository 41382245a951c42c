//! `docs/parity.md`: each statement of the older clients' documents, and the test that shows it here.
//!
//! A row is `| id | statement | here | shown by |`. Its last cell names tests, each as
//! `path/to/file.rs::test_name` in backticks, or begins with `Differs:` or `Product:` and a reason.

use std::collections::BTreeSet;
use std::path::Path;

use crate::run::Failure;
use crate::workspace::Workspace;

const PAGE: &str = "docs/parity.md";

/// The documents, and the faults of those clients: a letter each, and the last number of their statements.
const DOCUMENTS: [(char, u32); 6] = [('A', 26), ('B', 36), ('C', 24), ('D', 18), ('E', 15), ('F', 14)];
/// Numbered between two others.
const BETWEEN: &str = "A21b";

const REASONS: [&str; 2] = ["Differs:", "Product:"];
/// Shorter is no reason.
const SHORTEST_REASON: usize = 30;

/// Every statement has its row, and every test that a row names is there.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let page = std::fs::read_to_string(workspace.root.join(PAGE))
        .map_err(|error| Failure(format!("{PAGE} can't be read: {error}")))?;
    let faults = faults(&page, |test| is_there(&workspace.root, test));
    if faults.is_empty() {
        return Ok(());
    }
    Err(Failure(faults.join("\n")))
}

fn faults(page: &str, is_there: impl Fn(Shown) -> bool) -> Vec<String> {
    let rows: Vec<(String, &str)> = page.lines().filter_map(row).collect();
    let mut seen = BTreeSet::new();
    let mut faults = Vec::new();
    for (id, shown_by) in &rows {
        if !seen.insert(id.as_str()) {
            faults.push(format!("{PAGE}: {id} has two rows"));
        }
        faults.extend(row_fault(id, shown_by, &is_there));
    }
    let missing = ids().into_iter().filter(|id| !seen.contains(id.as_str()));
    faults.extend(missing.map(|id| format!("{PAGE}: {id} has no row")));
    faults
}

fn row_fault(id: &str, shown_by: &str, is_there: impl Fn(Shown) -> bool) -> Option<String> {
    if !ids().contains(id) {
        return Some(format!("{PAGE}: {id} is no statement of the documents"));
    }
    if let Some(reason) = REASONS.iter().find_map(|word| shown_by.strip_prefix(word)) {
        return (reason.trim().len() < SHORTEST_REASON).then(|| format!("{PAGE}: {id} gives no reason"));
    }
    let tests: Vec<&str> = shown_by.split('`').skip(1).step_by(2).collect();
    if tests.is_empty() {
        return Some(format!("{PAGE}: {id} names neither a test nor a reason"));
    }
    let lost = tests
        .into_iter()
        .find(|test| !Shown::parse(test).is_some_and(&is_there))?;
    Some(format!("{PAGE}: {id} names {lost}, which is no test"))
}

/// The id and the last cell of a row of the table.
fn row(line: &str) -> Option<(String, &str)> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split(" | ").collect();
    let (first, last) = (cells.first()?.trim(), cells.last()?.trim());
    let is_id =
        first.starts_with(|c: char| c.is_ascii_uppercase()) && first[1..].starts_with(|c: char| c.is_ascii_digit());
    (is_id && cells.len() == 4).then(|| (first.to_owned(), last))
}

fn ids() -> BTreeSet<String> {
    let numbered = DOCUMENTS
        .into_iter()
        .flat_map(|(letter, last)| (1..=last).map(move |number| format!("{letter}{number}")));
    numbered.chain([BETWEEN.to_owned()]).collect()
}

/// A test, as a row names it.
#[derive(Clone, Copy)]
struct Shown<'a> {
    file: &'a str,
    test: &'a str,
}

impl<'a> Shown<'a> {
    fn parse(reference: &'a str) -> Option<Self> {
        let (file, test) = reference.split_once("::")?;
        Some(Self { file, test })
    }
}

fn is_there(root: &Path, shown: Shown) -> bool {
    let text = std::fs::read_to_string(root.join(shown.file)).unwrap_or_default();
    has_test(&text, shown.test)
}

/// Whether a test of this name stands in the text: a function under `#[test]` or
/// `#[tokio::test]`.
fn has_test(text: &str, name: &str) -> bool {
    let signature = format!("fn {name}(");
    let mut under_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            under_test = true;
        } else if line.contains("fn ") && !line.starts_with("//") {
            if under_test && line.contains(&signature) {
                return true;
            }
            under_test = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(change: impl Fn(&str) -> Option<String>) -> String {
        ids().iter().filter_map(|id| change(id)).collect::<Vec<_>>().join("\n")
    }

    fn good(id: &str) -> String {
        format!("| {id} | says | does | `crates/x/tests/a.rs::works` |")
    }

    fn found(page: &str) -> Vec<String> {
        faults(page, |shown| {
            shown.file == "crates/x/tests/a.rs" && shown.test == "works"
        })
    }

    #[test]
    fn a_whole_page_is_good() {
        assert_eq!(found(&page(|id| Some(good(id)))), Vec::<String>::new());
    }

    #[test]
    fn a_missing_row_is_found() {
        let page = page(|id| (id != "A21b").then(|| good(id)));
        assert_eq!(found(&page), ["docs/parity.md: A21b has no row"]);
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let lost = |id: &str| {
            let row = good(id);
            Some(if id == "C5" {
                row.replace("works", "does_not")
            } else {
                row
            })
        };
        let faults = found(&page(lost));
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("C5") && faults[0].contains("does_not"), "{faults:?}");
    }

    #[test]
    fn a_row_gives_a_test_or_a_reason() {
        let odd = |last: &str| {
            page(|id| {
                Some(if id == "E3" {
                    format!("| E3 | a | b | {last} |")
                } else {
                    good(id)
                })
            })
        };
        assert_eq!(
            found(&odd("Product: registration is a matter of their web site")),
            Vec::<String>::new()
        );
        assert_eq!(found(&odd("Differs: it does")).len(), 1);
        assert_eq!(found(&odd("somewhere")).len(), 1);
        assert_eq!(
            found(&format!(
                "{}\n{}",
                odd("Product: registration is a matter of their web site"),
                good("E3")
            ))
            .len(),
            1
        );
    }

    #[test]
    fn only_tests_are_tests() {
        let text = "#[test]\n#[cfg(unix)]\nfn one() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\nfn three() {}\n// fn four(\n";
        assert!(has_test(text, "one") && has_test(text, "two"));
        assert!(!has_test(text, "three") && !has_test(text, "four") && !has_test(text, "tw"));
    }
}
