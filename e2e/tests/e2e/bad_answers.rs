//! The table of bad answers through the built command: how it ends, what it says, and
//! that the profile gives tokens again without a new login.

use std::sync::Mutex;

use store_testkit::process::Output;
use store_testkit::server::{AuthorizationServer, BadAnswer, CANARY, Meaning};

use crate::command::Home;
use crate::logins::{SECRET, adopt, enrol, server};

/// How many rows are tried at once: most of their time is waiting.
const AT_ONCE: usize = 12;

#[test]
fn a_person_stays_logged_in() {
    each(|bad| {
        let (home, server) = (Home::new(), server());
        let login = adopt(&home, &server, 0);
        server.inject(bad.fault.clone().times(1000));
        let output = home.run(&["token"]);
        let code = match bad.meaning {
            Meaning::GrantRefused { .. } => 4,
            meaning => usual_code(meaning),
        };
        check(&output, code, &[&login.access_token, &login.refresh_token])?;
        if code == 4 {
            let again = home.run(&["token"]);
            check(&again, 4, &[&login.refresh_token])?;
            expect(&server.counters().token_requests, &1)?;
        }
        heals(&home, &server)
    });
}

#[test]
fn a_service_goes_on() {
    each(|bad| {
        let (home, server) = (Home::new(), server());
        enrol(&home, &server);
        let good = home.print(&["token"]);
        server.inject(bad.fault.clone().times(1000));
        let output = home.run(&["token", "--force"]);
        let code = usual_code(bad.meaning);
        check(&output, code, &[SECRET, &good])?;
        if code != 0 {
            expect(home.run(&["token"]).stdout().trim(), &good)?;
        }
        heals(&home, &server)
    });
}

fn usual_code(meaning: Meaning) -> i32 {
    match meaning {
        Meaning::Granted => 0,
        Meaning::Refused { .. } | Meaning::GrantRefused { .. } => 5,
        _ => 7,
    }
}

fn check(output: &Output, code: i32, sent: &[&str]) -> Result<(), String> {
    let said = output.stderr();
    expect(&output.code(), &Some(code)).map_err(|wrong| format!("{wrong}: {said}"))?;
    expect(&output.stdout().starts_with(CANARY), &(code == 0))?;
    expect(&output.stdout().is_empty(), &(code != 0))?;
    match sent.iter().chain(&[CANARY]).find(|secret| said.contains(**secret)) {
        Some(secret) => Err(format!("{secret} is in: {said}")),
        None => Ok(()),
    }
}

/// The server is well again: so is the profile, and all that it had.
fn heals(home: &Home, server: &AuthorizationServer) -> Result<(), String> {
    server.clear_faults();
    let output = home.run(&["token", "--force"]);
    expect(&output.code(), &Some(0)).map_err(|wrong| format!("later {wrong}: {}", output.stderr()))?;
    expect(&server.is_live(output.stdout().trim()), &true)?;
    expect(&server.counters().logins_lost, &0)
}

fn expect<T: PartialEq + std::fmt::Debug + ?Sized>(got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted {
        Ok(())
    } else {
        Err(format!("{got:?} where {wanted:?} was expected"))
    }
}

/// Tries every row but the one for which the command waits longer than a test may, and
/// names those that go wrong.
fn each(run: impl Fn(&BadAnswer) -> Result<(), String> + Sync) {
    let rows: Vec<BadAnswer> = BadAnswer::table()
        .into_iter()
        .filter(|bad| bad.meaning != Meaning::TimedOut)
        .collect();
    assert!(rows.len() >= 40);
    let (next, wrong) = (Mutex::new(rows.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|threads| {
        for _ in 0..AT_ONCE {
            threads.spawn(|| {
                loop {
                    let Some(bad) = next.lock().unwrap().next() else {
                        return;
                    };
                    if let Err(what) = run(bad) {
                        wrong.lock().unwrap().push(format!("{}: {what}", bad.name));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
