//! Redirects never carry a token to another origin.

use reqwest::redirect::Policy;

use crate::origin::same_origin;

/// `policy`, but a redirect to another origin than the first request's is not
/// followed: its 3xx answer is the answer.
///
/// reqwest takes the `Authorization` header off where a redirect leaves the
/// origin of the hop before it, but starts each hop with the headers of the
/// first request. So a chain `api -> other -> other` shows the token to `other`
/// in its third request (seen in reqwest 0.13.5 over tower-http 0.6.11). A
/// header of one's own (`DPoP`, `X-Api-Key`) is never taken off at all.
pub fn within_origin(policy: Policy) -> Policy {
    Policy::custom(move |attempt| {
        let within = attempt
            .previous()
            .first()
            .is_some_and(|first| same_origin(first, attempt.url()));
        if within {
            policy.redirect(attempt)
        } else {
            attempt.stop()
        }
    })
}
