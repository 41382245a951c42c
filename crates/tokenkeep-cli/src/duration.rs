//! Durations as people write and read them.

use std::time::Duration;

/// Reads `90`, `90s`, `5m`, `1h`, `2d`.
///
/// # Errors
/// Says how to write it.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(end) => text.split_at(end),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("write a duration like 90, 90s, 5m, 1h or 2d".into()),
    };
    let number: u64 = number.parse().map_err(|_| "write a duration like 90, 90s, 5m or 1h")?;
    let seconds = number.checked_mul(factor).ok_or("that is too long")?;
    Ok(Duration::from_secs(seconds))
}

/// Writes the two largest units: `2d 3h`, `59m 3s`, `0s`.
pub(crate) fn words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let first = units.iter().position(|(count, _)| *count > 0).unwrap_or(3);
    let shown: Vec<String> = units[first..]
        .iter()
        .take(2)
        .enumerate()
        .filter(|(index, (count, _))| *index == 0 || *count > 0)
        .map(|(_, (count, unit))| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

/// Writes the largest unit only: `2d`, `59m`, `0s`.
pub(crate) fn largest_unit(duration: Duration) -> String {
    let words = words(duration);
    words.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write() {
        for (text, seconds) in [("90", 90), ("0s", 0), ("5m", 300), ("1h", 3600), ("2d", 172_800)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "5 m",
            "-1",
            "1.5h",
            "5x",
            "99999999999999999999",
            "99999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_people_read() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (61, "1m 1s"), (3600, "1h"), (93_784, "1d 2h")] {
            assert_eq!(words(Duration::from_secs(seconds)), text);
        }
        assert_eq!(largest_unit(Duration::from_secs(3661)), "1h");
    }
}
