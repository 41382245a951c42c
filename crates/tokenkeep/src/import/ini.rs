//! INI as Python's `configparser` has it with its defaults: `%%` for a percent sign and `%(name)s` for another
//! value, a section `DEFAULT` that the others inherit, values over several lines by indentation, `#` and `;` for
//! comment lines, option names in any case, nothing twice.

use auth_core::Secret;

use super::error::{FormatError, Problem};

/// The section that the others inherit.
pub(super) const DEFAULT: &str = "DEFAULT";
/// How deep values may refer to values, as there.
const DEPTH_MAX: usize = 10;

/// A file: its sections in their order.
#[derive(Default)]
pub(super) struct Ini(Vec<Section>);

/// A section as it stands there, its options by their lower-case names.
pub(super) struct Section {
    pub(super) name: String,
    options: Vec<(String, String)>,
}

impl Ini {
    pub(super) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut ini = Self::default();
        let mut indent = 0;
        for (number, line) in (1..).zip(text.split('\n')) {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let content = line.trim();
            if content.starts_with(['#', ';']) {
                continue;
            }
            let depth = line.len() - line.trim_start().len();
            let Some(section) = ini.0.last_mut().filter(|_| depth > indent || content.is_empty()) else {
                indent = depth;
                ini.begin(content, number)?;
                continue;
            };
            if let Some((_, value)) = section.options.last_mut() {
                value.push('\n');
                value.push_str(content);
            } else if !content.is_empty() {
                ini.begin(content, number)?;
            }
        }
        Ok(ini)
    }

    /// All sections but the one that they inherit.
    pub(super) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.0.iter().filter(|section| section.name != DEFAULT)
    }

    /// The section that the others inherit, if it is there.
    pub(super) fn defaults(&self) -> Option<&Section> {
        self.0.iter().find(|section| section.name == DEFAULT)
    }

    /// An option of a section, or what it inherits, with what it refers to.
    pub(super) fn value(&self, section: &Section, name: &'static str) -> Result<Option<Secret>, FormatError> {
        let Some(raw) = self.raw(section, name) else {
            return Ok(None);
        };
        let value = self.resolved(section, raw, 1);
        value
            .map(|value| Some(Secret::new(value)))
            .map_err(|problem| FormatError::of_field(name, problem))
    }

    fn begin(&mut self, content: &str, line: usize) -> Result<(), FormatError> {
        let wrong = |what| Err(FormatError::of_file(Problem::Syntax { what, line, column: 1 }));
        if content.is_empty() {
            return Ok(());
        }
        if let Some(name) = content.strip_prefix('[').and_then(|rest| rest.rsplit_once(']')) {
            return self.begin_section(name.0);
        }
        let Some(section) = self.0.last_mut() else {
            return wrong("no section header where one must come first");
        };
        let Some((name, value)) = content.split_once(['=', ':']) else {
            return wrong("neither a section header nor NAME = VALUE");
        };
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            return wrong("a value without a name");
        }
        if section.options.iter().any(|(other, _)| *other == name) {
            return wrong("an option that is there twice");
        }
        section.options.push((name, value.trim().to_owned()));
        Ok(())
    }

    fn begin_section(&mut self, name: &str) -> Result<(), FormatError> {
        if self.0.iter().any(|section| section.name == name) {
            return Err(FormatError::of_entry(name, Problem::Twice));
        }
        self.0.push(Section {
            name: name.to_owned(),
            options: Vec::new(),
        });
        Ok(())
    }

    fn raw<'a>(&'a self, section: &'a Section, name: &str) -> Option<&'a str> {
        section
            .option(name)
            .or_else(|| self.defaults()?.option(name))
            .map(str::trim_end)
    }

    fn resolved(&self, section: &Section, raw: &str, depth: usize) -> Result<String, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::Reference);
        }
        let mut value = String::with_capacity(raw.len());
        let mut rest = raw;
        while let Some((before, after)) = rest.split_once('%') {
            value.push_str(before);
            if let Some(after) = after.strip_prefix('%') {
                value.push('%');
                rest = after;
                continue;
            }
            let reference = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
            let (name, after) = reference.ok_or(Problem::Percent)?;
            let other = self.raw(section, &name.to_lowercase()).ok_or(Problem::Reference)?;
            value.push_str(&self.resolved(section, other, depth + 1)?);
            rest = after;
        }
        value.push_str(rest);
        Ok(value)
    }
}

impl Section {
    fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A value as it is written so that it comes back the same.
pub(super) fn escaped(value: &str) -> String {
    value.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &'static str) -> Result<Option<String>, FormatError> {
        let ini = Ini::parse(text)?;
        let section = ini.sections().next().unwrap();
        Ok(ini.value(section, name)?.map(|value| value.expose().to_owned()))
    }

    #[test]
    fn values_are_read_as_there() {
        for (text, read) in [
            ("[a]\nx = 1 ; no comment\n", Some("1 ; no comment")),
            ("[a]\nX: 1\n", Some("1")),
            ("[DEFAULT]\nx=1\n[a]\ny=2\n", Some("1")),
            ("[a]\nx=a%%b%%%%\n", Some("a%b%%")),
            ("[a]\nx=%(y)s/%(Y)s\ny=1%%\n", Some("1%/1%")),
            ("[a]\n# comment\n\nx = 1\n  ; comment\n  2\n\n[b]\nx=3\n", Some("1\n2")),
            ("[a]\r\nx = \r\n", Some("")),
            ("[a]\ny = 1\n", None),
        ] {
            assert_eq!(value(text, "x").unwrap().as_deref(), read, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, words) in [
            ("x = 1\n", "line 1"),
            ("[a]\nx = 1\ncanary\n", "line 3"),
            ("[a]\nx = 1\nX = canary\n", "twice (line 3"),
            ("[a]\n[b]\n[a]\n", "entry a: it is there twice"),
            ("[a]\nx = canary%\n", "x has a percent sign"),
            ("[a]\nx = canary%d\n", "x has a percent sign"),
            ("[a]\nx = %(z)s canary\n", "x refers"),
            ("[a]\nx = %(x)s canary\n", "x refers"),
        ] {
            let error = value(text, "x").unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("canary"), "{text:?}: {error}");
        }
    }
}
