//! Data keys come, go and come back, and only under the keys that are configured.

use aws_sdk_kms::Client;
use aws_sdk_kms::config::{BehaviorVersion, Config, Region};
use store_kms::{AwsKms, Context, KeyErrorKind, KeyProvider};
use test_services::{Kms, KmsCalls};

use super::given::{NAMESPACE, builder, context, credentials, id, kms, provider};

#[tokio::test]
async fn a_data_key_comes_back_as_it_was() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(7)).await.unwrap();
    assert_eq!(made.key, id(&key));
    assert!(made.plain.iter().any(|byte| *byte != 0));
    let found = provider
        .unwrap_key(&made.key, &made.wrapped, &context(7))
        .await
        .unwrap();
    assert_eq!(*found, *made.plain);
    assert_ne!(*provider.generate(&context(7)).await.unwrap().plain, *made.plain);
}

#[tokio::test]
async fn calls_carry_namespace_and_partition_and_nothing_else() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    for _ in 0..3 {
        provider.generate(&context(7)).await.unwrap();
    }
    let expected = KmsCalls {
        operation: "GenerateDataKey".into(),
        outcome: "ok".into(),
        context: format!(r#"{{"tokenkeep:namespace":"{NAMESPACE}","tokenkeep:partition":"7"}}"#),
        count: 3,
    };
    assert_eq!(kms.calls(&key).unwrap(), [expected]);
}

#[tokio::test]
async fn another_context_does_not_open_it() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let provider = provider(&kms, &key).await;
    let made = provider.generate(&context(7)).await.unwrap();
    for other in [context(8), Context::new("others", 7), Context::new("", 7)] {
        let error = provider.unwrap_key(&made.key, &made.wrapped, &other).await.unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Invalid, "{other:?}");
    }
}

#[tokio::test]
async fn another_key_does_not_open_it() {
    let kms = kms();
    let (key, other) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let provider = builder(&kms.url(), &key).reading_key(&other).connect().await.unwrap();
    let made = provider.generate(&context(1)).await.unwrap();
    let error = provider
        .unwrap_key(&id(&other), &made.wrapped, &context(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Invalid);
    assert!(error.to_string().contains("belongs to another key"), "{error}");
}

#[tokio::test]
async fn a_key_that_is_not_configured_is_never_asked_for() {
    let kms = kms();
    let (key, foreign) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let made = provider(&kms, &foreign).await.generate(&context(1)).await.unwrap();
    let before = kms.calls(&foreign).unwrap();
    let provider = provider(&kms, &key).await;
    let error = provider
        .unwrap_key(&made.key, &made.wrapped, &context(1))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), KeyErrorKind::Config);
    assert!(error.to_string().contains(&foreign), "{error}");
    assert_eq!(kms.calls(&foreign).unwrap(), before);
    assert!(kms.calls(&key).unwrap().is_empty());
}

#[tokio::test]
async fn the_key_before_still_opens_and_the_new_one_is_written_under() {
    let kms = kms();
    let (old, new) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let made = provider(&kms, &old).await.generate(&context(1)).await.unwrap();
    // Named twice it is still one.
    let rotated = builder(&kms.url(), &new).reading_key(&old).reading_key(&new);
    let rotated = rotated.connect().await.unwrap();
    assert_eq!(rotated.keys(), [id(&new), id(&old)]);
    assert_eq!(rotated.generate(&context(1)).await.unwrap().key, id(&new));
    let found = rotated.unwrap_key(&made.key, &made.wrapped, &context(1)).await.unwrap();
    assert_eq!(*found, *made.plain);
}

#[tokio::test]
async fn aliases_and_ids_become_arns() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let name = format!("alias/{}", &key[key.len() - 12..]);
    kms.create_alias(&key, &name).unwrap();
    let key_id = key.rsplit('/').next().unwrap();
    let alias_arn = key.replace(&format!("key/{key_id}"), &name);
    for named in [name.as_str(), key_id, &alias_arn, &key] {
        let provider = provider(&kms, named).await;
        assert_eq!(provider.keys(), [id(&key)], "{named}");
        assert_eq!(provider.generate(&context(1)).await.unwrap().key, id(&key));
    }
    // The ARN of a key is not asked about.
    assert_eq!(kms.count(&key, "DescribeKey").unwrap(), 3);
}

#[tokio::test]
async fn each_key_is_asked_for_in_the_region_of_its_arn() {
    let kms = kms();
    let (near, far) = (kms.create_key().unwrap(), kms.create_key_in("us-west-2").unwrap());
    let made = provider(&kms, &far).await.generate(&context(1)).await.unwrap();
    let both = builder(&kms.url(), &near).reading_key(&far).connect().await.unwrap();
    both.generate(&context(1)).await.unwrap();
    let found = both.unwrap_key(&id(&far), &made.wrapped, &context(1)).await.unwrap();
    assert_eq!(*found, *made.plain);
}

#[tokio::test]
async fn a_client_of_ones_own_serves_the_keys_of_its_region() {
    let kms = kms();
    let (near, far) = (kms.create_key().unwrap(), kms.create_key_in("us-west-2").unwrap());
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(Kms::REGION))
        .endpoint_url(kms.url())
        .credentials_provider(credentials(Kms::ACCESS_KEY_ID));
    let client = Client::from_conf(config.build());
    let provider = AwsKms::from_client(&client, &near, []).unwrap();
    provider.generate(&context(1)).await.unwrap();
    for wrong in [far.as_str(), "alias/tokens"] {
        let error = AwsKms::from_client(&client, wrong, []).unwrap_err();
        assert_eq!(error.kind(), KeyErrorKind::Config, "{wrong}");
    }
}
