//! Moves profiles to another store.

mod outcome;

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::{Value, json};
use tokenkeep::store::StoreErrorKind;
use tokenkeep::transfer::{Place, Transfer, TransferError, TransferReport};
use tokenkeep::{Profile, TokenStore};

use self::outcome::{Outcome, failed};
use super::SCHEMA;
use crate::args::migrate::StoreMigrate;
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::{output, place, sealing, settings};

/// The target, where it is not on the command line.
const TARGET: &str = "migrate_to";

/// How many profiles are on their way at the same time: a write waits for the disk or the network, and a JSON
/// file takes what comes meanwhile by one replacement.
const AT_ONCE: usize = 32;

/// A move from one store to another, and what came of it.
struct Migration<'a> {
    session: &'a Session,
    args: &'a StoreMigrate,
    from: String,
    to: String,
    outcomes: Vec<(Profile, Outcome)>,
}

pub(super) async fn run(session: &Session, args: &StoreMigrate) -> Result<()> {
    let url = target(args)?;
    let names = args.profiles.iter().map(Profile::new).collect::<Result<Vec<_>, _>>();
    let names = names.map_err(|error| Failure::of(Exit::Usage, error))?;
    let mut migration = Migration {
        session,
        args,
        from: place::label(&session.settings.store_url),
        to: place::label(&url),
        outcomes: Vec::new(),
    };
    if migration.from == migration.to {
        return Err(failed(TransferError::SamePlace));
    }
    let target = open_target(session, args, &url).await?;
    place::must_last(&*target, &migration.to)?;
    let transfer = Transfer::new(
        Place::new(session.store.clone(), &migration.from),
        Place::new(target.clone(), &migration.to),
    )
    .at_once(AT_ONCE)
    .overwrite(args.overwrite)
    .delete_source(args.delete_source)
    .allow_duplicate(args.allow_duplicate)
    .allow_volatile_refresh_tokens(args.allow_volatile_refresh_tokens)
    .dry_run(args.dry_run);
    if names.is_empty() {
        migration.all(&transfer).await?;
    } else {
        migration.named(&transfer, names, &*target).await?;
    }
    migration.end()
}

fn target(args: &StoreMigrate) -> Result<String> {
    let variable = environment::name_of(TARGET);
    settings::refuse_userinfo("--to", args.to.as_deref(), &variable)?;
    let given = match &args.to {
        Some(url) => Some(url.clone()),
        None => environment::setting(TARGET)?,
    };
    given.ok_or_else(|| {
        Failure::new(Exit::Usage, "no store is named to move to").hint(format!(
            "say it with --to URL, or in the environment variable {variable}"
        ))
    })
}

/// Sealed as the source is, unless said otherwise: nothing becomes plain by not being mentioned.
async fn open_target(session: &Session, args: &StoreMigrate, url: &str) -> Result<Arc<dyn TokenStore>> {
    let seal = settings::pick(args.to_seal.as_ref(), "migrate_to_seal", None)?;
    let seal = session.settings.other_seal(seal.as_deref())?;
    Ok(sealing::open(url, seal.as_ref()).await?.store)
}

impl Migration<'_> {
    async fn all(&mut self, transfer: &Transfer) -> Result<()> {
        let done = |profile: &Profile, outcome: Result<&TransferReport, &TransferError>| {
            self.note(profile, outcome.map(Outcome::of).map_err(Clone::clone))
        };
        transfer.all(done).await.map_err(failed)
    }

    async fn named(&mut self, transfer: &Transfer, names: Vec<Profile>, target: &dyn TokenStore) -> Result<()> {
        let mut nothing = Vec::new();
        let done = |profile: &Profile, outcome: Result<Option<&TransferReport>, &TransferError>| match outcome {
            Ok(None) => {
                nothing.push(profile.clone());
                ControlFlow::Continue(())
            }
            Ok(Some(report)) => self.note(profile, Ok(Outcome::of(report))),
            Err(error) => self.note(profile, Err(error.clone())),
        };
        transfer.profiles(names, done).await.map_err(failed)?;
        for profile in nothing {
            // A run that was interrupted, or an earlier one, has moved all of it.
            let outcome = if outcome::is_there(&profile, target).await? {
                Outcome::There
            } else {
                Outcome::Failed(self.session.unknown_profile(&profile).await)
            };
            self.add(profile, outcome);
        }
        Ok(())
    }

    /// Goes on to the next profile, unless a store can't be reached any more.
    fn note(&mut self, profile: &Profile, outcome: Result<Outcome, TransferError>) -> ControlFlow<()> {
        let away = matches!(&outcome, Err(TransferError::Store { source, .. })
            if source.kind() == StoreErrorKind::Unavailable);
        let outcome = outcome.unwrap_or_else(|error| Outcome::Failed(failed(error)));
        self.add(profile.clone(), outcome);
        if away {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn add(&mut self, profile: Profile, outcome: Outcome) {
        if !self.args.json {
            outcome.say(self.session, &profile, self.args.dry_run);
        }
        self.outcomes.push((profile, outcome));
    }

    fn end(&self) -> Result<()> {
        if self.args.json {
            output::result(format!("{:#}\n", self.object()).as_bytes())?;
        } else {
            self.session.notice(&self.summary());
        }
        // Each has been told already.
        match self.exit() {
            Exit::Ok => Ok(()),
            exit => Err(Failure::silent(exit)),
        }
    }

    /// Where all failed alike, as that failure; where some did, as a failure.
    fn exit(&self) -> Exit {
        let mut exits = self.outcomes.iter().map(|(_, outcome)| outcome.exit());
        let Some(first) = exits.next() else {
            return Exit::Ok;
        };
        if exits.all(|exit| exit == first) {
            return first;
        }
        Exit::Failure
    }

    fn summary(&self) -> String {
        let Self { from, to, .. } = self;
        if self.outcomes.is_empty() {
            return format!("nothing is kept in {from}");
        }
        let words = outcome::WORDS.iter().filter_map(|word| {
            let count = self
                .outcomes
                .iter()
                .filter(|(_, outcome)| outcome.word() == *word)
                .count();
            (count > 0).then(|| format!("{count} {word}"))
        });
        let words: Vec<String> = words.collect();
        let would = if self.args.dry_run {
            "would be, nothing was changed: "
        } else {
            ""
        };
        let again = if self.exit() == Exit::Ok {
            ""
        } else {
            "; nothing is lost, and the same command goes on where this one ended"
        };
        format!("{from} to {to}: {would}{}{again}", words.join(", "))
    }

    fn object(&self) -> Value {
        let profiles: Vec<Value> = self
            .outcomes
            .iter()
            .map(|(profile, outcome)| outcome.to_json(profile))
            .collect();
        json!({
            "schema": SCHEMA,
            "from": self.from,
            "to": self.to,
            "dry_run": self.args.dry_run,
            "profiles": profiles,
        })
    }
}
