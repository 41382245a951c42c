//! Data keys in memory: a current one for sealing in each partition, those that were
//! opened for reading, and those that a flight holds on to.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use auth_core::clock::Clock;
use auth_core::key::Key;
use auth_core::profile::Profile;
use aws_lc_rs::digest;

use crate::cipher;
use crate::envelope::{Envelope, SealKey, WRAPPED_MAX};
use crate::provider::{Context, DataKeyBytes, KeyError, KeyErrorKind, KeyId};
use crate::service::Service;

/// How long data keys are used, and how many are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheLimits {
    pub(crate) partitions: u32,
    pub(crate) max_age: Duration,
    pub(crate) max_uses: u64,
    pub(crate) max_opened: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            partitions: 1,
            max_age: Duration::from_mins(5),
            max_uses: 1_000,
            max_opened: 10_000,
        }
    }
}

/// A data key for sealing.
pub(crate) struct Held {
    pub(crate) key: SealKey,
    made_at: Duration,
    uses: AtomicU64,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("key", &self.key.key)
            .field("uses", &self.uses)
            .finish_non_exhaustive()
    }
}

/// A data key that a flight holds on to.
#[derive(Debug)]
pub(crate) struct Pin(pub(crate) Arc<Held>);

/// All data keys of a store.
pub(crate) struct DataKeys {
    service: Service,
    clock: Arc<dyn Clock>,
    namespace: Arc<str>,
    limits: CacheLimits,
    partitions: Vec<Partition>,
    opened: Mutex<HashMap<Name, Arc<Opened>>>,
    pins: Mutex<Pins>,
    /// Whether somebody waits for keys to come of age.
    wiping: AtomicBool,
}

#[derive(Default)]
struct Partition {
    current: Mutex<Option<Arc<Held>>>,
    /// Who generates; the others wait for what comes of it.
    turn: tokio::sync::Mutex<()>,
}

/// SHA-256 of a wrapped key and all that it is bound to.
type Name = [u8; 32];

#[derive(Default)]
struct Opened {
    key: Mutex<Option<(Arc<DataKeyBytes>, Duration)>>,
    turn: tokio::sync::Mutex<()>,
}

/// Whoever wipes keys, until it ends or its runtime does.
struct Wiper(Weak<DataKeys>);

#[derive(Default)]
struct Pins {
    by_key: HashMap<Key, Vec<Weak<Pin>>>,
    sweep_at: usize,
}

/// Why there is no data key to open a record with.
#[derive(Debug)]
pub(crate) enum Locked {
    /// The record names a key that was not configured. Nobody was asked.
    UnknownKey,
    Key(KeyError),
}

impl DataKeys {
    pub(crate) fn new(service: Service, clock: Arc<dyn Clock>, namespace: Arc<str>, limits: CacheLimits) -> Self {
        let count = usize::try_from(limits.partitions.max(1)).unwrap_or(1);
        Self {
            service,
            clock,
            namespace,
            limits,
            partitions: std::iter::repeat_with(Partition::default).take(count).collect(),
            opened: Mutex::default(),
            pins: Mutex::default(),
            wiping: AtomicBool::new(false),
        }
    }

    /// The key that new records are sealed under.
    pub(crate) fn writing(&self) -> &KeyId {
        &self.service.provider().keys()[0]
    }

    /// The length of the longest name of a key.
    pub(crate) fn longest_id(&self) -> usize {
        let ids = self.service.provider().keys().iter();
        ids.map(|id| id.as_str().len()).max().unwrap_or(0)
    }

    /// Wipes what is over age; when the next will be, if any is left.
    fn wipe(&self) -> Option<Duration> {
        let mut due = Vec::new();
        for partition in &self.partitions {
            let mut current = lock(&partition.current);
            match &*current {
                Some(held) if self.age(held.made_at) >= self.limits.max_age => *current = None,
                Some(held) => due.push(held.made_at),
                None => {}
            }
        }
        lock(&self.opened).retain(|_, slot| {
            let fresh = self.fresh(slot).is_some();
            due.extend(lock(&slot.key).as_ref().map(|(_, since)| *since));
            fresh || Arc::strong_count(slot) > 1
        });
        let next = due.into_iter().min()?.saturating_add(self.limits.max_age);
        Some(next.saturating_sub(self.clock.monotonic()))
    }

