//! KMS away: an answer comes in time, and work goes on when it is back.

use std::time::{Duration, Instant};

use store_kms::{KeyErrorKind, KeyProvider};
use test_services::{Kms, KmsTrouble, Proxy, Trouble, free_port};

use super::given::{builder, context, id, kms};

const LIMIT: Duration = Duration::from_secs(3);
/// For a machine that does other things too. A provider that were told no limit would wait longer.
const SLACK: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nobody_listens() {
    let key = kms().create_key().unwrap();
    let endpoint = format!("http://127.0.0.1:{}", free_port().unwrap());
    let provider = builder(&endpoint, &key).time_limit(2 * SLACK).connect().await.unwrap();
    let started = Instant::now();
    let error = provider.generate(&context(1)).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unavailable);
    assert!(error.is_passing());
    assert!(started.elapsed() < SLACK, "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_answers() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let proxy = Proxy::start(kms.address()).unwrap();
    let endpoint = Kms::url_at(proxy.address());
    let provider = builder(&endpoint, &key).connect().await.unwrap();
    let impatient = builder(&endpoint, &key).time_limit(LIMIT).connect().await.unwrap();
    let made = provider.generate(&context(1)).await.unwrap();
    proxy.set(Trouble::Silent);
    let started = Instant::now();
    let error = impatient
        .unwrap_key(&id(&key), &made.wrapped, &context(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unavailable);
    assert!(started.elapsed() < LIMIT + SLACK, "{:?}", started.elapsed());
    proxy.set(Trouble::None);
    let found = provider
        .unwrap_key(&id(&key), &made.wrapped, &context(1))
        .await
        .unwrap();
    assert_eq!(*found, *made.plain);
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_failure() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let proxy = Proxy::start(kms.address()).unwrap();
    let provider = builder(&Kms::url_at(proxy.address()), &key).connect().await.unwrap();
    provider.generate(&context(1)).await.unwrap();
    for _ in 0..5 {
        proxy.cut();
        provider.generate(&context(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_within_the_limit() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    // Longer than one attempt may take where nothing was said.
    kms.set_trouble(&key, KmsTrouble::Slow(Duration::from_millis(2_500)))
        .unwrap();
    let provider = builder(&kms.url(), &key).connect().await.unwrap();
    provider.generate(&context(1)).await.unwrap();
}

#[tokio::test]
async fn the_keys_are_there_after_a_restart_and_so_is_the_service() {
    let mut kms = Kms::start().unwrap();
    let key = kms.create_key().unwrap();
    kms.create_alias(&key, "alias/tokens").unwrap();
    let provider = builder(&kms.url(), &key).connect().await.unwrap();
    let made = provider.generate(&context(1)).await.unwrap();
    kms.stop().unwrap();
    let error = provider.generate(&context(1)).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Unavailable);
    kms.restart().unwrap();
    let found = provider
        .unwrap_key(&id(&key), &made.wrapped, &context(1))
        .await
        .unwrap();
    assert_eq!(*found, *made.plain);
    let by_alias = builder(&kms.url(), "alias/tokens").connect().await.unwrap();
    assert_eq!(by_alias.keys(), [id(&key)]);
}
