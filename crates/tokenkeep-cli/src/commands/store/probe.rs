//! Does with the store what tokens need, with a record that means nothing.

use std::time::{Duration, Instant};

use tokenkeep::clock::{Clock as _, SystemClock};
use tokenkeep::key::Key;
use tokenkeep::record::{AccessEntry, Binding, Contents, TokenRecord};
use tokenkeep::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore, TokenStoreExt as _};
use tokenkeep::{Profile, Secret, Target};

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// A name that nobody logs in under; a token alone makes no profile.
const PROFILE: &str = "tokenkeep-store-check";
/// The record and the lease of a check that was killed end by then.
const KEPT_FOR: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(15);
/// How long to wait for another check.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something that went well.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) took: Duration,
}

/// Takes a lease, and writes, reads, lists and removes a record under it.
pub(super) async fn run(store: &dyn TokenStore) -> Result<Vec<Step>> {
    let profile = Profile::new(PROFILE).map_err(|error| Failure::of(Exit::Failure, error))?;
    let mut probe = Probe {
        store,
        key: Key::token(&profile, Target::new().id()),
        lease: LeaseId::random(),
        begun: Instant::now(),
        steps: Vec::new(),
    };
    probe.take_lease().await?;
    let outcome = probe.under_lease().await;
    // Whatever happened: nothing of it stays.
    let removed = store.remove(&probe.key, RemoveIf::Any).await;
    let released = store.release(&probe.key, &probe.lease).await;
    outcome?;
    removed?;
    released?;
    probe.done("release the lease");
    Ok(probe.steps)
}

struct Probe<'a> {
    store: &'a dyn TokenStore,
    key: Key,
    lease: LeaseId,
    begun: Instant,
    steps: Vec<Step>,
}

impl Probe<'_> {
    async fn take_lease(&mut self) -> Result<()> {
        let begun = Instant::now();
        while self.store.try_lease(&self.key, &self.lease, LEASE).await? != Lease::Granted {
            if begun.elapsed() > PATIENCE {
                return Err(broken(
                    "somebody else holds the lease of the check, for longer than a check takes",
                ));
            }
            SystemClock.sleep(Duration::from_millis(100)).await;
        }
        self.done("take a lease");
        Ok(())
    }

    async fn under_lease(&mut self) -> Result<()> {
        let other = LeaseId::random();
        if self.store.try_lease(&self.key, &other, LEASE).await? == Lease::Granted {
            self.store.release(&self.key, &other).await?;
            return Err(broken("a lease that is held was granted again"));
        }
        self.done("keep others out by it");
        // What a check that was killed has left.
        self.store.remove(&self.key, RemoveIf::Any).await?;
        self.begun = Instant::now();
        let until = Some(SystemClock.now().plus(KEPT_FOR));
        let first = self.store.save_contents(&self.key, &contents("1"), None, until).await?;
        self.done("write a record");
        self.expect("1").await?;
        self.done("read it");
        self.store
            .save_contents(&self.key, &contents("2"), Some(first), until)
            .await?;
        self.expect("2").await?;
        self.done("replace it");
        match self
            .store
            .save_contents(&self.key, &contents("3"), Some(first), until)
            .await
        {
            Err(error) if error.kind() == StoreErrorKind::Conflict => self.done("refuse an outdated write"),
            Err(error) => return Err(error.into()),
            Ok(_) => return Err(broken("an outdated write was not refused")),
        }
        self.list().await?;
        if !self.store.remove(&self.key, RemoveIf::Any).await? || self.store.load(&self.key).await?.is_some() {
            return Err(broken("a record that was removed is still there"));
        }
        self.done("remove it");
        Ok(())
    }

    async fn list(&mut self) -> Result<()> {
        if !self.store.capabilities().lists {
            return Ok(());
        }
        let listed = self.store.list_all().await?;
        if !listed.iter().any(|listed| listed.key == self.key) {
            return Err(broken("a record that was written is not listed"));
        }
        self.done("list it");
        Ok(())
    }

    async fn expect(&self, text: &str) -> Result<()> {
        let stored = self.store.load_contents(&self.key).await?;
        match stored {
            Some((_, Contents::Token(token))) if token.access.token == Secret::new(text) => Ok(()),
            _ => Err(broken("what was read is not what was written")),
        }
    }

    fn done(&mut self, name: &'static str) {
        let took = self.begun.elapsed();
        self.steps.push(Step { name, took });
        self.begun = Instant::now();
    }
}

fn contents(text: &str) -> Contents {
    let access = AccessEntry::bearer(Secret::new(text), SystemClock.now(), None);
    let binding = Binding::new(None, None, PROFILE);
    Contents::from(TokenRecord::new(binding, "check", Target::new(), access))
}

fn broken(message: &'static str) -> Failure {
    Failure::new(Exit::Store, message).hint("don't keep tokens there: the store does not do what it must")
}
