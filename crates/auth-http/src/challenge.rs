//! Whether an answer says that the token was not good enough.

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A 401 that another access token may cure: it challenges for a bearer token,
/// or says nothing (RFC 6750 section 3). Not one that asks for another scheme
/// only, nor for a wider scope: a refresh brings neither.
pub(crate) fn rejects_token(status: StatusCode, headers: &HeaderMap) -> bool {
    if status != StatusCode::UNAUTHORIZED {
        return false;
    }
    let mut fields = headers.get_all(WWW_AUTHENTICATE).iter().peekable();
    fields.peek().is_none()
        || fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(challenges)
            .any(|challenge| challenge.is_cured_by_another_token())
}

struct Challenge<'a> {
    scheme: &'a str,
    parameters: Vec<&'a str>,
}

impl Challenge<'_> {
    fn is_cured_by_another_token(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("bearer")
            && !self.parameters.iter().any(|parameter| is_insufficient_scope(parameter))
    }
}

fn is_insufficient_scope(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("error") && value.trim().trim_matches('"') == "insufficient_scope"
    })
}

// Several challenges may share one field, separated by commas as their
// parameters are (RFC 9110 section 11.6.1): a part that begins with a word not
// followed by `=` opens the next one.
fn challenges(field: &str) -> Vec<Challenge<'_>> {
    let mut found: Vec<Challenge<'_>> = Vec::new();
    for part in outside_quotes(field) {
        let (word, rest) = part.split_once([' ', '\t']).unwrap_or((part, ""));
        let rest = rest.trim();
        if word.contains('=') || rest.starts_with('=') {
            found
                .last_mut()
                .into_iter()
                .for_each(|challenge| challenge.parameters.push(part));
        } else if !word.is_empty() {
            found.push(Challenge {
                scheme: word,
                parameters: vec![rest],
            });
        }
    }
    found
}

// The parts between the commas that are in no quoted string.
fn outside_quotes(field: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    field
        .split(move |character: char| {
            match character {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                _ => {}
            }
            character == ',' && !quoted
        })
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejects(status: u16, challenges: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for challenge in challenges {
            headers.append(WWW_AUTHENTICATE, challenge.parse().unwrap());
        }
        rejects_token(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn a_bearer_challenge_or_none_rejects_the_token() {
        for challenges in [
            &[][..],
            &["Bearer"],
            &["bearer realm=\"a, Basic\""],
            &["Bearer error=\"invalid_token\", error_description=\"expired, \\\" or so\""],
            &["Basic realm=\"x\", Bearer realm=\"y\""],
            &["Basic realm=\"x\"", "Bearer"],
            &["Negotiate, Bearer error = \"invalid_token\""],
        ] {
            assert!(rejects(401, challenges), "{challenges:?}");
        }
    }

    #[test]
    fn another_scheme_another_status_or_a_wider_scope_does_not() {
        for challenges in [
            &["Basic realm=\"Bearer\""][..],
            &["Basic realm=\"x, Bearer y\""],
            &["Negotiate"],
            &["DPoP algs=\"ES256\""],
            &["Bearer error=\"insufficient_scope\""],
            &["Bearer realm=\"a\", error=insufficient_scope, scope=\"b\""],
            &["BearerX"],
            &[""],
            &[", ,"],
            &["x=1"],
        ] {
            assert!(!rejects(401, challenges), "{challenges:?}");
        }
        for status in [200, 302, 400, 403, 407, 500] {
            assert!(!rejects(status, &[]));
            assert!(!rejects(status, &["Bearer error=\"invalid_token\""]));
        }
    }
}
