//! Data keys from AWS KMS.

mod arn;
mod builder;
mod error;

use std::fmt;

use async_trait::async_trait;
use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use zeroize::Zeroizing;

use crate::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};

use arn::KeyArn;
pub use builder::AwsKmsBuilder;
use error::Call;

const NAME: &str = "aws-kms";
const NAMESPACE: &str = "tokenkeep:namespace";
const PARTITION: &str = "tokenkeep:partition";

/// Data keys from AWS KMS: one key for writing, more for reading.
///
/// Each key is named by its ARN, and asked for in the ARN's region; a record can choose neither a key that is
/// not among [`keys`](KeyProvider::keys), nor a region or an endpoint. `Decrypt` is told which key it is, so that
/// KMS tries no other.
///
/// A data key is wiped from what we hold of it. Copies in the buffers of the HTTP client, of TLS and of
/// the JSON reader of the AWS SDK are not: the SDK gives no hold on them.
pub struct AwsKms {
    ids: Vec<KeyId>,
    keys: Vec<Key>,
}

/// A key, and the client for its region.
struct Key {
    arn: KeyArn,
    client: Client,
}

impl AwsKms {
    /// Where new data keys come from: a key's ARN, its id, `alias/NAME` or an alias's ARN. Region and
    /// credentials are found as all AWS tools find them, unless the builder is told.
    pub fn builder(writing_key: impl Into<String>) -> AwsKmsBuilder {
        AwsKmsBuilder::new(writing_key.into())
    }

    /// With a client of your own, for keys that are all in its region: the one for writing, and those for
    /// reading besides, by ARN. Time-outs and retries are the client's.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] for what is no ARN of a key, or of another region than the client's.
    pub fn from_client<'k>(
        client: &Client,
        writing_key: &'k str,
        reading_keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<Self, KeyError> {
        let region = client.config().region().map(ToString::to_string);
        let keys = std::iter::once(writing_key)
            .chain(reading_keys)
            .map(|name| {
                let arn = KeyArn::parse(name)?;
                if region.as_deref() != Some(arn.region()) {
                    let own = region.as_deref().unwrap_or("none");
                    let text = format!("{NAME}: {arn} is in another region than the client ({own})");
                    return Err(KeyError::new(KeyErrorKind::Config, text));
                }
                let client = client.clone();
                Ok(Key { arn, client })
            })
            .collect::<Result<Vec<Key>, KeyError>>()?;
        Self::of(keys)
    }

    /// Keeps the first of each.
    fn of(keys: Vec<Key>) -> Result<Self, KeyError> {
        let mut ids = Vec::new();
        let mut kept = Vec::new();
        for key in keys {
            let id = KeyId::new(key.arn.as_str())?;
            if !ids.contains(&id) {
                ids.push(id);
                kept.push(key);
            }
        }
        Ok(Self { ids, keys: kept })
    }

    fn key(&self, id: &KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.arn.as_str() == id.as_str())
    }
}

#[async_trait]
impl KeyProvider for AwsKms {
    fn name(&self) -> &str {
        NAME
    }

    fn keys(&self) -> &[KeyId] {
        &self.ids
    }

    async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError> {
        let (Some(id), Some(key)) = (self.ids.first(), self.keys.first()) else {
            return Err(KeyError::new(KeyErrorKind::Config, format!("{NAME}: no key")));
        };
        let call = Call::new("GenerateDataKey", key.arn.as_str());
        let request = key.client.generate_data_key().key_id(key.arn.as_str());
        let answer = request
            .key_spec(DataKeySpec::Aes256)
            .encryption_context(NAMESPACE, context.namespace())
            .encryption_context(PARTITION, context.partition().to_string())
            .send()
            .await
            .map_err(|error| call.failed(&error))?;
        let plain = plain(&call, answer.plaintext);
        if answer.key_id.as_deref() != Some(key.arn.as_str()) {
            return Err(call.strange("it used another key"));
        }
        match answer.ciphertext_blob {
            Some(wrapped) => Ok(GeneratedKey {
                key: id.clone(),
                plain: plain?,
                wrapped: wrapped.into_inner(),
            }),
            None => Err(call.strange("no wrapped key")),
        }
    }

    async fn unwrap_key(&self, key: &KeyId, wrapped: &[u8], context: &Context) -> Result<DataKeyBytes, KeyError> {
        let Some(key) = self.key(key) else {
            let text = format!("{NAME}: the record names the key {key}, which is not configured for reading");
            return Err(KeyError::new(KeyErrorKind::Config, text));
        };
        let call = Call::new("Decrypt", key.arn.as_str());
        let request = key.client.decrypt().key_id(key.arn.as_str());
        let answer = request
            .ciphertext_blob(Blob::new(wrapped))
            .encryption_context(NAMESPACE, context.namespace())
            .encryption_context(PARTITION, context.partition().to_string())
            .send()
            .await
            .map_err(|error| call.failed(&error))?;
        let plain = plain(&call, answer.plaintext);
        if answer.key_id.as_deref() != Some(key.arn.as_str()) {
            return Err(call.strange("it used another key"));
        }
        plain
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsKms")
            .field("keys", &self.ids)
            .finish_non_exhaustive()
    }
}

/// Takes the bytes out of the answer, and wipes where they were.
fn plain(call: &Call<'_>, answer: Option<Blob>) -> Result<DataKeyBytes, KeyError> {
    let bytes = Zeroizing::new(answer.map(Blob::into_inner).unwrap_or_default());
    let mut key = DataKeyBytes::default();
    if bytes.len() != key.len() {
        return Err(call.strange("the key has not 256 bits"));
    }
    key.copy_from_slice(&bytes);
    Ok(key)
}
