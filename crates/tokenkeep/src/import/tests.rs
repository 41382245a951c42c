//! Each format as its client writes it, and as nobody should.

use auth_core::Target;
use auth_core::clock::Timestamp;
use auth_core::provider::with_endpoints;

use super::*;

const PANCLOUD: &str = r#"{
    "profiles": {
        "1": {
            "access_token": null,
            "client_id": "id-1",
            "client_secret": "canary-secret-1",
            "profile": "default",
            "refresh_token": "canary-refresh-1"
        },
        "2": {
            "access_token": "canary-access-2",
            "client_id": null,
            "client_secret": null,
            "profile": "k\u00f6ln",
            "refresh_token": null
        }
    }
}"#;

const FOUNDRY: &str = "[127.0.0.1:35935]\n\
                       token_uri = http://127.0.0.1:35935/multipass/api/oauth2/token\n\
                       client_id = cid\n\
                       scopes = offline_access,api:read\n\
                       refresh_token = canary%%1\n\n";

const GLOBUS: &str = r#"{"data": {"DEFAULT": {
    "auth.globus.org": {"resource_server": "auth.globus.org", "scope": "openid email", "access_token": "canary-a",
                        "refresh_token": "canary-r", "expires_at_seconds": 1900000000, "token_type": "Bearer"},
    "groups": {"resource_server": "groups", "scope": "g", "access_token": "canary-g", "expires_at_seconds": 1900000000},
    "transfer": {"resource_server": "transfer", "scope": "t", "access_token": "canary-t",
                 "expires_at_seconds": 1900000000}}},
    "format_version": "2.0", "globus-sdk.version": "4.9.1"}"#;

const YUP: &str = r#"[{"scopes": ["b"], "token": {"access_token": "canary-b", "refresh_token": "canary-r",
      "expires_at": [2030, 32, 0, 0, 0, 0, 0, 0, 0], "id_token": null}},
     {"scopes": ["a", "c"], "token": {"access_token": "canary-a", "refresh_token": null, "expires_at": null,
      "id_token": "canary-i"}}]"#;

const FILES: [(Format, &str); 4] = [
    (Format::Pancloud, PANCLOUD),
    (Format::Foundry, FOUNDRY),
    (Format::Globus, GLOBUS),
    (Format::Yup, YUP),
];

const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

fn entries(format: Format, text: &str) -> Vec<Imported> {
    let entries = read(format, text.as_bytes()).unwrap();
    entries.into_iter().map(|entry| entry.found.unwrap()).collect()
}

/// What is wrong with the file, or with its first entry that is wrong.
fn wrong(format: Format, text: &str) -> String {
    let error = match read(format, text.as_bytes()) {
        Err(error) => error,
        Ok(entries) => entries.into_iter().find_map(|entry| entry.found.err()).unwrap(),
    };
    let text = format!("{error} {error:?}");
    assert!(!text.contains("canary"), "{text}");
    error.to_string()
}

