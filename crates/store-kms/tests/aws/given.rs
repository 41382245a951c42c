//! What the tests begin with.

use std::time::Duration;

use aws_sdk_kms::config::Credentials;
use store_kms::{AwsKms, AwsKmsBuilder, Context, KeyErrorKind, KeyId, KeyProvider};
use test_services::Kms;

pub(crate) const NAMESPACE: &str = "billing";

/// The server for everybody; keys are each test's own.
pub(crate) fn kms() -> Kms {
    Kms::shared().unwrap()
}

pub(crate) fn credentials(access_key_id: &str) -> Credentials {
    Credentials::builder()
        .access_key_id(access_key_id)
        .secret_access_key(Kms::SECRET_ACCESS_KEY)
        .provider_name("tests")
        .build()
}

/// For this key at this endpoint.
pub(crate) fn builder(endpoint: &str, key: &str) -> AwsKmsBuilder {
    AwsKms::builder(key)
        .region(Kms::REGION)
        .endpoint_url(endpoint)
        .credentials(credentials(Kms::ACCESS_KEY_ID))
        // A busy machine is no dead server.
        .time_limit(Duration::from_mins(1))
}

pub(crate) async fn provider(kms: &Kms, key: &str) -> AwsKms {
    builder(&kms.url(), key).connect().await.unwrap()
}

pub(crate) fn context(partition: u32) -> Context {
    Context::new(NAMESPACE, partition)
}

/// What comes of a new data key, and of one that was given out before.
pub(crate) async fn kinds(provider: &AwsKms, key: &str, wrapped: &[u8]) -> [Result<(), KeyErrorKind>; 2] {
    let generated = provider.generate(&context(1)).await;
    let unwrapped = provider.unwrap_key(&id(key), wrapped, &context(1)).await;
    [
        generated.map(drop).map_err(|error| error.kind()),
        unwrapped.map(drop).map_err(|error| error.kind()),
    ]
}

pub(crate) fn id(key: &str) -> KeyId {
    KeyId::new(key).unwrap()
}
