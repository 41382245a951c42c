//! Small things about text: quoting for a shell, times, names that are alike.

use tokenkeep::clock::Timestamp;

/// A word as a POSIX shell reads it back.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// RFC 3339 in UTC, in whole seconds; `None` where the time has no such form.
pub(crate) fn rfc3339(time: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_second(time.unix_seconds()).ok()?;
    Some(time.to_string())
}

/// The names most like this one, the most alike first.
pub(crate) fn most_alike(name: &str, mut names: Vec<String>, limit: usize) -> Vec<String> {
    names.sort_by_cached_key(|other| (distance(name, other), other.clone()));
    names.truncate(limit);
    names
}

// Levenshtein: how many bytes to insert, delete or change.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        assert_eq!(shell_word("json:/tmp/a-b.json"), "json:/tmp/a-b.json");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn times_are_utc() {
        let time = Timestamp::from_unix_millis(1_800_000_000_999);
        assert_eq!(rfc3339(time).as_deref(), Some("2027-01-15T08:00:00Z"));
        assert_eq!(rfc3339(Timestamp::from_unix_millis(i64::MAX)), None);
    }

    #[test]
    fn near_names_come_first() {
        let names = ["prod", "staging", "dev", "default"].map(str::to_owned).to_vec();
        assert_eq!(most_alike("prd", names, 2), ["prod", "dev"]);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
