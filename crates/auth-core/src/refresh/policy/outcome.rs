//! What an attempt to spend a refresh token came to.

use crate::error::{Refusal, TokenError, TokenErrorKind};
use crate::token::{Answer, TokenResponse};
use crate::transport::{Delivery, TransportError};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) enum Aftermath {
    /// New tokens: to be kept before anybody gets them.
    Commit(Box<TokenResponse>),
    /// Surely not spent: clear the mark, back off.
    NotSpent { error: TokenError, refusal: Option<Box<Refusal>> },
    /// The refresh token itself was refused.
    GrantRefused { refusal: Box<Refusal> },
    /// It may be spent: the mark stays.
    Ambiguous { error: TokenError },
}

/// Classifies an answer, or none.
pub(crate) fn after_answer(answer: Result<Answer, TransportError>, operation: &'static str) -> Aftermath {
    match answer {
        Ok(answer) if answer.refuses_the_grant() => match answer {
            Answer::Refused(refusal) => Aftermath::GrantRefused { refusal },
            // Only refusals refuse.
            _ => Aftermath::Ambiguous { error: TokenError::new(TokenErrorKind::Network, operation) },
        },
        Ok(Answer::Granted(response)) => Aftermath::Commit(response),
        Ok(Answer::Refused(refusal)) => {
            let error = TokenError::new(TokenErrorKind::Refused(refusal.clone()), operation);
            Aftermath::NotSpent { error, refusal: Some(refusal) }
        }
        Ok(Answer::Unreadable(error)) => {
            let network = TokenError::new(TokenErrorKind::Network, operation).with_source(error);
            Aftermath::Ambiguous { error: network }
        }
        Err(error) if error.delivery() == Delivery::NotSent => {
            Aftermath::NotSpent { error: TokenError::transport(error, operation), refusal: None }
        }
        Err(error) => Aftermath::Ambiguous { error: TokenError::transport(error, operation) },
    }
}
