//! The places that a setting may come from, in the order in which they are looked
//! in, and which one counts.

use serde::Serialize;
use tokenkeep::record::{ClientRecord, GrantRecord};
use tokenkeep::{ClientRegistration, SecretSource};

use crate::environment;
use crate::error::Result;
use crate::session::Session;
use crate::settings::Origin;

/// A setting and its places.
#[derive(Serialize)]
pub(super) struct Explained {
    setting: &'static str,
    places: Vec<Place>,
}

/// A place, and what is there.
#[derive(Serialize)]
struct Place {
    place: String,
    state: State,
}

/// What a place means for a setting.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It counts.
    Used,
    /// It has one; an earlier place counts.
    NotUsed,
    /// It has none.
    Absent,
}

/// Of each setting that commands on this profile go by. Shows no value.
pub(super) fn of(
    session: &Session,
    client: Option<&ClientRecord>,
    grant: Option<&GrantRecord>,
) -> Result<Vec<Explained>> {
    Ok(vec![
        Explained::new("store", store(session)?),
        Explained::new("client_id", vec![("store".into(), client.is_some())]),
        Explained::new("client_secret", client_secret(session, client)?),
        Explained::new(
            "refresh_token",
            vec![("store".into(), grant.is_some_and(|grant| grant.refresh_token.is_some()))],
        ),
    ])
}

/// The same for people.
pub(super) fn lines(explained: &[Explained]) -> String {
    let line = |explained: &Explained| {
        let places: Vec<_> = explained.places.iter().map(Place::text).collect();
        let name = format!("  {}", explained.setting.replace('_', " "));
        format!("{name:28}{}\n", places.join(", "))
    };
    std::iter::once("origin\n".to_owned())
        .chain(explained.iter().map(line))
        .collect()
}

fn store(session: &Session) -> Result<Vec<(String, bool)>> {
    let settings = &session.settings;
    Ok(vec![
        ("--store".into(), matches!(settings.store_origin, Origin::Flag(_))),
        (
            format!("environment variable {}", environment::name_of("store")),
            environment::setting("store")?.is_some(),
        ),
        (
            format!("configuration file, [profiles.{}]", session.profile()),
            settings.config.store.is_some(),
        ),
        ("configuration file".into(), settings.has_common_store()),
        ("default".into(), true),
    ])
}

fn client_secret(session: &Session, client: Option<&ClientRecord>) -> Result<Vec<(String, bool)>> {
    let registration = client.cloned().map(ClientRegistration::from_record);
    let Some(registration) = registration.filter(|client| client.authentication().needs_secret()) else {
        return Ok(Vec::new());
    };
    let config = &session.settings.config;
    let named = |what: &str, source: &str| format!("{what} in [profiles.{}]{source}", session.profile());
    let variable = config.client_secret_env.as_deref();
    let file = config.client_secret_file.as_deref();
    Ok(vec![
        (
            format!("environment variable {}", environment::CLIENT_SECRET),
            environment::variable(environment::CLIENT_SECRET)?.is_some(),
        ),
        (
            named(
                "client_secret_env",
                &variable.map(|name| format!(" ({name})")).unwrap_or_default(),
            ),
            variable.is_some(),
        ),
        (
            named(
                "client_secret_file",
                &file.map(|path| format!(" ({})", path.display())).unwrap_or_default(),
            ),
            file.is_some(),
        ),
        stored_secret(&registration),
    ])
}

// What was kept at login is the secret itself, or the name of the place where it is.
fn stored_secret(registration: &ClientRegistration) -> (String, bool) {
    match registration.secret_source() {
        SecretSource::Value(_) => ("store".into(), true),
        SecretSource::Environment(name) => (format!("environment variable {name}"), true),
        SecretSource::File(path) => (format!("file {}", path.display()), true),
        _ => ("store".into(), false),
    }
}

impl Explained {
    /// Of the places in order, with whether each has one: the first that has one counts.
    fn new(setting: &'static str, places: Vec<(String, bool)>) -> Self {
        let mut used = false;
        let places = places.into_iter().map(|(place, present)| {
            let state = match (present, used) {
                (true, false) => State::Used,
                (true, true) => State::NotUsed,
                (false, _) => State::Absent,
            };
            used |= present;
            Place { place, state }
        });
        Self {
            setting,
            places: places.collect(),
        }
    }
}

impl Place {
    fn text(&self) -> String {
        let state = match self.state {
            State::Used => "used",
            State::NotUsed => "not used",
            State::Absent => "none",
        };
        format!("{} ({state})", self.place)
    }
}
