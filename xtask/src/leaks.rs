//! What says something about the machine a file was written on.

use std::path::Path;

// Folders that any text may name.
const COMMON: [&str; 14] = [
    "/app",
    "/builds",
    "/etc",
    "/home",
    "/mnt",
    "/opt",
    "/private",
    "/src",
    "/srv",
    "/tmp",
    "/usr",
    "/var",
    "/workspace",
    "/workspaces",
];

/// The paths that no file may name: the home folder, the checkout and the folder it lies in.
pub(crate) fn machine_paths(home: Option<&str>, checkout: &Path) -> Vec<String> {
    let home = home.map(str::to_owned);
    let checkout = [Some(checkout), checkout.parent()]
        .into_iter()
        .flatten()
        .map(|path| path.to_string_lossy().into_owned());
    let mut paths: Vec<String> = home
        .into_iter()
        .chain(checkout)
        .map(|path| path.trim_end_matches('/').to_owned())
        .filter(|path| path.starts_with('/') && !COMMON.contains(&path.as_str()))
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

/// One line for each machine path and each address of a package in a lock file.
pub(crate) fn faults(name: &str, text: &str, machine: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(path) = machine.iter().find(|path| names_path(line, path)) {
            faults.push(format!("{name}:{}: names {path}, a path of this machine", number + 1));
        }
        if line.contains(concat!("\"resolved\": ", "\"http")) {
            faults.push(format!(
                "{name}:{}: a lock file names where a package was got",
                number + 1
            ));
        }
    }
    faults
}

/// Whether the path stands there as a whole and from its start, not inside a longer one.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + path.len()..].chars().next();
        !before.is_some_and(is_part_of_name) && !after.is_some_and(is_part_of_name)
    })
}

fn is_part_of_name(character: char) -> bool {
    character.is_alphanumeric() || "_-.*~}".contains(character)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{faults, machine_paths, names_path};

    #[test]
    fn home_checkout_and_its_folder_are_machine_paths() {
        assert_eq!(
            machine_paths(Some("/home/ann"), Path::new("/data/code/keep")),
            ["/data/code", "/data/code/keep", "/home/ann"]
        );
    }

    #[test]
    fn common_folders_are_not() {
        assert_eq!(machine_paths(Some("/"), Path::new("/tmp/keep")), ["/tmp/keep"]);
        assert!(machine_paths(None, Path::new("/")).is_empty());
    }

    #[test]
    fn a_path_counts_as_a_whole_only() {
        assert!(names_path("see /home/ann/notes", "/home/ann"));
        assert!(names_path("\"/home/ann\"", "/home/ann"));
        assert!(names_path("file:///home/ann", "/home/ann"));
        assert!(!names_path("/home/anna", "/home/ann"));
        assert!(!names_path("docs/home/ann", "/home/ann"));
    }

    #[test]
    fn leaks_are_listed_with_their_line() {
        let machine = ["/home/ann".to_owned()];
        let lock = format!(
            "{{\n  {}s://example.org/a.tgz\"\n}}",
            concat!("\"resolved\": ", "\"http")
        );
        assert_eq!(faults("notes.md", "a\n/home/ann/x\n", &machine).len(), 1);
        assert_eq!(faults("package-lock.json", &lock, &machine).len(), 1);
        assert!(faults("package-lock.json", "{\n  \"version\": \"1.0.0\"\n}", &machine).is_empty());
    }
}
