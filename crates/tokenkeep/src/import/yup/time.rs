//! `expires_at`, in the three ways in which it was written: the nine numbers of the crate `time` (year, day of the
//! year, hour, minute, second, nanosecond, and the offset in hours, minutes and seconds), its text
//! `2030-01-31 12:00:00.0 +00:00:00`, and RFC 3339 by earlier versions.

use auth_core::clock::Timestamp;

use crate::import::error::{FormatError, Problem};
use crate::import::json::{Json, Object};

const FIELD: &str = "expires_at";
const DAY: i64 = 24 * 60 * 60;

pub(super) fn expiry(token: &mut Object) -> Result<Option<Timestamp>, FormatError> {
    let seconds = match token.take(FIELD)? {
        None | Some(Json::Null) => return Ok(None),
        Some(Json::List(list)) => of_numbers(&list),
        Some(Json::Text(text)) => of_text(text.expose()),
        Some(_) => None,
    };
    let seconds = seconds.ok_or(FormatError::of_field(FIELD, Problem::Kind("a time")))?;
    Ok(Some(Timestamp::from_unix_seconds(seconds)))
}

fn of_numbers(list: &[Json]) -> Option<i64> {
    let numbers = list.iter().map(|item| match item {
        Json::Number(number) => number.as_i64(),
        _ => None,
    });
    let numbers: Vec<i64> = numbers.collect::<Option<_>>()?;
    let [
        year,
        day,
        hour,
        minute,
        second,
        _nanosecond,
        offset_hours,
        offset_minutes,
        offset_seconds,
    ] = *numbers
    else {
        return None;
    };
    let days = (1..=366).contains(&day).then(|| days_before(year))?? + day - 1;
    let offset = offset_hours
        .checked_mul(3600)?
        .checked_add(offset_minutes.checked_mul(60)?)?;
    Some(days * DAY + clock(hour, minute, second)? - offset.checked_add(offset_seconds)?)
}

fn of_text(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let rest = rest.trim();
    let end = rest.find(['Z', '+', '-', ' ']).unwrap_or(rest.len());
    let (time, offset) = rest.split_at(end);
    let [year, month, day] = numbers(date, '-')?;
    // A fraction is no part of it: tokens end a little early.
    let [hour, minute, second] = numbers(time.split('.').next()?, ':')?;
    let days = days_before(year)? + day_of_year(year, month, day)?;
    Some(days * DAY + clock(hour, minute, second)? - offset_of(offset.trim())?)
}

fn offset_of(text: &str) -> Option<i64> {
    if text.is_empty() || text.starts_with('Z') {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let parts = text.get(1..)?.split(':').map(|part| part.parse().ok());
    let parts: Vec<i64> = parts.collect::<Option<_>>()?;
    let weights = [3600, 60, 1];
    (parts.len() <= 3).then(|| {
        sign * parts
            .iter()
            .zip(weights)
            .map(|(part, weight)| part * weight)
            .sum::<i64>()
    })
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let parsed: Vec<i64> = text
        .split(separator)
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    parsed.try_into().ok()
}

fn clock(hour: i64, minute: i64, second: i64) -> Option<i64> {
    let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
    is_time.then_some(hour * 3600 + minute * 60 + second)
}

/// The days from 1970 to the first of this year.
fn days_before(year: i64) -> Option<i64> {
    let leaps = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    (1..=9999)
        .contains(&year)
        .then(|| (year - 1970) * 365 + leaps(year - 1) - leaps(1969))
}

fn day_of_year(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = usize::try_from(month).ok()?.checked_sub(1)?;
    let length = *lengths.get(before)?;
    (1..=length)
        .contains(&day)
        .then(|| lengths[..before].iter().sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<i64> {
        let mut object = Json::parse(&format!("{{\"expires_at\":{json}}}"))
            .unwrap()
            .object()
            .unwrap();
        expiry(&mut object).ok().flatten().map(Timestamp::unix_seconds)
    }

    #[test]
    fn the_same_time_in_every_way() {
        // 2024-02-29T12:34:56Z is the 60th day of its year.
        for json in [
            "[2024,60,12,34,56,789000000,0,0,0]",
            "[2024,60,14,4,56,0,1,30,0]",
            "\"2024-02-29T12:34:56Z\"",
            "\"2024-02-29T12:34:56.789+00:00\"",
            "\"2024-02-29T10:34:56-02:00\"",
            "\"2024-02-29 12:34:56.789 +00:00:00\"",
        ] {
            assert_eq!(read(json), Some(1_709_210_096), "{json}");
        }
        assert_eq!(read("\"1970-01-01T00:00:00Z\""), Some(0));
        assert_eq!(read("[2100,1,0,0,0,0,0,0,0]"), Some(4_102_444_800));
    }

    #[test]
    fn what_is_no_time() {
        for json in [
            "[2024,60,12,34,56]",
            "[2024,367,0,0,0,0,0,0,0]",
            "\"2023-02-29T00:00:00Z\"",
            "\"soon\"",
            "17",
            "[2024,60,12,34,56,0,9223372036854775807,0,0]",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