#[test]
fn files_are_known_by_their_content() {
    for (format, text) in FILES {
        assert_eq!(Format::detect(text.as_bytes()), Some(format));
        for (other, _) in FILES {
            if other != format {
                let error = read(other, text.as_bytes()).unwrap_err().to_string();
                assert!(error.contains(format.as_str()), "{error}");
            }
        }
    }
    for other in [
        "",
        "{}",
        "[]",
        "canary",
        "[x]\ny = 1\n",
        "{\"tokenkeep\":{\"format\":1}}",
    ] {
        assert_eq!(Format::detect(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn pancloud_profiles_are_documents() {
    let [default, other] = entries(Format::Pancloud, PANCLOUD).try_into().unwrap();
    assert_eq!(default.profile.as_str(), "default");
    assert_eq!(default.client_id.as_deref(), Some("id-1"));
    assert_eq!(default.client_secret, Some("canary-secret-1".into()));
    assert_eq!(default.refresh_token, Some("canary-refresh-1".into()));
    assert_eq!(default.provider.name, "pancloud");
    assert!(default.tokens.is_empty());
    assert_eq!(other.profile.as_str(), "k%C3%B6ln");
    assert_eq!(other.own_token().unwrap().token, "canary-access-2".into());
    let records = other.into_records(NOW).unwrap();
    assert_eq!(records.grant.unwrap().recipe.grant, "static");
    assert_eq!(records.client.client_id, "");
}

#[test]
fn half_filled_pancloud_entries_are_named() {
    let entry = |fields: &str| format!("{{\"profiles\":{{\"7\":{{\"profile\":\"work\",{fields}}}}}}}");
    for (fields, words) in [
        ("\"client_id\":null", "entry work: it holds no credential"),
        ("\"refresh_token\":\"canary\"", "entry work: client_id is missing"),
        (
            "\"client_id\":\"x\",\"refresh_token\":\"canary\"",
            "entry work: client_secret is missing",
        ),
        ("\"client_id\":5", "entry work: client_id is not a text"),
        (
            "\"refresh_token\":\"canary\\n\"",
            "entry work: refresh_token has characters",
        ),
        (
            "\"client_id\":\"x\",\"client_id\":\"y\"",
            "entry work: client_id is there twice",
        ),
    ] {
        assert!(wrong(Format::Pancloud, &entry(fields)).contains(words), "{fields}");
    }
    let nameless = wrong(Format::Pancloud, r#"{"profiles":{"7":{"client_id":"canary"}}}"#);
    assert_eq!(nameless, "entry document 7: profile is not a text");
    let twice = PANCLOUD.replace("k\\u00f6ln", "default");
    assert_eq!(wrong(Format::Pancloud, &twice), "entry default: it is there twice");
}

#[test]
fn corrupt_json_says_where() {
    let broken = PANCLOUD.replace(
        "\"client_secret\": \"canary-secret-1\",",
        "\"client_secret\": \"canary-secret-1\" x",
    );
    assert_eq!(wrong(Format::Pancloud, &broken), "not JSON (line 6, column 48)");
    assert_eq!(wrong(Format::Globus, ""), "not JSON (line 1, column 0)");
    let error = read(Format::Yup, b"[\n\"\xff\"]").unwrap_err();
    assert_eq!(error.to_string(), "not UTF-8 (line 2, column 2)");
    assert_eq!(
        wrong(Format::Yup, &"[".repeat(100_000)),
        "not JSON (line 1, column 128)"
    );
}

#[test]
fn foundry_percent_signs_come_back_as_one() {
    let [entry] = entries(Format::Foundry, FOUNDRY).try_into().unwrap();
    assert_eq!(entry.profile.as_str(), "127.0.0.1:35935");
    assert_eq!(entry.refresh_token, Some("canary%1".into()));
    assert_eq!(entry.target, Target::new().scopes(["api:read", "offline_access"]));
    assert_eq!(entry.client_secret, None);
    assert_eq!(entry.provider.name, "foundry");
    let endpoint = entry.provider.token_endpoint.as_ref().unwrap();
    assert_eq!(endpoint.as_str(), "http://127.0.0.1:35935/multipass/api/oauth2/token");
    let written = write(Format::Foundry, &[entry]).unwrap();
    let sorted = FOUNDRY.replace("offline_access,api:read", "api:read,offline_access");
    assert_eq!(std::str::from_utf8(written.expose()).unwrap(), sorted);
    let single = FOUNDRY.replace("%%", "%");
    let words = "entry 127.0.0.1:35935: refresh_token has a percent sign that is not doubled";
    assert_eq!(wrong(Format::Foundry, &single), words);
}

#[test]
fn a_foundry_entry_without_a_refresh_token_is_a_client() {
    let [entry] = entries(Format::Foundry, &FOUNDRY.replace("refresh_token = canary%%1\n", ""))
        .try_into()
        .unwrap();
    assert_eq!(entry.refresh_token, None);
    let records = entry.into_records(NOW).unwrap();
    assert_eq!(records.client.client_id, "cid");
    assert!(records.grant.is_none());
    for (option, words) in [
        ("token_uri", "token_uri is missing"),
        ("client_id", "client_id is missing"),
    ] {
        let without = FOUNDRY.replace(&format!("{option} ="), "other =");
        assert!(wrong(Format::Foundry, &without).contains(words));
    }
    let plain = FOUNDRY.replace("http://127.0.0.1:35935", "http://canary.example");
    assert!(wrong(Format::Foundry, &plain).contains("token_uri is not an https URL"));
}

#[test]
fn empty_scopes_are_none() {
    let [entry] = entries(Format::Foundry, &FOUNDRY.replace("offline_access,api:read", " , "))
        .try_into()
        .unwrap();
    assert_eq!(entry.target, Target::new());
    assert!(
        lost(Format::Foundry, &entry)
            .iter()
            .any(|what| what.contains("no scopes"))
    );
}

#[test]
fn globus_refresh_tokens_are_logins_of_their_own() {
    let [together, alone] = entries(Format::Globus, GLOBUS).try_into().unwrap();
    assert_eq!(together.profile.as_str(), "DEFAULT");
    assert_eq!(alone.profile.as_str(), "DEFAULT/auth.globus.org");
    assert_eq!(alone.refresh_token, Some("canary-r".into()));
    let own = alone.own_token().unwrap();
    assert_eq!((own.token.clone(), own.scopes.len()), ("canary-a".into(), 2));
    let mut named = alone.clone();
    assert!(
        alone
            .into_records(NOW)
            .unwrap_err()
            .to_string()
            .contains("client_id is missing")
    );
    named.client_id = Some("native".into());
    let records = named.into_records(NOW).unwrap();
    assert_eq!(
        records.grant.unwrap().recipe.target,
        Target::new().resource_server("auth.globus.org")
    );
    let records = together.into_records(NOW).unwrap();
    let grant = records.grant.unwrap();
    assert_eq!(grant.access, None);
    let servers: Vec<_> = records
        .tokens
        .iter()
        .map(|token| token.target.resource_server_name())
        .collect();
    assert_eq!(servers, [Some("groups"), Some("transfer")]);
    assert!(
        records
            .tokens
            .iter()
            .all(|token| token.login_id == Some(grant.login_id))
    );
}

#[test]
fn globus_one_and_two_are_the_same() {
    let servers = GLOBUS
        .split_once("\"DEFAULT\": ")
        .unwrap()
        .1
        .split_once("},\n    \"format")
        .unwrap()
        .0;
    let one = format!("{{\"by_rs\": {servers}, \"format_version\": \"1.0\", \"globus-sdk.version\": \"3\"}}");
    assert_eq!(entries(Format::Globus, &one), entries(Format::Globus, GLOBUS));
    for (from, to, words) in [
        ("\"2.0\"", "\"3.0\"", "format_version has a version that is not known"),
        ("\"data\"", "\"dat\"", "data is missing"),
        (
            "1900000000, \"token",
            "\"canary\", \"token",
            "entry DEFAULT/auth.globus.org: expires_at_seconds is not",
        ),
        (
            "\"access_token\": \"canary-g\", ",
            "",
            "entry DEFAULT/groups: access_token is missing",
        ),
        (
            "\"resource_server\": \"groups\"",
            "\"resource_server\": \"other\"",
            "entry DEFAULT/groups: resource_server",
        ),
        (
            "\"transfer\": {",
            "\"groups\": {",
            "entry DEFAULT/groups: it is there twice",
        ),
    ] {
        assert!(GLOBUS.contains(from), "{from}");
        let error = wrong(Format::Globus, &GLOBUS.replacen(from, to, 1));
        assert!(error.contains(words), "{words}: {error}");
    }
}

#[test]
fn tokens_that_are_over_are_left_out() {
    let late = Timestamp::from_unix_seconds(1_900_000_000);
    let [together, mut alone] = entries(Format::Globus, GLOBUS).try_into().unwrap();
    let error = together.into_records(late).unwrap_err().to_string();
    assert_eq!(
        error,
        "entry DEFAULT: access_token has expired, and nothing else is there"
    );
    alone.client_id = Some("native".into());
    let grant = alone.into_records(late).unwrap().grant.unwrap();
    assert!(grant.access.is_none() && grant.refresh_token.is_some());
}

#[test]
fn yup_entries_are_in_the_order_of_their_scopes() {
    let [first, second] = entries(Format::Yup, YUP).try_into().unwrap();
    assert_eq!(
        [first.profile.as_str(), second.profile.as_str()],
        ["default/1", "default/2"]
    );
    assert_eq!(first.target, Target::new().scopes(["a", "c"]));
    assert_eq!(first.own_token().unwrap().id_token, Some("canary-i".into()));
    assert_eq!(second.refresh_token, Some("canary-r".into()));
    let end = second.own_token().unwrap().expires_at.unwrap();
    assert_eq!(end.unix_seconds(), 1_896_134_400);
    let swapped = YUP.replacen("[\"b\"]", "[\"c\", \"a\"]", 1);
    assert_eq!(wrong(Format::Yup, &swapped), "entry a c: it is there twice");
    let [one] = entries(Format::Yup, r#"[{"scopes":[],"token":{"access_token":"canary"}}]"#)
        .try_into()
        .unwrap();
    assert_eq!(one.profile.as_str(), "default");
}

#[test]
fn what_was_written_comes_back() {
    for (format, text) in FILES {
        let profiles = entries(format, text);
        if format == Format::Yup {
            assert!(write(format, &profiles).unwrap_err().to_string().contains("read only"));
            continue;
        }
        let written = write(format, &profiles).unwrap();
        let text = std::str::from_utf8(written.expose()).unwrap();
        assert_eq!(entries(format, text), profiles, "{text}");
    }
    let written = write(Format::Pancloud, &entries(Format::Pancloud, PANCLOUD)).unwrap();
    assert_eq!(std::str::from_utf8(written.expose()).unwrap(), PANCLOUD);
}

#[test]
fn what_a_client_could_not_read_is_refused() {
    let [entry] = entries(Format::Foundry, FOUNDRY).try_into().unwrap();
    let refused = |format, profiles: &[Imported]| write(format, profiles).unwrap_err().to_string();
    let error = refused(Format::Pancloud, std::slice::from_ref(&entry));
    assert!(
        error.contains("127.0.0.1:35935") && error.contains("send the credentials to its own"),
        "{error}"
    );
    let mut second = entry.clone();
    second.profile = Profile::new("second").unwrap();
    assert!(refused(Format::Foundry, &[entry.clone(), second]).contains("same host"));
    let mut comma = entry.clone();
    comma.target = Target::new().scope("a,b");
    assert!(refused(Format::Foundry, &[comma]).contains("comma"));
    let mut globus = entries(Format::Globus, GLOBUS);
    globus[1].tokens.clear();
    assert!(refused(Format::Globus, &globus).contains("access_token is missing"));
    let elsewhere = with_endpoints(entry.provider.token_endpoint.clone().unwrap(), None);
    let other = Imported::new(Profile::default(), elsewhere);
    assert!(refused(Format::Globus, &[other]).contains("provider is another one"));
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large");
    std::fs::File::create(&path).unwrap().set_len(FILE_MAX + 1).unwrap();
    let error = read_file(Some(Format::Yup), &path).unwrap_err();
    assert_eq!(error.problem(), &Problem::TooLarge);
    let error = read_file(None, &folder.path().join("nothing")).unwrap_err();
    assert_eq!(error.problem(), &Problem::Io);
    let long = format!(
        "[{{\"scopes\":[],\"token\":{{\"refresh_token\":\"{}\"}}}}]",
        "x".repeat(64 * 1024 + 1)
    );
    assert_eq!(
        wrong(Format::Yup, &long),
        "entry default: refresh_token is longer than 65536 bytes"
    );
}
