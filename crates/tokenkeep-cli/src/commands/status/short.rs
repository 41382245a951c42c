//! One line for a prompt: little is read, nothing is listed.

use tokenkeep::Profile;
use tokenkeep::clock::Timestamp;

use super::entry::{Entry, State};
use crate::duration;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

pub(super) async fn run(session: &Session, mut wanted: Vec<Profile>) -> Result<()> {
    if wanted.is_empty() {
        wanted.push(session.profile().clone());
    }
    let entries = super::entries(session, &wanted).await;
    let now = Session::now();
    let lines: String = entries.iter().map(|entry| line(entry, now)).collect();
    output::result(lines.as_bytes())?;
    match Exit::worst(entries.iter().map(|entry| exit(entry.state))) {
        Exit::Ok => Ok(()),
        exit => Err(Failure::silent(exit)),
    }
}

fn line(entry: &Entry, now: Timestamp) -> String {
    let left = match (entry.state, entry.time_left(now)) {
        (State::Valid | State::Ending, Some(left)) => duration::largest_unit(left),
        _ => entry.state.word().to_owned(),
    };
    format!("{} {left}\n", entry.profile)
}

fn exit(state: State) -> Exit {
    match state {
        State::Unreadable => Exit::Store,
        State::Departing => Exit::Configuration,
        State::LoginRequired | State::LoggedOut => Exit::LoginRequired,
        State::Ending | State::Refreshing | State::Renewable | State::Valid => Exit::Ok,
    }
}
