//! Data keys are gone from memory when they are over age.

use std::fs::File;
use std::io::BufRead as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_core::clock::ManualClock;
use auth_core::store::{MemoryStore, TokenStore as _, WriteIf};
use store_kms::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyId, KeyProvider, KmsStore};

use crate::given::{key, record};

/// Gives one data key, and keeps it under a mask, so that no copy of it is here.
#[derive(Debug)]
struct Masked {
    ids: [KeyId; 1],
    masked: [u8; 32],
}

const MASK: u8 = 0xA5;

impl Masked {
    fn new() -> Self {
        let mut masked = [0; 32];
        aws_lc_rs::rand::fill(&mut masked).unwrap();
        Self {
            ids: [KeyId::new("masked").unwrap()],
            masked,
        }
    }

    #[expect(clippy::unnecessary_box_returns, reason = "the box is what keeps it in one place")]
    fn unmasked(&self) -> DataKeyBytes {
        let mut bytes = DataKeyBytes::default();
        for (byte, masked) in bytes.iter_mut().zip(self.masked) {
            *byte = masked ^ MASK;
        }
        bytes
    }
}

#[async_trait]
impl KeyProvider for Masked {
    fn name(&self) -> &'static str {
        "masked"
    }

    fn keys(&self) -> &[KeyId] {
        &self.ids
    }

    async fn generate(&self, _context: &Context) -> Result<GeneratedKey, KeyError> {
        Ok(GeneratedKey {
            key: self.ids[0].clone(),
            plain: self.unmasked(),
            wrapped: self.masked.to_vec(),
        })
    }

    async fn unwrap_key(&self, _key: &KeyId, _wrapped: &[u8], _context: &Context) -> Result<DataKeyBytes, KeyError> {
        Ok(self.unmasked())
    }
}

/// How often the data key stands in the memory of this process.
fn copies(masked: &[u8; 32]) -> usize {
    const PIECE: usize = 1 << 13;
    let memory = File::open("/proc/self/mem").unwrap();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    // On the stack of a thread that does nothing else.
    let mut piece = [0; PIECE + 31];
    // What is read here must not be found here.
    let own = piece.as_ptr() as u64;
    let own = own.saturating_sub(piece.len() as u64)..own + piece.len() as u64;
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw") && !line.contains("[v")) {
        let (start, end) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let at = |text| u64::from_str_radix(text, 16).unwrap();
        let (mut from, end) = (at(start), at(end));
        while from < end {
            if own.contains(&from) {
                from = own.end;
                continue;
            }
            let wanted = usize::try_from((end - from).min(piece.len() as u64)).unwrap();
            let Ok(read) = memory.read_at(&mut piece[..wanted], from) else {
                break;
            };
            found += occurrences(&piece[..read], masked);
            // Before the stack is another thread's.
            piece[..wanted].fill(0);
            std::hint::black_box(&piece);
            from += PIECE as u64;
        }
    }
    found
}

/// Where the key is in there. Its first byte is looked for by the standard library, which is optimized in any build:
/// there are hundreds of megabytes.
fn occurrences(piece: &[u8], masked: &[u8; 32]) -> usize {
    let begins = masked[0] ^ MASK;
    let (mut found, mut rest) = (0, piece);
    while rest.skip_until(begins).is_ok_and(|skipped| skipped > 0) {
        let place = piece.len() - rest.len() - 1;
        let window = piece[place..].iter().take(32).map(|byte| byte ^ MASK);
        found += usize::from(window.eq(masked.iter().copied()));
    }
    found
}

#[tokio::test]
async fn a_data_key_over_age_is_nowhere_in_memory() {
    let (provider, clock, under) = (
        Arc::new(Masked::new()),
        ManualClock::default(),
        Arc::new(MemoryStore::new()),
    );
    let seal = || {
        KmsStore::builder(under.clone(), provider.clone())
            .clock(clock.clone())
            .build()
    };
    let (writer, reader) = (seal(), seal());
    for number in 0..20 {
        let name = format!("user{number}");
        writer.save(&record(&name, "{}", None), WriteIf::Absent).await.unwrap();
        assert!(reader.load(&key(&name)).await.unwrap().is_some());
    }
    let copies = || {
        let masked = provider.masked;
        std::thread::spawn(move || copies(&masked)).join().unwrap()
    };
    assert!(copies() >= 2, "both hold it");
    clock.advance(Duration::from_mins(5));
    // Who wipes has its turn: by the clock that was turned, and nobody turns it any more.
    let begun = Instant::now();
    while copies() > 0 {
        assert!(begun.elapsed() < Duration::from_mins(2), "{} are left", copies());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Both are there, and go on.
    assert!(reader.load(&key("user1")).await.unwrap().is_some());
}
