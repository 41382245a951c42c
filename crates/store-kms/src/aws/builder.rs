use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_kms::Client;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{Config, ProvideCredentials, Region, SharedCredentialsProvider};
use aws_sdk_kms::types::{KeySpec, KeyUsageType};

use crate::{KeyError, KeyErrorKind};

use super::arn::{KeyArn, KeyName};
use super::error::Call;
use super::{AwsKms, Key, NAME};

const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(2);
const OPERATION: Duration = Duration::from_secs(3);
/// A connection that broke is tried again at once; all further patience is the caller's.
const ATTEMPTS: u32 = 2;
const BACK_OFF: Duration = Duration::from_millis(50);

/// Which keys, and how to reach them.
#[derive(Debug)]
pub struct AwsKmsBuilder {
    writing_key: String,
    reading_keys: Vec<String>,
    region: Option<String>,
    endpoint_url: Option<String>,
    credentials: Option<SharedCredentialsProvider>,
    time_limit: Duration,
}

impl AwsKmsBuilder {
    pub(super) fn new(writing_key: String) -> Self {
        Self {
            writing_key,
            reading_keys: Vec::new(),
            region: None,
            endpoint_url: None,
            credentials: None,
            time_limit: OPERATION,
        }
    }

    /// One more key that records may be sealed under: the one before, until `rewrap` has moved all.
    pub fn reading_key(mut self, key: impl Into<String>) -> Self {
        self.reading_keys.push(key.into());
        self
    }

    /// The region of keys that are named without one, in place of `AWS_REGION` or the profile's. An ARN
    /// names its own.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Another address than the region's own: a VPC endpoint, or a server for tests. https, or http to
    /// a loopback address, because data keys come in plain. `AWS_ENDPOINT_URL` is not looked at.
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// Credentials in place of those that all AWS tools find: environment, profile, role.
    pub fn credentials(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.credentials = Some(SharedCredentialsProvider::new(provider));
        self
    }

    /// How long one call may take with everything; 3 s if not said. Of a longer time, a third is for a connection
    /// and two thirds for an answer: else it would be given up as early as ever.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Finds region and credentials, and asks KMS (`DescribeKey`) for the ARN of each key that was named
    /// otherwise. Keys named by their ARN are not asked about: then it returns without KMS too.
    ///
    /// # Errors
    /// [`KeyErrorKind::Config`] for a name, region or endpoint that is none, for missing credentials, and for a
    /// key that is not symmetric; else as [`KeyProvider::generate`](crate::KeyProvider::generate).
    pub async fn connect(self) -> Result<AwsKms, KeyError> {
        if let Some(url) = &self.endpoint_url {
            require_safe(url)?;
        }
        let names = std::iter::once(&self.writing_key).chain(&self.reading_keys);
        let names = names.map(|name| KeyName::parse(name)).collect::<Result<Vec<_>, _>>()?;
        let found = self.load().await;
        let mut clients = BTreeMap::new();
        let mut keys = Vec::new();
        for name in names {
            let region = region_of(&name, &found)?;
            let client = clients
                .entry(region)
                .or_insert_with_key(|region| self.client(&found, region))
                .clone();
            let arn = match name {
                KeyName::Key(arn) => arn,
                KeyName::Alias { arn: name, .. } | KeyName::Local(name) => resolve(&client, &name).await?,
            };
            keys.push(Key { arn, client });
        }
        AwsKms::of(keys)
    }

    async fn load(&self) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(credentials.clone());
        }
        loader.load().await
    }

    /// Only what is taken over from the environment is: no endpoint.
    fn client(&self, found: &SdkConfig, region: &str) -> Client {
        let times = TimeoutConfig::builder()
            .connect_timeout(CONNECT.max(self.time_limit / 3))
            .operation_attempt_timeout(ATTEMPT.max(self.time_limit / 3 * 2).min(self.time_limit))
            .operation_timeout(self.time_limit)
            .build();
        let retry = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS)
            .with_initial_backoff(BACK_OFF);
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .timeout_config(times)
            .retry_config(retry);
        config
            .set_credentials_provider(found.credentials_provider())
            .set_http_client(found.http_client())
            .set_sleep_impl(found.sleep_impl())
            .set_time_source(found.time_source())
            .set_app_name(found.app_name().cloned())
            .set_use_fips(found.use_fips())
            .set_use_dual_stack(found.use_dual_stack())
            .set_endpoint_url(self.endpoint_url.clone());
        if let Some(cache) = found.identity_cache() {
            config.set_identity_cache(cache);
        }
        Client::from_conf(config.build())
    }
}

fn region_of(name: &KeyName, found: &SdkConfig) -> Result<String, KeyError> {
    match name {
        KeyName::Key(arn) => Ok(arn.region().to_owned()),
        KeyName::Alias { region, .. } => Ok(region.clone()),
        KeyName::Local(name) => found.region().map(ToString::to_string).ok_or_else(|| {
            let text = format!("{NAME}: {name} names no region: give the key's ARN, or set AWS_REGION");
            KeyError::new(KeyErrorKind::Config, text)
        }),
    }
}

/// The ARN of the key that has this name now.
async fn resolve(client: &Client, name: &str) -> Result<KeyArn, KeyError> {
    let call = Call::new("DescribeKey", name);
    let answer = client
        .describe_key()
        .key_id(name)
        .send()
        .await
        .map_err(|error| call.failed(&error))?;
    let found = answer.key_metadata.ok_or_else(|| call.strange("no key"))?;
    let is_fit =
        found.key_spec == Some(KeySpec::SymmetricDefault) && found.key_usage == Some(KeyUsageType::EncryptDecrypt);
    if !is_fit {
        let text = "the key must be symmetric, for encryption and decryption";
        return Err(call.error(KeyErrorKind::Config, text));
    }
    KeyArn::parse(&found.arn.unwrap_or_default())
}

/// Data keys come in plain over this connection.
fn require_safe(url: &str) -> Result<(), KeyError> {
    let is_safe = match url.split_once("://") {
        Some(("https", rest)) => !rest.is_empty() && !rest.contains('@'),
        Some(("http", rest)) => is_loopback(rest),
        _ => false,
    };
    if is_safe {
        Ok(())
    } else {
        let text = format!("{NAME}: the endpoint must be https://HOST, or http:// to a loopback address");
        Err(KeyError::new(KeyErrorKind::Config, text))
    }
}

fn is_loopback(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => host,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.parse::<std::net::IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::require_safe;

    #[test]
    fn data_keys_do_not_come_over_an_open_line() {
        for good in [
            "https://vpce-1.kms.eu-central-1.vpce.amazonaws.com",
            "http://127.0.0.1:4566",
            "http://[::1]:4566/",
        ] {
            assert!(require_safe(good).is_ok(), "{good}");
        }
        for bad in [
            "http://kms.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@kms.example",
            "http://localhost:4566",
            "https://",
            "https://user:word@kms.example",
            "kms.example",
            "",
        ] {
            assert!(require_safe(bad).is_err(), "{bad}");
        }
    }
}
