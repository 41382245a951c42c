use proptest::prelude::*;

use super::*;

const CONFIDENTIAL: Needs = Needs {
    client_secret: true,
    refresh_token: true,
};
const PUBLIC: Needs = Needs {
    client_secret: false,
    refresh_token: true,
};

/// What a place has of the four, and what comes of it for a confidential and for a
/// public client: what is used, or what is missing. `a` access token, `i` client id,
/// `s` client secret, `r` refresh token.
const TABLE: [(&str, &str, &str); 16] = [
    ("", "missing i s r", "missing i r"),
    ("a", "access", "access"),
    ("i", "missing s r", "missing r"),
    ("s", "missing i r", "missing i r"),
    ("r", "missing i s", "missing i"),
    ("ai", "access", "access"),
    ("as", "access", "access"),
    ("ar", "access", "access"),
    ("is", "missing r", "missing r"),
    ("ir", "missing s", "refresh"),
    ("sr", "missing i", "missing i"),
    ("ais", "access", "access"),
    ("air", "access", "access"),
    ("asr", "access", "access"),
    ("isr", "refresh", "refresh"),
    ("aisr", "access", "access"),
];

const LETTERS: [(Credential, char); 5] = [
    (Credential::AccessToken, 'a'),
    (Credential::ClientId, 'i'),
    (Credential::ClientSecret, 's'),
    (Credential::DeveloperToken, 'd'),
    (Credential::RefreshToken, 'r'),
];

fn place(has: &str) -> Sight {
    let state = |credential| {
        let (_, letter) = LETTERS[credential as usize];
        match letter {
            _ if has.contains(letter) => State::There,
            'a' if has.contains('x') => State::Over,
            'r' if has.contains('u') => State::Unneeded,
            _ => State::Absent,
        }
    };
    Sight {
        states: Credential::ALL.map(state),
        is_store: false,
        needs_secret: None,
    }
}

/// Arguments, client, environment, store.
fn places(has: [&str; 4]) -> Vec<Sight> {
    let mut places: Vec<_> = has.into_iter().map(place).collect();
    places[3].is_store = true;
    places
}

fn outcome(decision: &Decision) -> String {
    match decision.uses {
        Some(Use::AccessToken) => "access".into(),
        Some(Use::Client) => "client".into(),
        Some(Use::DeveloperToken) => "developer".into(),
        Some(Use::RefreshToken) => "refresh".into(),
        None => decision.missing.iter().fold("missing".into(), |text, credential| {
            let (_, letter) = LETTERS[*credential as usize];
            format!("{text} {letter}")
        }),
    }
}

fn strict(has: [&str; 4], needs: Needs) -> Decision {
    decide(&places(has), Rule::Strict, needs)
}

fn merged(has: [&str; 4], needs: Needs) -> Decision {
    decide(&places(has), Rule::Merge, needs)
}

