//! Whatever becomes of a sealed record: it is refused, nothing panics, nothing of it
//! shows, and what is stored stays.

use std::sync::Arc;

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, Record, RecordState, Version};
use auth_core::store::{MemoryStore, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use auth_core::target::Target;
use store_kms::{KmsStore, LocalKeys};

use crate::given::{key, local, local_key, record, whole, with_body};

const CANARY: &str = "canary-7e1d";

/// About 2 KiB, as a grant record has.
fn body() -> String {
    format!("{{\"refresh_token\":\"{}\"}}", CANARY.repeat(160))
}

struct Bench {
    under: Arc<MemoryStore>,
    store: KmsStore,
}

impl Bench {
    fn new() -> Self {
        let under = Arc::new(MemoryStore::new());
        let store = KmsStore::wrap(under.clone(), local());
        Self { under, store }
    }

    /// What is stored under a name once it was sealed there.
    async fn sealed(&self, record: &Record) -> Record {
        self.store.save(record, WriteIf::Absent).await.unwrap();
        self.under.load(record.key()).await.unwrap().unwrap()
    }

    /// Puts a record underneath, past the seal.
    async fn plant(&self, record: &Record) {
        self.under.remove(record.key(), RemoveIf::Any).await.unwrap();
        self.under.save(record, WriteIf::Absent).await.unwrap();
    }

    /// It does not open, and is still there.
    async fn refused(&self, planted: &Record, what: &str) -> StoreErrorKind {
        self.plant(planted).await;
        let error = match self.store.load(planted.key()).await {
            Err(error) => error,
            Ok(opened) => panic!("{what} was opened: {}", opened.is_some()),
        };
        assert!(
            !format!("{} {error:?}", whole(&error)).contains(CANARY),
            "{what}: {error}"
        );
        assert_eq!(
            self.under.load(planted.key()).await.unwrap().as_ref(),
            Some(planted),
            "{what}"
        );
        error.kind()
    }
}

#[tokio::test]
async fn every_bit_of_a_record_counts() {
    let bench = Bench::new();
    let sealed = bench.sealed(&record("ana", body(), None)).await;
    let bytes = sealed.body().expose().to_vec();
    assert!(bytes.len() > 1_900, "{}", bytes.len());
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let kind = bench.refused(&with_body(&sealed, changed), &format!("bit {bit}")).await;
        assert!(
            matches!(
                kind,
                StoreErrorKind::Corrupt | StoreErrorKind::Denied | StoreErrorKind::Unsupported
            ),
            "bit {bit}: {kind}"
        );
    }
    bench.plant(&sealed).await;
    assert!(bench.store.load(sealed.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn every_cut_is_noticed() {
    let bench = Bench::new();
    let sealed = bench.sealed(&record("ana", body(), None)).await;
    let bytes = sealed.body().expose();
    for length in 0..bytes.len() {
        let cut = with_body(&sealed, bytes[..length].to_vec());
        assert_eq!(
            bench.refused(&cut, &format!("{length} bytes")).await,
            StoreErrorKind::Corrupt
        );
    }
    let longer = with_body(&sealed, [bytes, b"x"].concat());
    assert_eq!(bench.refused(&longer, "a byte more").await, StoreErrorKind::Corrupt);
}

/// Records of all parts of some profiles, in several versions, namespaces, partitions
/// and under two keys: what is stored of one is put in the place of another.
#[tokio::test]
async fn no_record_opens_in_the_place_of_another() {
    let under = Arc::new(MemoryStore::new());
    let stores = stores_over(&under);
    let mut all = Vec::new();
    for (number, store) in stores.iter().enumerate() {
        for record in various(number) {
            store.save(&record, WriteIf::Absent).await.unwrap();
            all.push((number, under.load(record.key()).await.unwrap().unwrap()));
            under.remove(record.key(), RemoveIf::Any).await.unwrap();
        }
    }
    assert!(all.len() >= 100, "{}", all.len());
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random % u64::try_from(below).unwrap()).unwrap()
    };
    let (mut swaps, mut own) = (0, 0);
    while swaps < 10_000 {
        let ((at, place), (from, taken)) = (&all[next(all.len())], &all[next(all.len())]);
        let planted = with_body(place, taken.body().expose().to_vec());
        under.remove(planted.key(), RemoveIf::Any).await.unwrap();
        under.save(&planted, WriteIf::Absent).await.unwrap();
        let opened = stores[*at].load(planted.key()).await;
        if place.body() == taken.body() {
            assert!(opened.unwrap().is_some());
            own += 1;
            continue;
        }
        let error = opened
            .err()
            .unwrap_or_else(|| panic!("{from}: {taken:?} opened as {at}: {place:?}"));
        assert!(!whole(&error).contains(CANARY));
        assert_eq!(under.load(planted.key()).await.unwrap(), Some(planted));
        swaps += 1;
    }
    assert!(own > 0, "the records themselves open");
}

/// The first three share keys, and differ in namespace and partitions; the last has
/// another key.
fn stores_over(under: &Arc<MemoryStore>) -> Vec<KmsStore> {
    let builder = |name: &str| KmsStore::builder(under.clone(), local()).namespace(name);
    vec![
        builder("one").build(),
        builder("two").build(),
        builder("one").partitions(4).build(),
        KmsStore::builder(under.clone(), LocalKeys::new(local_key(2)))
            .namespace("one")
            .build(),
    ]
}

fn various(number: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for name in ["ana", "ben", "eve"] {
        let profile = Profile::from_parts([name]);
        let keys = [
            Key::client(&profile),
            Key::grant(&profile),
            Key::login(&profile, "state"),
            Key::token(&profile, Target::new().id()),
            Key::token(&profile, Target::new().scope("read").id()),
        ];
        for key in keys {
            let first = Version::after(None);
            for version in [first, Version::after(Some(first))] {
                let mut hints = Hints::default();
                hints.state = Some(RecordState::Active);
                let until = (version == first).then(|| Timestamp::from_unix_seconds(4_000_000_000));
                let text = format!("{CANARY} {number} {key} {version}");
                records.push(Record::from_parts(
                    key.clone(),
                    version,
                    until,
                    hints,
                    text.into_bytes().into(),
                ));
            }
        }
    }
    // Saved one after the other as if absent, so each has its own turn.
    records
}

#[tokio::test]
async fn what_is_outside_the_body_is_bound_too() {
    let bench = Bench::new();
    let sealed = bench.sealed(&record("ana", body(), None)).await;
    let other = |version: Version, until: Option<Timestamp>, hints: Hints| {
        Record::from_parts(sealed.key().clone(), version, until, hints, sealed.body().clone())
    };
    let mut hints = Hints::default();
    hints.refreshable = true;
    let later = Version::from_raw(sealed.version().generation() + 1, [0; 8]);
    for (planted, what) in [
        (other(later, None, Hints::default()), "another version"),
        (
            other(
                sealed.version(),
                Some(Timestamp::from_unix_seconds(4_000_000_000)),
                Hints::default(),
            ),
            "another end",
        ),
        (other(sealed.version(), None, hints), "other hints"),
    ] {
        assert_eq!(bench.refused(&planted, what).await, StoreErrorKind::Corrupt);
    }
}

#[tokio::test]
async fn plain_beside_sealed_is_no_record() {
    let bench = Bench::new();
    let plain = record("ana", body(), None);
    assert_eq!(bench.refused(&plain, "plain").await, StoreErrorKind::Corrupt);
    let accepting = KmsStore::builder(bench.under.clone(), local())
        .accept_plaintext()
        .build();
    assert_eq!(accepting.load(plain.key()).await.unwrap(), Some(plain.clone()));
    // What is written next is sealed, and then plain text is not what is expected.
    let next = record("ana", body(), Some(plain.version()));
    accepting.save(&next, WriteIf::Matches(plain.version())).await.unwrap();
    assert_eq!(bench.store.load(plain.key()).await.unwrap(), Some(next));
    // No record of core's, so not even then.
    bench.plant(&record("eve", "text", None)).await;
    let error = accepting.load(&key("eve")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
}

#[tokio::test]
async fn a_login_may_replace_what_does_not_open() {
    let bench = Bench::new();
    let sealed = bench.sealed(&record("ana", body(), None)).await;
    let mut bytes = sealed.body().expose().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bench.plant(&with_body(&sealed, bytes)).await;
    let error = bench.store.load(sealed.key()).await.unwrap_err();
    assert_eq!(error.stored(), Some(sealed.version()));
    let next = record("ana", "{}", error.stored());
    bench
        .store
        .save(&next, WriteIf::Matches(sealed.version()))
        .await
        .unwrap();
    assert_eq!(bench.store.load(next.key()).await.unwrap(), Some(next));
}
