//! Each way to fail is its own kind, says what to do, and shows no secret.

use std::error::Error;
use std::time::Instant;

use store_kms::{KeyErrorKind, KeyProvider};
use test_services::{KmsKeyState, KmsTrouble};

use super::given::{builder, context, credentials, id, kinds, kms, provider};

#[tokio::test]
async fn a_disabled_key_works_again_when_it_is_enabled() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    kms.set_state(&key, KmsKeyState::Disabled).unwrap();
    let disabled = Err(KeyErrorKind::Disabled);
    assert_eq!(kinds(&provider, &key, &made.wrapped).await, [disabled, disabled]);
    kms.set_state(&key, KmsKeyState::Enabled).unwrap();
    assert_eq!(kinds(&provider, &key, &made.wrapped).await, [Ok(()), Ok(())]);
}

#[tokio::test]
async fn a_key_that_waits_for_its_deletion_says_so() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    kms.set_state(&key, KmsKeyState::PendingDeletion).unwrap();
    let pending = Err(KeyErrorKind::PendingDeletion);
    assert_eq!(kinds(&provider, &key, &made.wrapped).await, [pending, pending]);
    let error = provider.generate(&context(1)).await.unwrap_err();
    assert!(error.to_string().contains("cancel-key-deletion"), "{error}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_key_without_material_can_not_be_used() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    kms.set_state(&key, KmsKeyState::PendingImport).unwrap();
    let error = provider.generate(&context(1)).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Disabled);
    assert!(error.to_string().contains("describe-key"), "{error}");
}

#[tokio::test]
async fn what_kms_never_wrapped_is_invalid() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    let mut flipped = made.wrapped.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = &made.wrapped[..made.wrapped.len() - 1];
    for bad in [&b"garbage"[..], &[0; 200], &flipped, cut] {
        let error = provider.unwrap_key(&id(&key), bad, &context(1)).await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Invalid);
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    for (code, kind) in [
        ("AccessDeniedException", KeyErrorKind::Denied),
        ("ExpiredTokenException", KeyErrorKind::Config),
        ("InvalidKeyUsageException", KeyErrorKind::Config),
        ("KMSInternalException", KeyErrorKind::Unavailable),
        ("KeyUnavailableException", KeyErrorKind::Unavailable),
        ("DependencyTimeoutException", KeyErrorKind::Unavailable),
        ("ThrottlingException", KeyErrorKind::Throttled),
    ] {
        kms.set_trouble(&key, KmsTrouble::Refuse(code)).unwrap();
        assert_eq!(
            kinds(&provider, &key, &made.wrapped).await,
            [Err(kind), Err(kind)],
            "{code}"
        );
        let error = provider.generate(&context(1)).await.unwrap_err();
        let source = error.source().unwrap().to_string();
        assert!(source.contains(code), "{source}");
        assert!(error.to_string().contains(&key), "{error}");
    }
}

#[tokio::test]
async fn when_half_of_all_calls_are_throttled_the_others_are_answered() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    kms.set_trouble(&key, KmsTrouble::Throttle(0.5)).unwrap();
    let mut answered = 0;
    for _ in 0..20 {
        match provider.generate(&context(1)).await {
            Ok(_) => answered += 1,
            Err(error) => assert_eq!(error.kind(), KeyErrorKind::Throttled),
        }
    }
    // A call is repeated once: three of four come through.
    assert!((8..20).contains(&answered), "{answered}");
}

#[tokio::test]
async fn no_such_key_and_no_such_alias() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let (prefix, _) = key.rsplit_once('/').unwrap();
    let missing = format!("{prefix}/11111111-2222-3333-4444-555555555555");
    let error = provider(&kms, &missing).await.generate(&context(1)).await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::NotFound);
    let error = builder(&kms.url(), "alias/nobody").connect().await.unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::NotFound);
    // The key is there, in another region.
    let elsewhere = key.replace("eu-central-1", "us-east-1");
    let error = provider(&kms, &elsewhere)
        .await
        .generate(&context(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::NotFound);
}

#[tokio::test]
async fn credentials_that_aws_does_not_know() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let builder = builder(&kms.url(), &key).credentials(credentials("AKIAUNKNOWN"));
    let error = builder
        .connect()
        .await
        .unwrap()
        .generate(&context(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Config);
    assert!(error.to_string().contains("credentials"), "{error}");
}

#[tokio::test]
async fn names_and_endpoints_that_are_none_are_refused_before_anything_is_asked() {
    let started = Instant::now();
    for (endpoint, key) in [
        ("http://kms.example", "alias/tokens"),
        ("http://127.0.0.1:9", "no key"),
        ("http://127.0.0.1:9", "arn:aws:kms:a/b:123456789012:key/1"),
    ] {
        let error = builder(endpoint, key).connect().await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Config);
    }
    assert!(started.elapsed().as_secs() < 60);
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_data_key() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(1)).await.unwrap();
    let shown = format!("{provider:?} {made:?}");
    assert_eq!(
        shown,
        format!("AwsKms {{ keys: [KeyId({key})], .. }} GeneratedKey {{ key: KeyId({key}), .. }}")
    );
}
