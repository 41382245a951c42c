//! What an attempt to spend a refresh token came to.

use crate::error::{Refusal, TokenError, TokenErrorKind};
use crate::provider::Rotation;
use crate::token::{Answer, TokenResponse};
use crate::transport::{Delivery, TransportError};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Aftermath {
    /// New tokens: to be kept before anybody gets them.
    Commit(Box<TokenResponse>),
    /// Surely not spent: clear the mark, back off.
    NotSpent {
        error: TokenError,
        refusal: Option<Box<Refusal>>,
    },
    /// The refresh token itself was refused.
    GrantRefused { refusal: Box<Refusal> },
    /// It may be spent: the mark stays.
    Ambiguous { error: TokenError },
}

/// Classifies an answer, or none.
pub(crate) fn after_answer(
    answer: Result<Answer, TransportError>,
    rotation: Rotation,
    operation: &'static str,
) -> Aftermath {
    match answer {
        Ok(Answer::Refused(refusal)) if rotation != Rotation::NonRotating && may_come_from_a_gateway(&refusal) => {
            let error = TokenError::new(TokenErrorKind::Refused(refusal), operation);
            Aftermath::Ambiguous { error }
        }
        Ok(answer) if answer.refuses_the_grant() => match answer {
            Answer::Refused(refusal) => Aftermath::GrantRefused { refusal },
            // Only refusals refuse.
            _ => Aftermath::Ambiguous {
                error: TokenError::new(TokenErrorKind::Network, operation),
            },
        },
        Ok(Answer::Granted(response)) => Aftermath::Commit(response),
        Ok(Answer::Refused(refusal)) => {
            let error = TokenError::new(TokenErrorKind::Refused(refusal.clone()), operation);
            Aftermath::NotSpent {
                error,
                refusal: Some(refusal),
            }
        }
        Ok(Answer::Unreadable(error)) => {
            let network = TokenError::new(TokenErrorKind::Network, operation).with_source(error);
            Aftermath::Ambiguous { error: network }
        }
        Err(error) if error.delivery() == Delivery::NotSent => Aftermath::NotSpent {
            error: TokenError::transport(error, operation),
            refusal: None,
        },
        Err(error) => Aftermath::Ambiguous {
            error: TokenError::transport(error, operation),
        },
    }
}

/// Whether the answer may come from something between us and the token endpoint,
/// which may have spent the token meanwhile: it names no OAuth error code, and its
/// status says that somebody waited for somebody, or broke off.
fn may_come_from_a_gateway(refusal: &Refusal) -> bool {
    refusal.code.is_none() && matches!(refusal.status, 408 | 500 | 502 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<&str>, rotation: Rotation) -> Aftermath {
        let refusal = Refusal {
            code: code.map(str::to_owned),
            ..Refusal::new(status)
        };
        after_answer(Ok(Answer::Refused(Box::new(refusal))), rotation, "refresh")
    }

    #[test]
    fn a_gateway_does_not_say_what_the_server_did() {
        for status in [408, 500, 502, 504] {
            assert!(
                matches!(refused(status, None, Rotation::Strict), Aftermath::Ambiguous { .. }),
                "{status}"
            );
            assert!(
                matches!(refused(status, None, Rotation::NonRotating), Aftermath::NotSpent { .. }),
                "{status}"
            );
            let code = Some("server_error");
            assert!(
                matches!(refused(status, code, Rotation::Strict), Aftermath::NotSpent { .. }),
                "{status}"
            );
        }
        for status in [400, 401, 403, 404, 429, 503] {
            assert!(
                matches!(refused(status, None, Rotation::Strict), Aftermath::NotSpent { .. }),
                "{status}"
            );
        }
        let grant = refused(400, Some("invalid_grant"), Rotation::Strict);
        assert!(matches!(grant, Aftermath::GrantRefused { .. }));
    }

    #[test]
    fn what_was_never_sent_is_not_spent() {
        let not_sent = after_answer(Err(TransportError::not_sent("x")), Rotation::Strict, "refresh");
        assert!(matches!(not_sent, Aftermath::NotSpent { refusal: None, .. }));
        let unknown = after_answer(Err(TransportError::ambiguous("x")), Rotation::NonRotating, "refresh");
        assert!(matches!(unknown, Aftermath::Ambiguous { .. }));
    }
}