    /// Has keys wiped when they are over age, also if nobody asks for one any more.
    /// Where there is no runtime, the next to ask does it.
    fn wipe_in_time(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.wiping.swap(true, Ordering::SeqCst) {
            return;
        }
        let (keys, clock) = (Arc::downgrade(self), self.clock.clone());
        runtime.spawn(async move {
            let _over = Wiper(keys.clone());
            while let Some(pause) = keys.upgrade().and_then(|keys| keys.wipe()) {
                clock.sleep(pause).await;
            }
        });
    }

    /// A data key to seal a record with: the one that a flight of its profile holds,
    /// however old, else the current one, else a new one.
    pub(crate) async fn for_sealing(self: &Arc<Self>, key: &Key) -> Result<Arc<Held>, KeyError> {
        if let Some(held) = self.pinned(key).pop() {
            held.uses.fetch_add(1, Ordering::Relaxed);
            return Ok(held);
        }
        self.current(key, |held| held.take(self.limits.max_uses)).await
    }

    /// The current data key, or a new one; usable for this record as long as it is held.
    pub(crate) async fn pin(self: &Arc<Self>, key: &Key) -> Result<Arc<Pin>, KeyError> {
        let max = self.limits.max_uses;
        let usable = |held: &Held| held.uses.load(Ordering::Relaxed) < max;
        let pin = Arc::new(Pin(self.current(key, usable).await?));
        self.pins().add(key, &pin);
        Ok(pin)
    }

    /// The data key that an envelope was sealed with.
    pub(crate) async fn for_opening(
        self: &Arc<Self>,
        key: &Key,
        envelope: &Envelope<'_>,
    ) -> Result<Arc<DataKeyBytes>, Locked> {
        let is_it = |held: &Arc<Held>| held.key.wrapped == envelope.wrapped && held.key.key == envelope.key;
        if let Some(held) = self.pinned(key).iter().find(|held| is_it(held)) {
            return Ok(held.key.plain.clone());
        }
        if !self.service.provider().keys().contains(&envelope.key) {
            return Err(Locked::UnknownKey);
        }
        let context = Context::new(&self.namespace, envelope.partition);
        let name = name(&envelope.key, &context, envelope.wrapped);
        let slot = self.slot(name);
        if let Some(key) = self.fresh(&slot) {
            return Ok(key);
        }
        let _turn = slot.turn.lock().await;
        if let Some(key) = self.fresh(&slot) {
            return Ok(key);
        }
        let opening = self.service.unwrap_key(&envelope.key, envelope.wrapped, &context);
        let key = Arc::new(opening.await.map_err(Locked::Key)?);
        slot.put(key.clone(), self.clock.monotonic());
        self.wipe_in_time();
        Ok(key)
    }

    async fn current(self: &Arc<Self>, key: &Key, usable: impl Fn(&Held) -> bool) -> Result<Arc<Held>, KeyError> {
        let number = self.partition_of(key.profile());
        let partition = &self.partitions[usize::try_from(number).unwrap_or(0)];
        let look = || {
            let mut current = lock(&partition.current);
            match &*current {
                Some(held) if self.age(held.made_at) >= self.limits.max_age => {
                    // Not kept a moment longer than may be.
                    *current = None;
                    None
                }
                Some(held) if usable(held) => Some(held.clone()),
                _ => None,
            }
        };
        if let Some(held) = look() {
            return Ok(held);
        }
        let _turn = partition.turn.lock().await;
        if let Some(held) = look() {
            return Ok(held);
        }
        let made = Arc::new(self.generate(number).await?);
        // The maker's own use counts; a limit of none lets each key be used once.
        let _ = usable(&made);
        *lock(&partition.current) = Some(made.clone());
        Ok(made)
    }

    async fn generate(self: &Arc<Self>, partition: u32) -> Result<Held, KeyError> {
        let context = Context::new(&self.namespace, partition);
        let made = self.service.generate(&context).await?;
        if made.wrapped.len() > WRAPPED_MAX {
            return Err(KeyError::new(
                KeyErrorKind::Config,
                format!(
                    "a wrapped key of {} bytes; more than {WRAPPED_MAX} don't fit",
                    made.wrapped.len()
                ),
            ));
        }
        let (plain, now) = (Arc::new(made.plain), self.clock.monotonic());
        let slot = self.slot(name(&made.key, &context, &made.wrapped));
        slot.put(plain.clone(), now);
        self.wipe_in_time();
        Ok(Held {
            key: SealKey {
                key: made.key,
                context,
                plain,
                wrapped: made.wrapped,
            },
            made_at: now,
            uses: AtomicU64::new(0),
        })
    }

