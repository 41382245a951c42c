//! What the server has given is not lost where the store does not take it: it goes into
//! a bundle in the user's state folder, to be imported.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::clock::Timestamp;
use tokenkeep::key::{Key, Part};
use tokenkeep::record::Record;
use tokenkeep::sealer::Sealer;
use tokenkeep::store::{
    Capabilities, Lease, LeaseId, Listing, Operation, Page, RemoveIf, StoreError, StoreErrorKind, TokenStore, WriteIf,
};
use tokenkeep::{TokenError, TokenManager};

use super::plan::Plan;
use crate::bundle::{self, Bundled, BundledGrant};
use crate::commands::profile::export::file;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::private_folder;
use crate::sealing;
use crate::session::Session;
use crate::text::shell_word;

/// A store that remembers the login that is being saved, until it is.
#[derive(Debug)]
pub(super) struct Watched {
    store: Arc<dyn TokenStore>,
    /// Whether the store was in order when it was looked at before the login.
    was_readable: AtomicBool,
    login: Mutex<Login>,
    /// Whether the login is kept elsewhere, and is not to be saved any more.
    given_up: AtomicBool,
}

/// What became of the login.
#[derive(Clone, Debug)]
enum Login {
    NotYet,
    Unsaved(Record),
    Saved,
}

impl Watched {
    pub(super) fn new(store: Arc<dyn TokenStore>) -> Self {
        Self {
            store,
            was_readable: AtomicBool::new(false),
            login: Mutex::new(Login::NotYet),
            given_up: AtomicBool::new(false),
        }
    }

    fn login(&self) -> Login {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, login: Login) {
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
    }
}

#[async_trait]
impl TokenStore for Watched {
    fn name(&self) -> &str {
        self.store.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        self.store.sealer()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let loaded = self.store.load(key).await;
        if key.part() != Part::Grant {
            return loaded;
        }
        match loaded {
            Ok(record) => {
                self.was_readable.store(true, Ordering::Relaxed);
                Ok(record)
            }
            // What comes next is the save, which shows us what is to be saved, and is
            // refused by the store itself.
            Err(_) if self.was_readable.load(Ordering::Relaxed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        if record.key().part() != Part::Grant {
            return self.store.save(record, when).await;
        }
        if self.given_up.load(Ordering::Relaxed) {
            // Of a kind that nobody tries again.
            return Err(StoreError::new(
                StoreErrorKind::Unsupported,
                Operation::Save,
                self.name(),
            ));
        }
        self.note(Login::Unsaved(record.clone()));
        self.store.save(record, when).await?;
        self.note(Login::Saved);
        Ok(())
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.store.remove(key, when).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        self.store.list(page).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.store.try_lease(key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.store.renew(key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.store.release(key, id).await
    }
}

/// Keeps a login that the store did not take, and says where.
pub(super) async fn keep(
    session: &Session,
    plan: &Plan,
    manager: &TokenManager,
    watched: &Watched,
    error: TokenError,
) -> Result<Option<Timestamp>> {
    let written = match watched.login() {
        Login::Unsaved(record) => match bundled(session, plan, &record) {
            Some(bundled) => Some(write(session, &[bundled]).await),
            None => None,
        },
        Login::NotYet | Login::Saved => None,
    };
    if let Some(Ok(_)) = written {
        watched.given_up.store(true, Ordering::Relaxed);
    }
    // It was tried again behind us.
    session.waiting("waiting for the store", manager.drain()).await;
    if matches!(watched.login(), Login::Saved) {
        if let Some(Ok(path)) = &written {
            file::remove(path);
        }
        return Ok(session.grant_record().await?.and_then(|grant| grant.access?.expires_at));
    }
    Err(match written {
        Some(Ok(path)) => rescued(session, &path, error),
        Some(Err(failure)) => lost(session, &failure, error),
        None => session.advise(error.clone().into(), &error),
    })
}

fn bundled(session: &Session, plan: &Plan, record: &Record) -> Option<Bundled> {
    let grant = BundledGrant {
        record: record.decode().ok()?.into_grant()?,
        keep_until: record.keep_until(),
    };
    Some(Bundled {
        profile: session.profile().clone(),
        client: Some(plan.registration.to_record()),
        grant: Some(grant),
    })
}

/// As plain as the store, or sealed as the store is.
async fn write(session: &Session, profiles: &[Bundled]) -> Result<PathBuf> {
    let folder = private_folder::in_state_folder("rescued");
    let folder = folder.map_err(|error| Failure::caused(Exit::Store, "there is no place for them", error))?;
    let name = format!("login-{}-{}.bundle", Session::now().unix_seconds(), std::process::id());
    let path = folder.join(name);
    let bytes = sealing::put_aside(session, bundle::write(profiles, None)?).await?;
    file::write(&path, &bytes)?;
    Ok(path)
}

fn rescued(session: &Session, path: &Path, error: TokenError) -> Failure {
    let message = format!(
        "you are logged in, but {} does not take the tokens; they are kept in {}, for you only to read",
        session.place(),
        path.display()
    );
    let path = shell_word(&path.to_string_lossy());
    Failure::caused(Exit::Store, message, error).hint(format!(
        "mend the store, or choose another with --store URL, then: tokenkeep profile import --overwrite {path}, and \
         remove that file"
    ))
}

fn lost(session: &Session, failure: &Failure, error: TokenError) -> Failure {
    let message = format!(
        "{} does not take the tokens of this login, and they can't be kept elsewhere ({}): they are lost",
        session.place(),
        failure.chain().join(": ")
    );
    Failure::caused(Exit::Store, message, error).hint("mend the store, then log in again")
}
