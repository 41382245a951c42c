//! Stores with one flaw each: the case made for it must fail, and say why.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::ManualClock;
use auth_core::key::Key;
use auth_core::record::{Hints, Record};
use auth_core::secret::SecretBytes;
use auth_core::store::{
    Capabilities, Lease, LeaseId, Listing, MemoryStore, Page, RemoveIf, StoreError, StoreErrorKind, TokenStore, WriteIf,
};
use store_testkit::{Subject, cases, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    EndsAtNul,
    ForgetsHints,
    ForgetsKeepUntil,
    GrantsToAll,
    IgnoresCase,
    IgnoresConditions,
    ListsNothing,
    ReadsThenWrites,
    RefusesRepeats,
    ReleasesForAll,
    RemovesWhatever,
    ShowsSecrets,
    WritesInTwoSteps,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    flaw: Flaw,
    shown: Mutex<String>,
    holders: Mutex<HashMap<Key, LeaseId>>,
}

#[test]
fn each_flaw_fails_its_case() {
    fails(Flaw::EndsAtNul, cases::bytes::nul_and_newline, "came back otherwise");
    fails(Flaw::ForgetsHints, cases::crud::hints_round_trip, "hints of full");
    fails(
        Flaw::ForgetsKeepUntil,
        cases::crud::keep_until_round_trips,
        "keep_until",
    );
    fails(
        Flaw::ForgetsKeepUntil,
        cases::expiry::gone_after_keep_until,
        "past keep_until",
    );
    fails(Flaw::GrantsToAll, cases::lease::exclusive, "granted to two");
    fails(Flaw::GrantsToAll, cases::lease::race_one_winner, "holders of one lease");
    fails(Flaw::IgnoresCase, cases::crud::keys_do_not_alias, "failed");
    fails(Flaw::IgnoresConditions, cases::cas::create_once, "succeeded");
    fails(Flaw::IgnoresConditions, cases::cas::stale_conflicts, "succeeded");
    fails(Flaw::IgnoresConditions, cases::cas::delete_recreate_aba, "succeeded");
    fails(Flaw::ListsNothing, cases::list::keys_versions_and_hints, "the list");
    fails(Flaw::ReadsThenWrites, cases::cas::race_counter, "increments were lost");
    fails(
        Flaw::ReadsThenWrites,
        cases::cas::race_create_one_winner,
        "winners of a race",
    );
    fails(Flaw::RefusesRepeats, cases::cas::save_is_idempotent, "failed");
    fails(
        Flaw::ReleasesForAll,
        cases::lease::release_not_mine_is_noop,
        "freed by one",
    );
    fails(Flaw::RemovesWhatever, cases::crud::remove_stale_conflicts, "succeeded");
    fails(Flaw::ShowsSecrets, cases::errors::no_secret_in_debug, "shows a secret");
    fails(
        Flaw::WritesInTwoSteps,
        cases::cancel::dropped_save_is_all_or_nothing,
        "mixture",
    );
}

fn fails(flaw: Flaw, case: impl AsyncFnOnce(&Subject<Broken>), why: &str) {
    let clock = ManualClock::default();
    let store = Broken {
        inner: MemoryStore::with_clock(Arc::new(clock.clone())),
        flaw,
        shown: Mutex::default(),
        holders: Mutex::default(),
    };
    let subject = Subject::new(store, clock);
    let outcome = catch_unwind(AssertUnwindSafe(|| run(async { case(&subject).await })));
    let panic = outcome.expect_err(&format!("the suite let {flaw:?} pass"));
    let text = panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
    assert!(
        text.as_ref().is_some_and(|text| text.contains(why)),
        "{flaw:?} failed for another reason: {text:?}"
    );
}

impl Broken {
    fn stored_key(&self, key: &Key) -> Key {
        if self.flaw == Flaw::IgnoresCase {
            key.to_string()
                .to_lowercase()
                .replace("%2f", "%2F")
                .parse()
                .unwrap_or_else(|_| key.clone())
        } else {
            key.clone()
        }
    }

