//! `tokenkeep doctor`: looks for what is wrong, and changes nothing.

mod clock;
mod finding;
mod permissions;

use serde_json::{Value, json};
use tokenkeep::key::Key;
use tokenkeep::sealer::Sealer as _;

use self::finding::Finding;
use super::status;
use crate::args::Global;
use crate::args::more::Doctor;
use crate::config::ConfigFile;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::managers::Managers;
use crate::output;
use crate::session::Session;
use crate::settings::Settings;

/// The version of the JSON form.
const SCHEMA: u64 = 1;
/// What is not ours but changes what we do.
const OF_OTHERS: [&str; 10] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
];

pub(crate) async fn run(global: &Global, args: &Doctor, managers: Managers) -> Result<()> {
    let mut findings = vec![
        Finding::fine("version", concat!("tokenkeep ", env!("CARGO_PKG_VERSION"))),
        environment(),
    ];
    match Settings::resolve(global) {
        Err(failure) => findings.push(Finding::of_failure("configuration", &failure)),
        Ok(settings) => {
            findings.push(configuration(global)?);
            findings.extend(permissions::run(&settings.store_url));
            look_further(settings, global, managers, &mut findings).await;
        }
    }
    if args.json {
        let checks: Vec<Value> = findings.iter().map(Finding::to_json).collect();
        let object = json!({ "schema": SCHEMA, "checks": checks });
        output::result(format!("{object:#}\n").as_bytes())?;
    } else {
        let lines: String = findings.iter().map(Finding::lines).collect();
        output::styled_result(&lines)?;
    }
    match Exit::worst(findings.iter().map(Finding::exit)) {
        Exit::Ok => Ok(()),
        exit => Err(Failure::silent(exit)),
    }
}

async fn look_further(settings: Settings, global: &Global, managers: Managers, findings: &mut Vec<Finding>) {
    match Session::open(settings, global, managers).await {
        Err(failure) => findings.push(Finding::of_failure("store", &failure)),
        Ok(session) => {
            findings.push(store(&session).await);
            findings.push(seal(&session).await);
            findings.extend(clock::run(&session).await);
        }
    }
}

/// Names, never values.
fn environment() -> Finding {
    let mut names: Vec<String> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("TOKENKEEP_") || OF_OTHERS.contains(&name.to_ascii_uppercase().as_str()))
        .collect();
    names.sort();
    let text = if names.is_empty() {
        "no variable that matters is set".to_owned()
    } else {
        format!("in use: {}", names.join(", "))
    };
    Finding::fine("environment", text)
}

fn configuration(global: &Global) -> Result<Finding> {
    let text = match ConfigFile::place(global.config.as_deref())? {
        Some(path) if path.exists() => format!("{} can be read", path.display()),
        Some(path) => format!("there is no file {}; none is needed", path.display()),
        None => "no file; none is needed".to_owned(),
    };
    Ok(Finding::fine("configuration", text))
}

/// Whether there is a data key to be had.
async fn seal(session: &Session) -> Finding {
    let Some(sealed) = &session.sealed else {
        return Finding::fine("seal", "none: whoever can read the store has the tokens");
    };
    let place = format!("{} ({})", sealed.writing_key(), session.settings.seal_origin);
    match sealed.data_key(&Key::grant(session.profile())).await {
        Ok(_) => Finding::fine("seal", format!("{place}: gives data keys")).hint(format!(
            "which keys the records are under: {}",
            session.command("store check")
        )),
        Err(error) => {
            let message = format!("{place}: gives no data key");
            Finding::of_failure("seal", &Failure::caused(Exit::Store, message, error))
        }
    }
}

async fn store(session: &Session) -> Finding {
    let place = format!("{} ({})", session.place(), session.settings.store_origin);
    match reached(session).await {
        Ok(found) => Finding::fine("store", format!("{place}: reached; {found}"))
            .hint(format!("to try writing too: {}", session.command("store check"))),
        Err(failure) => Finding::of_failure("store", &failure),
    }
}

/// What is found there.
async fn reached(session: &Session) -> Result<String> {
    if session.store.capabilities().lists {
        let profiles = status::profiles(session).await?;
        return Ok(format!("profiles: {}", profiles.len()));
    }
    session.store.load(&Key::grant(session.profile())).await?;
    Ok("it can't list its profiles".to_owned())
}
