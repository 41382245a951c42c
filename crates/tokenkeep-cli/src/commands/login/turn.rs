//! One login of a person at a time for each profile: a second one waits for the first,
//! and uses what came of it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokenkeep::clock::Timestamp;
use tokenkeep::record::GrantRecord;

use super::code::TIMEOUT;
use super::plan::Plan;
use super::refuse_other_client;
use crate::args::Login;
use crate::duration;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;
use crate::private_folder;
use crate::session::Session;

const PAUSE: Duration = Duration::from_millis(100);

/// Whose turn it is.
pub(super) enum Turn {
    /// Ours, until this is dropped; without a lock where none can be had.
    Ours(Option<File>),
    /// Another login of the same client for the same things was there first, and has
    /// succeeded; when its access token ends.
    Done(Option<Timestamp>),
}

/// Waits for a login of the same profile in the same store, if one is under way.
pub(super) async fn take(session: &Session, args: &Login, plan: &Plan, before: Option<&GrantRecord>) -> Result<Turn> {
    let mut lock = match lock_file(session) {
        Ok(file) => file,
        Err(error) => {
            // Two logins at once are a nuisance; none at all would be worse.
            tracing::warn!(target: "tokenkeep", %error, "other logins of this profile can't be noticed");
            return Ok(Turn::Ours(None));
        }
    };
    if held(&lock)? {
        wait(session, args, &mut lock).await?;
        let stored = session.client_record().await?;
        let grant = session.grant_record().await?;
        if let Some(grant) = grant.as_ref().filter(|grant| is_ours(grant, plan, before)) {
            output::say("that login has succeeded: nothing is left to do");
            return Ok(Turn::Done(grant.access.as_ref().and_then(|access| access.expires_at)));
        }
        refuse_other_client(session, args, stored.as_ref(), grant.as_ref(), plan)?;
    }
    sign(&mut lock).map_err(unlockable)?;
    Ok(Turn::Ours(Some(lock)))
}

/// Waits until we hold the lock.
async fn wait(session: &Session, args: &Login, lock: &mut File) -> Result<()> {
    let profile = session.profile();
    if args.no_wait {
        let message = format!("another login of profile {profile} is under way ({})", holder(lock));
        return Err(Failure::new(Exit::LoginRequired, message).hint("log in there, or leave --no-wait out"));
    }
    let limit = args.browser.timeout.unwrap_or(TIMEOUT);
    // The lock comes before the signature.
    tokio::time::sleep(PAUSE).await;
    output::say(&format!(
        "another login of profile {profile} is under way ({}): waiting for it, {} at most; Ctrl-C ends the waiting",
        holder(lock),
        duration::words(limit)
    ));
    let begun = Instant::now();
    while held(lock)? {
        if begun.elapsed() >= limit {
            let message = format!(
                "another login of profile {profile} ({}) has not ended within {}",
                holder(lock),
                duration::words(limit)
            );
            return Err(Failure::new(Exit::LoginRequired, message)
                .hint("log in there, or end it and try again; --timeout waits for longer"));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Whether another process holds it; if not, we do.
fn held(lock: &File) -> Result<bool> {
    match lock.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(unlockable(error)),
    }
}

fn is_ours(grant: &GrantRecord, plan: &Plan, before: Option<&GrantRecord>) -> bool {
    let new = before.is_none_or(|before| before.login_id != grant.login_id);
    new && grant.ended.is_none() && grant.binding == plan.registration.binding() && grant.recipe.target == plan.target
}

/// A file for each profile of each store; never removed, or two could hold "the" lock.
fn lock_file(session: &Session) -> io::Result<File> {
    let place = format!("{}\n{}", session.place(), session.profile());
    let name = URL_SAFE_NO_PAD.encode(&digest(&SHA256, place.as_bytes()).as_ref()[..16]);
    let path: PathBuf = private_folder::in_state_folder("logins")?.join(name);
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.rewind().and_then(|()| lock.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(process)) => format!("process {process}"),
        _ => "its process is not known".to_owned(),
    }
}

fn unlockable(error: io::Error) -> Failure {
    Failure::caused(Exit::Failure, "the lock of the login can't be taken", error)
}
