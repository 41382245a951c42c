//! Stored format 1, pinned by golden files: what was written is read for ever.

use std::path::PathBuf;
use std::time::Duration;

use auth_core::clock::Timestamp;
use auth_core::endpoint::{EndpointUrl, Issuer};
use auth_core::key::Key;
use auth_core::record::{
    AccessEntry, BackOff, Binding, ClientRecord, Contents, Departure, Ended, FORMAT, GrantRecord, Hints, LoginRecord,
    Mark, Outcome, Recipe, Record, RecordErrorKind, Refused, TokenRecord, Version,
};
use auth_core::secret::SecretBytes;
use auth_core::{Profile, Provider, Secret, Target};

const AT: Timestamp = Timestamp::from_unix_millis(1_795_000_000_123);

fn version() -> Version {
    Version::from_raw(7, [0, 1, 2, 3, 4, 5, 6, 7])
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn read(name: &str, key: &Key) -> Record {
    let body = std::fs::read(golden(name)).unwrap();
    Record::from_parts(
        key.clone(),
        version(),
        None,
        Hints::default(),
        SecretBytes::new(body.trim_ascii_end().to_vec()),
    )
}

/// The file is what is written today, and it is read as these contents.
fn check(name: &str, key: &Key, contents: &Contents) {
    let record = Record::encode(key.clone(), version(), None, contents);
    if std::env::var_os("TOKENKEEP_WRITE_GOLDEN").is_some() {
        std::fs::write(golden(name), [record.body().expose(), b"\n"].concat()).unwrap();
    }
    let stored = read(name, key);
    assert_eq!(
        std::str::from_utf8(record.body().expose()).unwrap(),
        std::str::from_utf8(stored.body().expose()).unwrap(),
        "{name}"
    );
    assert_eq!(&stored.decode().unwrap(), contents, "{name}");
}

fn binding() -> Binding {
    Binding::new(
        Some("https://as.example".into()),
        Some("https://as.example/token".into()),
        "app",
    )
}

fn target() -> Target {
    Target::new()
        .audience("aud")
        .resource("https://api.example")
        .scopes(["b", "a"])
        .resource_server("rs")
}

fn access() -> AccessEntry {
    let mut access = AccessEntry::bearer("access".into(), AT, Some(AT.plus(Duration::from_secs(3600))));
    access.scopes = vec!["a".into(), "b".into()];
    access.id_token = Some("id".into());
    access
}

fn grant() -> GrantRecord {
    let mut recipe = Recipe::new("authorization_code", target());
    recipe.parameters = vec![("x".into(), "y".into())];
    GrantRecord::new(recipe, binding())
}

/// A grant with every member set, made reproducible.
fn full_grant() -> Contents {
    let mut grant = grant();
    let refresh = Secret::new("refresh");
    grant.refresh_token = Some(refresh.clone());
    grant.refresh_expires_at = Some(AT.plus(Duration::from_secs(86_400)));
    grant.access = Some(access());
    grant.id_token = Some("id".into());
    grant.dpop_key = Some("{\"kty\":\"EC\"}".into());
    grant.seed = Some(Secret::new("seed").hash());
    grant.refreshed_at = Some(AT);
    grant.rejected_refresh_at = Some(AT);
    grant.back_off = Some(BackOff::new(AT, 3, Some(503)));
    grant.refused = Some(Refused::new(&refresh, "invalid_grant", AT, true));
    grant.mark = Some(Mark::new(&refresh, AT));
    grant.note(AT, Outcome::Refreshed, Some("detail".into()));
    pinned(grant)
}

/// Random and local members replaced by those of the golden file.
fn pinned(mut grant: GrantRecord) -> Contents {
    grant.login_id = serde_json::from_str("\"000102030405060708090a0b0c0d0e0f\"").unwrap();
    if let Some(mark) = &mut grant.mark {
        mark.attempt = "0011223344556677".into();
        mark.host = "host".into();
        mark.process = 42;
    }
    for entry in &mut grant.history {
        entry.host = "host".into();
    }
    grant.into()
}

#[test]
fn grants() {
    let key = Key::grant(&Profile::from_parts(["acme", "ana maria"]));
    check("grant-full.json", &key, &full_grant());
    check("grant-small.json", &key, &pinned(grant()));
    let mut ended = grant();
    ended.ended = Some(Ended::at(AT));
    check("grant-ended.json", &key, &pinned(ended));
    let mut departing = grant();
    departing.departure = Some(Departure::new("redis, profile ana", AT));
    departing.note(AT, Outcome::Moved, None);
    check("grant-departing.json", &key, &pinned(departing));
}

#[test]
fn grants_that_began_with_a_seed() {
    let key = Key::grant(&Profile::default());
    let mut grant = GrantRecord::new(Recipe::new("refresh_token", Target::new()), binding());
    grant.refresh_token = Some("descendant".into());
    grant.seed = Some(Secret::new("seed").hash());
    grant.past_seeds = vec![Secret::new("first").hash(), Secret::new("second").hash()];
    grant.note(AT, Outcome::LoggedIn, Some("refresh token given".into()));
    check("grant-seed.json", &key, &pinned(grant.clone()));
    check("grant-seed-ended.json", &key, &pinned(grant.tombstone(AT)));
}

#[test]
fn tokens() {
    let key = Key::token(&Profile::default(), target().id());
    let mut record = TokenRecord::new(binding(), "client_credentials", target(), access());
    record.rejected_refresh_at = Some(AT);
    check("token.json", &key, &record.into());
}

#[test]
fn clients() {
    let mut provider: Provider = auth_core::provider::generic(Issuer::new("https://as.example").unwrap());
    provider.token_endpoint = Some(EndpointUrl::new("https://as.example/token").unwrap());
    provider.rotation = auth_core::provider::Rotation::Grace(Duration::from_secs(30));
    provider.default_lifetime = Some(Duration::from_secs(600));
    let mut record = ClientRecord::new(provider, "app");
    record.client_secret = Some("secret".into());
    record.authentication = Some(auth_core::client_auth::ClientAuthMethod::BasicRaw);
    check("client.json", &Key::client(&Profile::default()), &record.into());
}

#[test]
fn logins() {
    let key = Key::login(&Profile::default(), "state");
    let mut record = LoginRecord::new(
        binding(),
        &"state".into(),
        "verifier".into(),
        "http://127.0.0.1/cb",
        target(),
        AT,
    );
    record.profile = "ana".into();
    record.nonce = Some("nonce".into());
    record.browser = Some(Secret::new("browser").hash());
    record.issuer_required = true;
    check("login.json", &key, &record.into());
}

#[test]
fn unknown_members_are_ignored_and_newer_formats_are_not_touched() {
    let key = Key::grant(&Profile::from_parts(["acme", "ana maria"]));
    let text = std::fs::read_to_string(golden("grant-small.json")).unwrap();
    let decode = |text: String| {
        Record::from_parts(
            key.clone(),
            version(),
            None,
            Hints::default(),
            SecretBytes::new(text.into_bytes()),
        )
        .decode()
    };
    assert!(decode(text.replacen("{\"format\"", "{\"later\":{\"a\":[1]},\"format\"", 1)).is_ok());
    let newer = text.replacen(
        &format!("\"format\":{FORMAT}"),
        &format!("\"format\":{}", FORMAT + 1),
        1,
    );
    assert_eq!(
        decode(newer).unwrap_err().kind(),
        RecordErrorKind::NewerFormat { format: FORMAT + 1 }
    );
}

#[test]
fn a_record_under_another_name_or_version_is_refused() {
    let other = Key::grant(&Profile::default());
    assert_eq!(
        read("grant-small.json", &other).decode().unwrap_err().kind(),
        RecordErrorKind::WrongName
    );
    let key = Key::grant(&Profile::from_parts(["acme", "ana maria"]));
    let stored = read("grant-small.json", &key);
    let moved = Record::from_parts(
        key,
        Version::from_raw(8, [0; 8]),
        None,
        Hints::default(),
        stored.body().clone(),
    );
    assert_eq!(moved.decode().unwrap_err().kind(), RecordErrorKind::WrongName);
}

#[test]
fn no_truncation_is_taken_for_a_record_and_no_error_quotes_it() {
    let key = Key::grant(&Profile::from_parts(["acme", "ana maria"]));
    let body = std::fs::read(golden("grant-full.json")).unwrap();
    let body = body.trim_ascii_end();
    for end in 0..body.len() {
        let cut = SecretBytes::new(body[..end].to_vec());
        let error = Record::from_parts(key.clone(), version(), None, Hints::default(), cut)
            .decode()
            .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("refresh"), "{error}");
    }
}
