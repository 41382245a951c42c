//! What AWS answers, in our kinds.
//!
//! KMS's own words are not repeated: some name who asked. The code and the request's id are, which is what AWS
//! support asks for.

use std::error::Error;
use std::fmt;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::operation::RequestId;

use crate::{KeyError, KeyErrorKind};

use super::NAME;

/// One call, for what is said about its failure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'c> {
    operation: &'static str,
    key: &'c str,
}

/// What KMS refused with.
#[derive(Debug)]
struct Refusal {
    code: String,
    request: Option<String>,
}

/// Why there was no answer, in the words of the part that failed.
#[derive(Debug)]
struct Cause(String);

/// The codes of KMS, of its front and of the signature check: what each is to us, and what to do.
const CODES: [(&str, KeyErrorKind, &str); 26] = [
    ("AccessDeniedException", KeyErrorKind::Denied, ALLOW),
    ("NotAuthorized", KeyErrorKind::Denied, ALLOW),
    ("OptInRequired", KeyErrorKind::Denied, ACCOUNT),
    ("DisabledException", KeyErrorKind::Disabled, ENABLE),
    ("InvalidCiphertextException", KeyErrorKind::Invalid, CHANGED),
    ("IncorrectKeyException", KeyErrorKind::Invalid, OTHER_KEY),
    ("NotFoundException", KeyErrorKind::NotFound, NO_KEY),
    ("ThrottlingException", KeyErrorKind::Throttled, QUOTA),
    ("Throttling", KeyErrorKind::Throttled, QUOTA),
    ("RequestLimitExceeded", KeyErrorKind::Throttled, QUOTA),
    ("TooManyRequestsException", KeyErrorKind::Throttled, QUOTA),
    ("DependencyTimeoutException", KeyErrorKind::Unavailable, BUSY),
    ("KeyUnavailableException", KeyErrorKind::Unavailable, BUSY),
    ("KMSInternalException", KeyErrorKind::Unavailable, BUSY),
    ("InternalFailure", KeyErrorKind::Unavailable, BUSY),
    ("ServiceUnavailable", KeyErrorKind::Unavailable, BUSY),
    ("InvalidKeyUsageException", KeyErrorKind::Config, SYMMETRIC),
    ("InvalidArnException", KeyErrorKind::Config, NO_KEY),
    ("ValidationException", KeyErrorKind::Config, NO_KEY),
    ("UnrecognizedClientException", KeyErrorKind::Config, CREDENTIALS),
    ("InvalidSignatureException", KeyErrorKind::Config, CREDENTIALS),
    ("IncompleteSignature", KeyErrorKind::Config, CREDENTIALS),
    ("MissingAuthenticationTokenException", KeyErrorKind::Config, CREDENTIALS),
    ("InvalidClientTokenId", KeyErrorKind::Config, CREDENTIALS),
    ("ExpiredTokenException", KeyErrorKind::Config, EXPIRED),
    ("RequestExpired", KeyErrorKind::Config, CLOCK),
];

const ALLOW: &str = "not allowed: the key's policy, or the role's, must allow kms:GenerateDataKey and kms:Decrypt \
                     with the encryption context that tokenkeep sends";
const ACCOUNT: &str = "the account may not use KMS in this region";
const ENABLE: &str = "the key is disabled: aws kms enable-key, or write under another key";
const CHANGED: &str = "the wrapped key was changed, or belongs to another namespace or partition";
const OTHER_KEY: &str = "the wrapped key belongs to another key than the record names";
const NO_KEY: &str = "there is no such key in this region and account";
const QUOTA: &str = "asked too often: the account's quota for this region is used up; it passes";
const BUSY: &str = "KMS is out of order for the moment";
const SYMMETRIC: &str = "the key must be symmetric, for encryption and decryption";
const CREDENTIALS: &str = "AWS does not know the credentials: see AWS_PROFILE, AWS_ACCESS_KEY_ID, the role";
const EXPIRED: &str = "the AWS credentials have expired: log in again, or give the process a role";
const CLOCK: &str = "AWS finds the request too old: is this machine's clock right?";
const DELETION: &str = "the key waits for its deletion: aws kms cancel-key-deletion, and enable it, \
                        or all that is sealed under it will be lost";
const STATE: &str = "the key can't be used as it is: see its state with aws kms describe-key";
const UNKNOWN: &str = "KMS refused";
const NO_CREDENTIALS: &str = "no AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                              or give the process a role";
const BAD_CREDENTIALS: &str = "the AWS settings for credentials are wrong: see the profile in ~/.aws";
const LATE_CREDENTIALS: &str = "AWS credentials could not be fetched";

impl<'c> Call<'c> {
    pub(super) fn new(operation: &'static str, key: &'c str) -> Self {
        Self { operation, key }
    }

    /// What the SDK reports.
    pub(super) fn failed<E, R>(&self, error: &SdkError<E, R>) -> KeyError
    where
        SdkError<E, R>: Error + RequestId,
        E: ProvideErrorMetadata + Error + 'static,
        R: fmt::Debug + 'static,
    {
        match error {
            SdkError::ServiceError(refused) => {
                let meta = refused.err().meta();
                let refusal = Refusal {
                    code: meta.code().map(safe).unwrap_or_default(),
                    request: error.request_id().map(safe),
                };
                let (kind, advice) = judge(&refusal.code, meta.message().unwrap_or_default());
                self.error(kind, advice).with_source(refusal)
            }
            SdkError::TimeoutError(_) => self.error(KeyErrorKind::Unavailable, "no answer in time"),
            SdkError::ResponseError(_) => self.strange("what came is no answer of KMS"),
            other => match credentials(other) {
                Some((kind, advice)) => self.error(kind, advice),
                None => self.not_sent(other),
            },
        }
    }

