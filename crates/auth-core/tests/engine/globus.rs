//! At a server that speaks as Globus Auth does: one answer with the tokens of several
//! resource servers.

use std::collections::BTreeSet;

use auth_core::error::{ConfigError, TokenErrorKind};
use auth_core::grant::ClientCredentials;
use auth_core::refresh::Timing;
use auth_core::{ClientRegistration, Secret, Target, TokenManager};
use store_testkit::server::{Client, Dialect};

use crate::login::REDIRECT;
use crate::setup::{Bench, HOUR};

const AUTH: &str = "auth.globus.org";
const TRANSFER: &str = "transfer.api.globus.org";
const TRANSFER_ALL: &str = "urn:globus:auth:scope:transfer.api.globus.org:all";

fn bench() -> Bench {
    Bench::standing_with(|server| {
        let server = server.dialect(Dialect::Globus);
        server
            .client(Client::confidential("cl ient", "s:e+c%ret"))
            .client(Client::public("native").redirect_uri(REDIRECT))
    })
}

impl Bench {
    fn globus(&self) -> auth_core::Provider {
        auth_core::provider::globus_at(&self.server.issuer()).unwrap()
    }

    /// Acts as itself.
    fn globus_client(&self) -> TokenManager {
        let client = ClientRegistration::confidential(self.globus(), "cl ient", Secret::new("s:e+c%ret"));
        let builder = self.builder(client).grant(ClientCredentials::new());
        // Who waits for another's request waits for it, however slow the machine is.
        let mut timing = Timing::default();
        timing.renewable_wait = timing.lease_wait;
        builder.timing(timing).build().unwrap()
    }

    fn scopes_of(&self, token: &auth_core::AccessToken) -> String {
        self.server.scope_of(token.secret().expose()).unwrap_or_default()
    }

    fn asked(&self) -> u64 {
        self.server.counters().token_requests
    }
}

fn of(server: &str) -> Target {
    Target::new().resource_server(server)
}

#[tokio::test]
async fn one_request_gives_a_token_for_each_resource_server() {
    let bench = bench();
    let source = bench.globus_client().source(&bench.profile);
    let auth = source.token_for(&of(AUTH)).await.unwrap();
    let transfer = source.token_for(&of(TRANSFER)).await.unwrap();
    assert_ne!(auth, transfer);
    let granted: BTreeSet<_> = auth.scopes().iter().map(String::as_str).collect();
    assert_eq!(granted, BTreeSet::from(["openid", "profile", "email"]));
    assert_eq!(transfer.scopes(), [TRANSFER_ALL]);
    assert!(auth.expires_at().is_some() && transfer.expires_at().is_some());
    assert_eq!(bench.scopes_of(&transfer), TRANSFER_ALL);
    assert_eq!(transfer.resource_server(), Some(TRANSFER));
    let elsewhere = bench.globus_client().source(&bench.profile);
    let stored = elsewhere.token_for(&of(AUTH)).await.unwrap();
    assert_eq!((stored.resource_server(), &stored), (Some(AUTH), &auth));
    assert_eq!(bench.asked(), 1);
    bench.advance(HOUR);
    let renewed = elsewhere.token_for(&of(TRANSFER)).await.unwrap();
    assert!(renewed != transfer && bench.server.is_live(renewed.secret().expose()));
    assert_ne!(source.token_for(&of(AUTH)).await.unwrap(), auth);
    assert_eq!(bench.asked(), 2);
}

#[tokio::test]
async fn who_asks_at_once_for_several_shares_the_request() {
    let bench = bench();
    let source = bench.globus_client().source(&bench.profile);
    let (auth, transfer) = (of(AUTH), of(TRANSFER));
    let (auth, transfer) = tokio::join!(source.token_for(&auth), source.token_for(&transfer));
    assert_ne!(auth.unwrap(), transfer.unwrap());
    assert_eq!(bench.asked(), 1);
}

#[tokio::test]
async fn of_several_resource_servers_one_must_be_picked() {
    let bench = bench();
    let source = bench.globus_client().source(&bench.profile);
    let several = TokenErrorKind::Config(ConfigError::ResourceServer {
        wanted: None,
        given: vec![AUTH.into(), TRANSFER.into()],
    });
    for _ in 0..50 {
        let error = source.token().await.unwrap_err();
        assert_eq!(error.kind(), &several);
        assert!(error.to_string().contains(TRANSFER), "{error}");
    }
    let asked = bench.asked();
    assert_eq!(asked, 1, "not asked at each call");
    source.token_for(&of(AUTH)).await.unwrap();
    assert_eq!(bench.asked(), asked, "what came is kept all the same");
    let error = source.token_for(&of("nobody.example")).await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Config(ConfigError::ResourceServer { wanted: Some(name), .. }) if name == "nobody.example")
    );
}

#[tokio::test]
async fn scopes_of_one_resource_server_need_no_pick() {
    let bench = bench();
    let manager = bench.globus_client();
    let source = manager.source_for(&bench.profile, &Target::new().scope(TRANSFER_ALL));
    let token = source.token().await.unwrap();
    assert_eq!(bench.scopes_of(&token), TRANSFER_ALL);
    let other = source.after_rejection(&token).await.unwrap();
    assert!(other != token && bench.server.is_live(other.secret().expose()));
    assert_eq!(source.after_rejection(&other).await.unwrap(), other, "once only");
    assert_eq!(bench.asked(), 2);
    assert!(manager.revoke(&bench.profile).await.unwrap());
    assert!(!bench.server.is_live(other.secret().expose()));
}

#[tokio::test]
async fn scopes_are_asked_for_exactly_as_named() {
    let bench = bench();
    let manager = bench.globus_client();
    let openid = manager.source_for(&bench.profile, &Target::new().scope("openid"));
    let wide = manager.source_for(&bench.profile, &Target::new().scopes(["openid", "email"]));
    let (narrow, wide) = (openid.token().await.unwrap(), wide.token().await.unwrap());
    assert_eq!(bench.scopes_of(&narrow), "openid");
    assert_eq!(bench.scopes_of(&wide), "email openid");
}

#[tokio::test]
async fn a_login_keeps_the_tokens_of_all_and_renews_them() {
    let bench = bench();
    let client = ClientRegistration::public(bench.globus(), "native");
    let manager = bench.builder(client).build().unwrap();
    let own = bench.log_in_by(&manager, REDIRECT, Target::new()).await;
    let source = manager.source(&bench.profile);
    assert_eq!(
        source.token_for(&of(AUTH)).await.unwrap(),
        own,
        "the first is the login's own"
    );
    let transfer = source.token_for(&of(TRANSFER)).await.unwrap();
    assert_eq!(bench.scopes_of(&transfer), TRANSFER_ALL);
    assert_eq!(bench.refreshes(), 0);

    bench.advance(HOUR);
    let renewed = source.token_for(&of(TRANSFER)).await.unwrap();
    assert_eq!(bench.scopes_of(&renewed), TRANSFER_ALL);
    let own = source.token().await.unwrap();
    assert_eq!(source.token_for(&of(AUTH)).await.unwrap(), own);
    assert_eq!((bench.refreshes(), bench.server.counters().double_spends), (1, 0));

    bench.advance(HOUR);
    let error = source.token_for(&of("nobody.example")).await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Config(ConfigError::ResourceServer { .. })),
        "{error}"
    );
    assert!(bench.refresh_token_is_alive().await, "what came is kept all the same");
    source.token_for(&of(TRANSFER)).await.unwrap();
    assert_eq!(bench.refreshes(), 2);
}
