//! Limits on JSON from the network, checked before it is parsed.

/// The deepest nesting that is accepted.
pub(crate) const DEPTH_MAX: usize = 32;

/// The text of an object, without a byte order mark, which some servers put first and
/// RFC 8259 section 8.1 lets us ignore; `None` for any other value. A derived parser
/// would take an array for the members in their order.
pub(crate) fn object(text: &[u8]) -> Option<&[u8]> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.trim_ascii_start().starts_with(b"{").then_some(text)
}

/// Whether brackets nest deeper than [`DEPTH_MAX`]. Looks at bytes only, so that
/// a hostile text costs one pass and no memory.
pub(crate) fn too_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_are_objects() {
        assert_eq!(object(b"\xef\xbb\xbf \r\n\t{}"), Some(&b" \r\n\t{}"[..]));
        for other in ["", " ", "[{}]", "null", "\"{\"", "\u{feff}\u{feff}{}"] {
            assert_eq!(object(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn depth_is_counted_outside_strings() {
        assert!(!too_deep("[".repeat(32).as_bytes()));
        assert!(too_deep("[".repeat(33).as_bytes()));
        assert!(!too_deep(format!("{{\"a\":\"{}\"}}", "[".repeat(99)).as_bytes()));
        assert!(!too_deep(format!("\"\\\"{}\"", "{".repeat(99)).as_bytes()));
        assert!(too_deep(format!("\"\\\\\"{}", "{".repeat(33)).as_bytes()));
        assert!(!too_deep("[]".repeat(99).as_bytes()));
    }
}