    /// An answer that KMS does not give.
    pub(super) fn strange(&self, what: &str) -> KeyError {
        self.error(KeyErrorKind::Unavailable, &format!("a strange answer: {what}"))
    }

    pub(super) fn error(&self, kind: KeyErrorKind, advice: &str) -> KeyError {
        KeyError::new(kind, format!("{NAME}: {} with {}: {advice}", self.operation, self.key))
    }

    fn not_sent<E, R>(&self, error: &SdkError<E, R>) -> KeyError {
        match error {
            SdkError::DispatchFailure(failure) if !failure.is_user() => {
                let advice = "KMS can't be reached: are region and endpoint right, is there a way out?";
                let error = self.error(KeyErrorKind::Unavailable, advice);
                match failure.as_connector_error().map(innermost) {
                    Some(cause) => error.with_source(cause),
                    None => error,
                }
            }
            _ => self.error(
                KeyErrorKind::Config,
                "the call can't be made: are region and endpoint right?",
            ),
        }
    }
}

/// The kind of a code, and what to do. Only the text tells why a state is invalid.
fn judge(code: &str, message: &str) -> (KeyErrorKind, &'static str) {
    if code == "KMSInvalidStateException" {
        let message = message.to_ascii_lowercase();
        return if message.contains("pending") && message.contains("deletion") {
            (KeyErrorKind::PendingDeletion, DELETION)
        } else {
            (KeyErrorKind::Disabled, STATE)
        };
    }
    CODES
        .iter()
        .find(|(known, ..)| *known == code)
        .map_or((KeyErrorKind::Denied, UNKNOWN), |(_, kind, advice)| (*kind, *advice))
}

/// Whether it failed for want of credentials.
fn credentials(error: &(dyn Error + 'static)) -> Option<(KeyErrorKind, &'static str)> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            return Some(match error {
                CredentialsError::CredentialsNotLoaded(_) => (KeyErrorKind::Config, NO_CREDENTIALS),
                CredentialsError::InvalidConfiguration(_) => (KeyErrorKind::Config, BAD_CREDENTIALS),
                _ => (KeyErrorKind::Unavailable, LATE_CREDENTIALS),
            });
        }
        cause = error.source();
    }
    None
}

/// What the system or the TLS library said, below all wrappings.
fn innermost(error: &(impl Error + 'static)) -> Cause {
    let mut cause: &dyn Error = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    Cause(cause.to_string())
}

/// A code or an id is short and harmless; what is not is no code.
fn safe(text: &str) -> String {
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if text.len() <= 64 && text.bytes().all(is_safe) {
        text.to_owned()
    } else {
        "something unreadable".to_owned()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KMS answered {}", self.code)?;
        match &self.request {
            Some(id) => write!(f, " to the request {id}"),
            None => Ok(()),
        }
    }
}

impl Error for Refusal {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Cause {}

#[cfg(test)]
mod tests {
    use super::{CODES, KeyErrorKind, Refusal, judge, safe};

    #[test]
    fn every_code_has_its_kind() {
        for (code, kind) in [
            ("AccessDeniedException", KeyErrorKind::Denied),
            ("DisabledException", KeyErrorKind::Disabled),
            ("ExpiredTokenException", KeyErrorKind::Config),
            ("IncorrectKeyException", KeyErrorKind::Invalid),
            ("InvalidCiphertextException", KeyErrorKind::Invalid),
            ("InvalidKeyUsageException", KeyErrorKind::Config),
            ("KMSInternalException", KeyErrorKind::Unavailable),
            ("KeyUnavailableException", KeyErrorKind::Unavailable),
            ("NotFoundException", KeyErrorKind::NotFound),
            ("ThrottlingException", KeyErrorKind::Throttled),
            ("UnrecognizedClientException", KeyErrorKind::Config),
        ] {
            assert_eq!(judge(code, "").0, kind, "{code}");
        }
        for (code, kind, _) in CODES {
            assert_eq!(judge(code, "").0, kind, "{code} is in the table twice");
        }
    }

    #[test]
    fn an_invalid_state_is_told_by_its_text() {
        let key = "arn:aws:kms:eu-central-1:123456789012:key/1";
        let judged = |words: &str| judge("KMSInvalidStateException", &format!("{key} is {words}.")).0;
        assert_eq!(judged("pending deletion"), KeyErrorKind::PendingDeletion);
        assert_eq!(judged("pending replica deletion"), KeyErrorKind::PendingDeletion);
        assert_eq!(judged("pending import"), KeyErrorKind::Disabled);
    }

    #[test]
    fn an_unknown_refusal_does_not_pass_by_itself() {
        assert_eq!(judge("BrandNewException", "").0, KeyErrorKind::Denied);
    }

    #[test]
    fn nothing_but_codes_is_repeated() {
        assert_eq!(safe("ThrottlingException"), "ThrottlingException");
        assert_eq!(safe("User: arn:aws:iam::1:user/ann is not"), "something unreadable");
        let refusal = Refusal {
            code: "DisabledException".into(),
            request: Some("6f1e".into()),
        };
        assert_eq!(
            refusal.to_string(),
            "KMS answered DisabledException to the request 6f1e"
        );
    }
}
