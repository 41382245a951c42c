//! What is logged holds no secret. In a process of its own: a log has one subscriber for all its threads.

use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store_kms::KeyProvider;
use test_services::Kms;

use super::given::{context, kms, provider};

const JOB: &str = "LOGS_JOB";

/// What is written is kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_data_key_and_no_credential_is_logged() {
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["logs::worker", "--exact"])
        .env(JOB, "yes")
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}

#[tokio::test]
async fn worker() {
    if std::env::var(JOB).is_err() {
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    provider
        .unwrap_key(&made.key, &made.wrapped, &context(1))
        .await
        .unwrap();
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("TRACE") && logged.contains("Decrypt"), "{logged}");
    let bytes = &made.plain[..];
    let hex = bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let numbers = format!("{bytes:?}");
    for secret in [&STANDARD.encode(bytes), &hex, &numbers, Kms::SECRET_ACCESS_KEY] {
        assert!(!logged.contains(secret), "the log holds a secret");
    }
}