    fn partition_of(&self, profile: &Profile) -> u32 {
        let hash = digest::digest(&digest::SHA256, profile.to_string().as_bytes());
        let first = hash.as_ref().first_chunk::<4>().copied().unwrap_or_default();
        u32::from_be_bytes(first) % self.limits.partitions.max(1)
    }

    fn age(&self, since: Duration) -> Duration {
        self.clock.monotonic().saturating_sub(since)
    }

    fn fresh(&self, slot: &Opened) -> Option<Arc<DataKeyBytes>> {
        let mut held = lock(&slot.key);
        if held
            .as_ref()
            .is_some_and(|(_, since)| self.age(*since) >= self.limits.max_age)
        {
            *held = None;
        }
        held.as_ref().map(|(key, _)| key.clone())
    }

    fn slot(&self, name: Name) -> Arc<Opened> {
        let mut opened = lock(&self.opened);
        if !opened.contains_key(&name) && opened.len() >= self.limits.max_opened.max(1) {
            self.make_room(&mut opened);
        }
        opened.entry(name).or_default().clone()
    }

    /// Drops what is over age or empty; if that is too little, the older half.
    fn make_room(&self, opened: &mut HashMap<Name, Arc<Opened>>) {
        let since = |slot: &Opened| lock(&slot.key).as_ref().map(|(_, since)| *since);
        let in_use = |slot: &Arc<Opened>| Arc::strong_count(slot) > 1;
        opened.retain(|_, slot| in_use(slot) || since(slot).is_some_and(|since| self.age(since) < self.limits.max_age));
        if opened.len() < self.limits.max_opened.max(2) / 2 {
            return;
        }
        let mut times: Vec<Duration> = opened.values().filter_map(|slot| since(slot)).collect();
        times.sort_unstable();
        let Some(middle) = times.get(times.len() / 2).copied() else {
            return;
        };
        let mut spare = times.len() / 2;
        opened.retain(|_, slot| {
            let goes = !in_use(slot) && spare > 0 && since(slot).is_none_or(|since| since <= middle);
            spare -= usize::from(goes);
            !goes
        });
    }

    fn pinned(&self, key: &Key) -> Vec<Arc<Held>> {
        let pins = self.pins();
        let held = pins.by_key.get(key).map(|pins| pins.iter().filter_map(Weak::upgrade));
        held.map(|held| held.map(|pin| pin.0.clone()).collect())
            .unwrap_or_default()
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        lock(&self.pins)
    }
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKeys")
            .field("provider", self.service.provider())
            .field("namespace", &self.namespace)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Held {
    /// Counts one use, if one is left.
    fn take(&self, max: u64) -> bool {
        let take = |uses: u64| (uses < max).then_some(uses + 1);
        self.uses
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

impl Drop for Wiper {
    fn drop(&mut self) {
        if let Some(keys) = self.0.upgrade() {
            keys.wiping.store(false, Ordering::SeqCst);
        }
    }
}

impl Opened {
    fn put(&self, key: Arc<DataKeyBytes>, now: Duration) {
        *lock(&self.key) = Some((key, now));
    }
}

impl Pins {
    fn add(&mut self, key: &Key, pin: &Arc<Pin>) {
        if self.by_key.len() >= self.sweep_at {
            self.by_key
                .retain(|_, pins| pins.iter().any(|pin| pin.strong_count() > 0));
            self.sweep_at = 64.max(2 * self.by_key.len());
        }
        let pins = self.by_key.entry(key.clone()).or_default();
        pins.retain(|pin| pin.strong_count() > 0);
        pins.push(Arc::downgrade(pin));
    }
}

fn name(key: &KeyId, context: &Context, wrapped: &[u8]) -> Name {
    let partition = context.partition().to_be_bytes();
    let bound = cipher::bound(&[key.as_str().as_bytes(), &partition, wrapped]);
    let hash = digest::digest(&digest::SHA256, &bound);
    hash.as_ref().first_chunk().copied().unwrap_or_default()
}

// A panic elsewhere can't leave these half-written: each change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
