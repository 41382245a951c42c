//! SPDX licence expressions: `OR`, `AND`, parentheses, and the old `/` for `OR`.

const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Zlib",
];

/// Whether the expression can be satisfied with allowed licences alone. Nonsense can not.
pub(crate) fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = Words {
        words: spaced.split_whitespace().collect(),
        next: 0,
    };
    words.any_of() == Some(true) && words.next == words.words.len()
}

struct Words<'e> {
    words: Vec<&'e str>,
    next: usize,
}

impl Words<'_> {
    fn any_of(&mut self) -> Option<bool> {
        let mut allowed = self.all_of()?;
        while self.take("OR") {
            allowed |= self.all_of()?;
        }
        Some(allowed)
    }

    fn all_of(&mut self) -> Option<bool> {
        let mut allowed = self.one()?;
        while self.take("AND") {
            allowed &= self.one()?;
        }
        Some(allowed)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let allowed = self.any_of()?;
            return self.take(")").then_some(allowed);
        }
        let mut name = (*self.words.get(self.next)?).to_owned();
        self.next += 1;
        if self.take("WITH") {
            name = format!("{name} WITH {}", self.words.get(self.next)?);
            self.next += 1;
        }
        Some(ALLOWED.contains(&name.as_str()))
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.next) == Some(&word);
        self.next += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn one_allowed_side_of_or_is_enough() {
        assert!(allowed("MIT"));
        assert!(allowed("GPL-3.0-only OR MIT"));
        assert!(allowed("Unlicense OR MIT"));
        assert!(allowed("MIT/Apache-2.0"));
        assert!(allowed("Apache-2.0 / MIT"));
        assert!(!allowed("GPL-3.0-only OR AGPL-3.0-only"));
    }

    #[test]
    fn every_side_of_and_is_needed() {
        assert!(allowed("ISC AND (Apache-2.0 OR ISC)"));
        assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!allowed("MIT AND GPL-3.0-only"));
        assert!(!allowed("(GPL-3.0-only OR MIT) AND LGPL-2.1-only"));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(allowed("MIT OR GPL-3.0-only AND LGPL-2.1-only"));
        assert!(!allowed("GPL-3.0-only AND MIT OR LGPL-2.1-only"));
    }

    #[test]
    fn exceptions_belong_to_the_name() {
        assert!(allowed("Apache-2.0 WITH LLVM-exception OR GPL-3.0-only"));
        assert!(!allowed("GPL-2.0 WITH Classpath-exception-2.0"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "",
            "MIT MIT",
            "(MIT",
            "MIT)",
            "OR",
            "MIT OR",
            "MIT AND",
            "Apache-2.0 WITH",
            "mit",
        ] {
            assert!(!allowed(text), "{text:?}");
        }
    }
}