    fn spoiled(&self, record: &Record) -> Record {
        let body = record.body().expose();
        let body = match body.iter().position(|byte| *byte == 0) {
            Some(nul) if self.flaw == Flaw::EndsAtNul => &body[..nul],
            _ => body,
        };
        Record::from_parts(
            self.stored_key(record.key()),
            record.version(),
            record.keep_until().filter(|_| self.flaw != Flaw::ForgetsKeepUntil),
            if self.flaw == Flaw::ForgetsHints {
                Hints::default()
            } else {
                record.hints().clone()
            },
            SecretBytes::new(body.to_vec()),
        )
    }

    /// Writes over whatever is stored.
    async fn put(&self, record: &Record) -> Result<(), StoreError> {
        loop {
            let stored = self.inner.load(record.key()).await?.map(|record| record.version());
            match self.inner.save(record, WriteIf::unchanged(stored)).await {
                Err(error) if error.kind() == StoreErrorKind::Conflict => {}
                outcome => return outcome,
            }
        }
    }

    async fn put_in_two_steps(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let half = record.body().len() / 2;
        let torn = SecretBytes::new(record.body().expose()[..half].to_vec());
        let before = self.inner.load(record.key()).await?.map(|record| record.version());
        let torn = Record::from_parts(
            record.key().clone(),
            auth_core::record::Version::after(before),
            None,
            Hints::default(),
            torn,
        );
        self.inner.save(&torn, when).await?;
        tokio::task::yield_now().await;
        self.inner.save(record, WriteIf::Matches(torn.version())).await
    }
}

#[async_trait]
impl TokenStore for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.inner.load(&self.stored_key(key)).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let record = &self.spoiled(record);
        let stored = self.inner.load(record.key()).await?.map(|record| record.version());
        let conflict = || StoreError::new(StoreErrorKind::Conflict, auth_core::store::Operation::Save, "broken");
        match self.flaw {
            Flaw::IgnoresConditions => self.put(record).await,
            Flaw::ReadsThenWrites => {
                if stored == Some(record.version()) {
                    return Ok(());
                }
                if !when.holds(stored) {
                    return Err(conflict());
                }
                // Long enough for the others to come between, on a busy machine too.
                tokio::time::sleep(Duration::from_millis(50)).await;
                self.put(record).await
            }
            Flaw::RefusesRepeats if !when.holds(stored) => Err(conflict()),
            Flaw::WritesInTwoSteps => self.put_in_two_steps(record, when).await,
            Flaw::ShowsSecrets => {
                *self.shown.lock().unwrap() = String::from_utf8_lossy(record.body().expose()).into_owned();
                self.inner.save(record, when).await
            }
            _ => self.inner.save(record, when).await,
        }
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let when = if self.flaw == Flaw::RemovesWhatever {
            RemoveIf::Any
        } else {
            when
        };
        self.inner.remove(&self.stored_key(key), when).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        if self.flaw == Flaw::ListsNothing {
            return Ok(Listing::default());
        }
        self.inner.list(page).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        if self.flaw == Flaw::GrantsToAll {
            return Ok(Lease::Granted);
        }
        if self.flaw == Flaw::ReleasesForAll {
            let mut holders = self.holders.lock().unwrap();
            let mine = *holders.entry(key.clone()).or_insert_with(|| id.clone()) == *id;
            let retry_after = Duration::ZERO;
            return Ok(if mine {
                Lease::Granted
            } else {
                Lease::HeldElsewhere { retry_after }
            });
        }
        self.inner.try_lease(key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.inner.renew(key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        if self.flaw == Flaw::ReleasesForAll {
            self.holders.lock().unwrap().remove(key);
            return Ok(());
        }
        self.inner.release(key, id).await
    }
}
