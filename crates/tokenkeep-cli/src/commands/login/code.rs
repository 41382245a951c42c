//! A person logs in in a browser that comes back to us, here on this machine; or pastes
//! the answer, if that is quicker.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokenkeep::clock::Timestamp;
use tokenkeep::grant::CallbackError;
use tokenkeep::login::{
    BegunLogin, Browser, ListenError, ListenerConfig, LoginError, LoopbackLogin, Notice, RemoteSession,
};
use tokenkeep::store::RemoveIf;
use url::{Host, Url};

use super::paste::remember;
use super::plan::{Plan, unusable};
use super::with_client;
use crate::args::BrowserArgs;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::output;
use crate::session::Session;

/// How long to wait for a person.
pub(super) const TIMEOUT: Duration = Duration::from_secs(180);

pub(super) async fn run(session: &Session, plan: &Plan, args: &BrowserArgs) -> Result<Option<Timestamp>> {
    let login = LoopbackLogin::new(session.manager(plan.registration.clone())?)
        .profile(session.profile().clone())
        .target(plan.request.clone())
        .listener(listener(plan, &args.listen)?)
        .browser(browser(args))
        .timeout(args.timeout.unwrap_or(TIMEOUT))
        .return_to("your terminal")
        .pasted(input::lines())
        .notice(say);
    let begun = login.begin().await.map_err(|error| failed(session, error))?;
    let key = remember(session, begun.url(), begun.pending()).await?;
    invite(&begun);
    let received = begun.receive().await;
    // Whatever came: this login is over, its state and verifier are used up.
    session.store.remove(&key, RemoveIf::Any).await?;
    let received = received.map_err(|error| failed(session, error))?;
    let exchange = |code| {
        with_client(session, plan, async |manager| {
            manager
                .finish_login(session.profile(), code)
                .await
                .map(|token| token.expires_at())
        })
    };
    received
        .finish(exchange, |failure: &Failure| failure.chain().join(": "))
        .await
}

/// Whether we can listen where this redirect URI leads to.
pub(super) fn is_here(redirect_uri: &str) -> bool {
    parse(redirect_uri).is_some()
}

fn invite(begun: &BegunLogin) {
    output::say(&format!(
        "open this address in a browser on this machine, and log in:\n\n  {}\n\nor paste here the address of the page \
         you are led to, or the code, and press Enter",
        begun.url()
    ));
    if let Some(remote) = RemoteSession::detect(|name| std::env::var_os(name)) {
        output::say(&remote.choices(begun.redirect_uri()));
    }
}

fn say(notice: Notice) {
    match notice {
        // Said before, in our words.
        Notice::Begun(_) => {}
        other => output::say(&other.to_string()),
    }
}

fn browser(args: &BrowserArgs) -> Browser {
    match &args.browser {
        _ if args.no_browser => Browser::None,
        Some(command) => Browser::command(command),
        None => Browser::from_variable(std::env::var_os("BROWSER").as_deref()),
    }
}

/// Listens where the redirect URI leads to; at the addresses named, if any are.
fn listener(plan: &Plan, addresses: &[SocketAddr]) -> Result<ListenerConfig> {
    let Some((address, path)) = parse(&plan.redirect_uri) else {
        let why = "nobody can listen there: it is to be http://127.0.0.1, or http://[::1], with a path";
        return Err(unusable("redirect_uri", why).hint("for another place: --flow paste"));
    };
    let of_path = |error| Failure::of(Exit::Configuration, error);
    let config = ListenerConfig::default().path(&path).map_err(of_path)?;
    let usual;
    let addresses = if addresses.is_empty() {
        usual = usual_addresses(address, plan.registration.provider().redirects.loopback_ports.clone());
        &usual[..]
    } else {
        addresses
    };
    let add = |config: ListenerConfig, address: &SocketAddr| config.address(*address);
    let config = addresses.iter().try_fold(config, add);
    config.map_err(|error| Failure::of(Exit::Usage, error))
}

/// With a port that is said, or else with those of the provider.
fn usual_addresses(address: SocketAddr, ports: Option<RangeInclusive<u16>>) -> Vec<SocketAddr> {
    match ports {
        Some(ports) if address.port() == 0 => ports.map(|port| SocketAddr::new(address.ip(), port)).collect(),
        _ => vec![address],
    }
}

/// The address (port 0 where none is said) and the path.
fn parse(redirect_uri: &str) -> Option<(SocketAddr, String)> {
    let url = Url::parse(redirect_uri).ok()?;
    let ip: IpAddr = match url.host()? {
        Host::Ipv4(ip) if ip == Ipv4Addr::LOCALHOST => ip.into(),
        Host::Ipv6(ip) if ip == Ipv6Addr::LOCALHOST => ip.into(),
        _ => return None,
    };
    let plain = url.scheme() == "http" && url.query().is_none() && url.fragment().is_none();
    plain.then(|| (SocketAddr::from((ip, url.port().unwrap_or(0))), url.path().to_owned()))
}

fn failed(session: &Session, error: LoginError) -> Failure {
    let again = format!("begin again: {}", session.command("login"));
    match error {
        LoginError::Callback(error) => {
            let exit = match error {
                CallbackError::Denied { .. } => Exit::Refused,
                _ => Exit::Failure,
            };
            Failure::of(exit, error).hint(again)
        }
        LoginError::Listen(error @ ListenError::Taken(_)) => Failure::of(Exit::Failure, error).hint(
            "another program has the port: end it, name another with --listen 127.0.0.1:PORT, or log in by --flow \
             paste",
        ),
        LoginError::TimedOut(_) => Failure::of(Exit::LoginRequired, error).hint(format!(
            "{again}; longer with --timeout, from another machine with --flow paste"
        )),
        LoginError::Token(error) => session.advise(Failure::from(error.clone()), &error),
        error => Failure::of(Exit::Failure, error).hint(again),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris_that_lead_here() {
        for (uri, address, path) in [
            ("http://127.0.0.1/callback", "127.0.0.1:0", "/callback"),
            ("http://127.0.0.1:8910", "127.0.0.1:8910", "/"),
            ("http://[::1]:8910/a/b", "[::1]:8910", "/a/b"),
        ] {
            assert_eq!(parse(uri), Some((address.parse().unwrap(), path.into())), "{uri}");
        }
        for uri in [
            "",
            "https://127.0.0.1/callback",
            "http://localhost/callback",
            "http://127.0.0.2/",
            "https://app.example/callback",
            "http://127.0.0.1/callback?a=b",
            "app:callback",
        ] {
            assert!(!is_here(uri), "{uri}");
        }
    }
}
