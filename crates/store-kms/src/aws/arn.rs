use std::fmt;

use crate::{KeyError, KeyErrorKind};

use super::NAME;

/// How a user names a key of AWS KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyName {
    /// The ARN of a key: nothing has to be asked.
    Key(KeyArn),
    /// The ARN of an alias, and its region.
    Alias { arn: String, region: String },
    /// An id or `alias/NAME`, in the region of the environment.
    Local(String),
}

/// `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyArn {
    text: String,
    region: String,
}

impl KeyName {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        if !text.starts_with("arn:") {
            return if is_name(text) {
                Ok(Self::Local(text.to_owned()))
            } else {
                Err(not_a_key(text))
            };
        }
        let (region, resource) = parts(text).ok_or_else(|| not_a_key(text))?;
        let region = region.to_owned();
        match resource.split_once('/') {
            Some(("key", id)) if is_name(id) => Ok(Self::Key(KeyArn {
                text: text.to_owned(),
                region,
            })),
            Some(("alias", name)) if is_name(name) => Ok(Self::Alias {
                arn: text.to_owned(),
                region,
            }),
            _ => Err(not_a_key(text)),
        }
    }
}

impl KeyArn {
    /// # Errors
    /// [`KeyErrorKind::Config`] for anything but the ARN of a key.
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        match KeyName::parse(text)? {
            KeyName::Key(arn) => Ok(arn),
            _ => Err(not_a_key(text)),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Region and resource.
fn parts(arn: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "kms", region, account, resource] = words[..] else {
        return None;
    };
    let is_region = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    // The region becomes part of the host name that is asked.
    (!partition.is_empty() && is_region && is_account).then_some((region, resource))
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
    (1..=256).contains(&text.len()) && text.bytes().all(is_letter)
}

fn not_a_key(text: &str) -> KeyError {
    let text = format!(
        "{NAME}: {text:?} names no key: arn:aws:kms:REGION:ACCOUNT:key/ID, the ARN of an alias, a key's id, or alias/NAME"
    );
    KeyError::new(KeyErrorKind::Config, text)
}

#[cfg(test)]
mod tests {
    use super::{KeyArn, KeyName};
    use crate::KeyErrorKind;

    const ARN: &str = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[test]
    fn the_arn_of_a_key_names_its_region() {
        let arn = KeyArn::parse(ARN).unwrap();
        assert_eq!((arn.as_str(), arn.region()), (ARN, "eu-central-1"));
        let china = ARN.replace("aws", "aws-cn").replace("eu-central-1", "cn-north-1");
        assert_eq!(KeyArn::parse(&china).unwrap().region(), "cn-north-1");
    }

    #[test]
    fn aliases_and_ids_are_names_but_no_arns_of_keys() {
        let alias = "arn:aws:kms:us-east-1:123456789012:alias/tokens";
        assert!(matches!(KeyName::parse(alias), Ok(KeyName::Alias { region, .. }) if region == "us-east-1"));
        for local in ["alias/tokens", "1234abcd-12ab-34cd-56ef-1234567890ab", "mrk-1234"] {
            assert_eq!(KeyName::parse(local).unwrap(), KeyName::Local(local.into()));
            assert_eq!(KeyArn::parse(local).unwrap_err().kind(), KeyErrorKind::Config);
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for bad in [
            "",
            "alias/a b",
            "arn:aws:kms:evil.example/:123456789012:key/1",
            "arn:aws:kms::123456789012:key/1",
            "arn:aws:kms:eu-central-1:1:key/1",
            "arn:aws:s3:eu-central-1:123456789012:key/1",
            "arn:aws:kms:eu-central-1:123456789012:key/",
            "arn:aws:kms:eu-central-1:123456789012:grant/1",
        ] {
            assert_eq!(KeyName::parse(bad).unwrap_err().kind(), KeyErrorKind::Config, "{bad}");
        }
    }
}