#[test]
fn strict_uses_the_first_place_that_has_any_alone() {
    for arguments in TABLE {
        for client in TABLE {
            for environment in TABLE {
                for store in TABLE {
                    let rows = [arguments, client, environment, store];
                    let has = rows.map(|row| row.0);
                    let alone = has.iter().position(|has| !has.is_empty());
                    let (_, confidential, public) = alone.map_or(TABLE[0], |alone| rows[alone]);
                    for (needs, expected) in [(CONFIDENTIAL, confidential), (PUBLIC, public)] {
                        let decision = strict(has, needs);
                        assert_eq!(outcome(&decision), expected, "{has:?}");
                        assert_eq!(decision.alone, alone, "{has:?}");
                        let elsewhere = decision.from.iter().flatten().any(|from| Some(*from) != alone);
                        assert!(!elsewhere, "{has:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_table_has_every_set_once() {
    let sets: std::collections::HashSet<_> = TABLE.iter().map(|row| row.0).collect();
    assert_eq!(sets.len(), 16);
}

#[test]
fn an_access_token_that_is_over_counts_as_had_but_is_not_used() {
    assert_eq!(outcome(&strict(["x", "", "aisr", ""], CONFIDENTIAL)), "missing i s r");
    assert_eq!(outcome(&strict(["", "xisr", "", "a"], CONFIDENTIAL)), "refresh");
    assert_eq!(outcome(&merged(["x", "", "isr", "a"], CONFIDENTIAL)), "refresh");
    assert_eq!(outcome(&merged(["x", "a", "", ""], CONFIDENTIAL)), "access");
}

#[test]
fn a_developer_token_comes_between() {
    assert_eq!(outcome(&strict(["disr", "", "", ""], CONFIDENTIAL)), "developer");
    assert_eq!(outcome(&strict(["adisr", "", "", ""], CONFIDENTIAL)), "access");
    assert_eq!(outcome(&strict(["", "", "d", "aisr"], CONFIDENTIAL)), "developer");
    assert_eq!(outcome(&strict(["isr", "", "d", ""], CONFIDENTIAL)), "refresh");
    assert_eq!(outcome(&merged(["isr", "", "d", ""], CONFIDENTIAL)), "developer");
}

#[test]
fn merge_fills_gaps_from_later_places() {
    let decision = merged(["i", "s", "r", "isr"], CONFIDENTIAL);
    assert_eq!(outcome(&decision), "refresh");
    assert_eq!(decision.from, [None, Some(0), Some(1), None, Some(2)]);
    assert_eq!(outcome(&merged(["i", "", "", "s"], CONFIDENTIAL)), "missing r");
}

#[test]
fn a_stored_access_token_is_not_used_with_a_refresh_token_from_elsewhere() {
    let decision = merged(["", "", "r", "aisr"], CONFIDENTIAL);
    assert_eq!(outcome(&decision), "refresh");
    assert_eq!(decision.from(Credential::RefreshToken), Some(2));
    assert_eq!(outcome(&merged(["is", "", "", "ar"], CONFIDENTIAL)), "access");
    assert_eq!(outcome(&merged(["", "a", "r", "is"], CONFIDENTIAL)), "access");
}

#[test]
fn grants_that_repeat_need_no_refresh_token() {
    let needs = Needs {
        client_secret: true,
        refresh_token: false,
    };
    assert_eq!(outcome(&strict(["", "", "is", "r"], needs)), "client");
    assert_eq!(outcome(&strict(["", "", "i", "s"], needs)), "missing s");
    // So says the login that is stored.
    assert_eq!(outcome(&strict(["", "", "", "isu"], CONFIDENTIAL)), "client");
    assert_eq!(outcome(&strict(["", "", "is", "u"], CONFIDENTIAL)), "missing r");
    assert_eq!(outcome(&merged(["", "", "is", "u"], CONFIDENTIAL)), "client");
    assert_eq!(outcome(&merged(["", "r", "is", "u"], CONFIDENTIAL)), "refresh");
}

#[test]
fn the_place_of_the_client_id_knows_whether_a_secret_is_needed() {
    let mut found = places(["", "", "", "ir"]);
    found[3].needs_secret = Some(false);
    assert_eq!(outcome(&decide(&found, Rule::Strict, CONFIDENTIAL)), "refresh");
    found[0] = place("i");
    assert_eq!(outcome(&decide(&found, Rule::Merge, CONFIDENTIAL)), "missing s");
}

proptest! {
    #[test]
    fn merge_is_the_first_of_each(has in proptest::array::uniform4("a?i?s?d?r?")) {
        let has = has.each_ref().map(String::as_str);
        let decision = merged(has, CONFIDENTIAL);
        for (credential, letter) in LETTERS {
            let first = has.iter().position(|has| has.contains(letter));
            let of_another_login = letter == 'a' && first == Some(3) && has[..3].iter().any(|has| has.contains('r'));
            prop_assert_eq!(decision.from(credential), first.filter(|_| !of_another_login));
        }
        prop_assert_eq!(decision.alone, None);
    }

    #[test]
    fn something_is_used_or_something_is_missing(
        has in proptest::array::uniform4("[ax]?i?s?d?[ru]?"),
        strictly: bool,
        client_secret: bool,
        refresh_token: bool,
    ) {
        let has = has.each_ref().map(String::as_str);
        let rule = if strictly { Rule::Strict } else { Rule::Merge };
        let decision = decide(&places(has), rule, Needs { client_secret, refresh_token });
        prop_assert!(decision.uses.is_some() || !decision.missing.is_empty());
        let used = match decision.uses {
            Some(Use::AccessToken) => Some(Credential::AccessToken),
            Some(Use::DeveloperToken) => Some(Credential::DeveloperToken),
            Some(Use::RefreshToken) => Some(Credential::RefreshToken),
            Some(Use::Client) => Some(Credential::ClientId),
            None => None,
        };
        prop_assert!(used.is_none_or(|used| decision.from(used).is_some()));
        for credential in &decision.missing {
            prop_assert_eq!(decision.from(*credential), None);
        }
    }
}
