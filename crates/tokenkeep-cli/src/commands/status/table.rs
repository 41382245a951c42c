//! The table for people.

use tokenkeep::clock::Timestamp;

use super::entry::{Entry, State};
use crate::duration;
use crate::text::rfc3339;

const HEAD: [&str; 6] = ["PROFILE", "STATE", "TIME LEFT", "REFRESH", "LAST REFRESH", "NEXT"];
const STATE_COLUMN: usize = 1;
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// The table, with colours that the stream takes out where they don't belong.
pub(super) fn render(entries: &[Entry], now: Timestamp) -> String {
    let rows: Vec<[String; 6]> = entries.iter().map(|entry| row(entry, now)).collect();
    let mut widths = HEAD.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&HEAD.map(str::to_owned), &widths, "");
    for (entry, row) in entries.iter().zip(&rows) {
        text.push_str(&line(row, &widths, colour(entry.state)));
    }
    text
}

fn row(entry: &Entry, now: Timestamp) -> [String; 6] {
    let left = match entry.time_left(now) {
        Some(left) if left.is_zero() => "expired".to_owned(),
        Some(left) => duration::words(left),
        None if matches!(entry.state, State::Valid | State::Ending) => "until a 401".to_owned(),
        None => "-".to_owned(),
    };
    [
        entry.profile.to_string(),
        entry.state.word().to_owned(),
        left,
        if entry.refreshable { "yes" } else { "no" }.to_owned(),
        entry.last_refresh.and_then(rfc3339).unwrap_or_else(|| "-".to_owned()),
        entry.next_action.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}

// Padded before it is coloured: colours have no width.
fn line(cells: &[String; 6], widths: &[usize; 6], colour: &str) -> String {
    let padded = cells.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
        let padded = format!("{cell:width$}");
        match column {
            STATE_COLUMN if !colour.is_empty() => format!("{colour}{padded}{PLAIN}"),
            _ => padded,
        }
    });
    let line: Vec<String> = padded.collect();
    format!("{}\n", line.join("  ").trim_end())
}

fn colour(state: State) -> &'static str {
    match state {
        State::Unreadable | State::LoginRequired => RED,
        State::Departing | State::LoggedOut | State::Ending | State::Refreshing => YELLOW,
        State::Renewable | State::Valid => GREEN,
    }
}
