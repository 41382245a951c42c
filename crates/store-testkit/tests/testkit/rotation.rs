use std::collections::BTreeSet;
use std::time::Duration;

use store_testkit::server::{AuthorizationServer, Client, RefreshTokenState, Rotation, SendOutcome};

use crate::http::{Reply, call_api, form, refresh};

const GRACE: Duration = Duration::from_secs(30);

fn server(rotation: Rotation) -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::public("app"))
        .client(Client::public("other"))
        .rotation(rotation)
        .start()
        .unwrap()
}

fn granted(server: &AuthorizationServer, refresh_token: &str) -> (String, String) {
    let reply = refresh(server, refresh_token);
    assert_eq!(reply.status(), 200, "{reply:?}");
    (reply.text("access_token"), reply.text("refresh_token"))
}

fn assert_refused(reply: &Reply) {
    assert_eq!(reply.status(), 400, "{reply:?}");
    assert_eq!(reply.text("error"), "invalid_grant");
}

#[test]
fn without_rotation_a_refresh_token_can_be_spent_for_ever() {
    let server = server(Rotation::None);
    let login = server.log_in("app", "");
    for _ in 0..3 {
        let reply = refresh(&server, &login.refresh_token);
        assert_eq!(reply.status(), 200);
        assert!(reply.json().get("refresh_token").is_none());
        assert_eq!(call_api(&server, &reply.text("access_token")).status(), 200);
    }
    assert_eq!(server.counters().double_spends, 0);
    assert_eq!(server.live_access_tokens().len(), 4);
}

#[test]
fn strict_second_use_ends_the_login_with_all_its_tokens() {
    let server = server(Rotation::Strict);
    let login = server.log_in("app", "");
    let bystander = server.log_in("app", "");
    let (access_token, child) = granted(&server, &login.refresh_token);
    assert_eq!(
        server.refresh_token_state(&login.refresh_token),
        Some(RefreshTokenState::Spent)
    );
    assert_eq!(call_api(&server, &access_token).status(), 200);

    assert_refused(&refresh(&server, &login.refresh_token));

    assert!(!server.family_alive(&child));
    assert!(!server.is_live(&access_token));
    assert_eq!(call_api(&server, &access_token).status(), 401);
    assert_refused(&refresh(&server, &child));
    assert!(server.family_alive(&bystander.refresh_token));

    let counters = server.counters();
    assert_eq!(counters.double_spends, 1);
    assert_eq!(counters.logins_lost, 1);
    assert_eq!(counters.families_revoked, 1);
    assert_eq!(counters.refreshes_granted, 1);
    assert_eq!(counters.refusals_of("invalid_grant"), 2);
    let outcomes: Vec<_> = server.refresh_log().iter().map(|send| send.outcome).collect();
    assert_eq!(
        outcomes,
        [SendOutcome::Granted, SendOutcome::Reused, SendOutcome::Refused]
    );
}

#[test]
fn ten_spend_one_refresh_token_at_once_and_one_succeeds() {
    for _ in 0..20 {
        let server = server(Rotation::Strict);
        let login = server.log_in("app", "");
        let statuses: Vec<u16> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..10)
                .map(|_| scope.spawn(|| refresh(&server, &login.refresh_token).status()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
        assert!(!server.family_alive(&login.refresh_token));
        assert!(server.live_access_tokens().is_empty());
        let counters = server.counters();
        assert_eq!(counters.requests_of("refresh_token"), 10);
        assert_eq!(counters.refreshes_granted, 1);
        assert_eq!(counters.double_spends, 9);
        assert_eq!(counters.refusals_of("invalid_grant"), 9);
        assert_eq!(counters.logins_lost, 1);
    }
}

#[test]
fn grace_same_pair_gives_the_same_tokens_again() {
    let server = server(Rotation::GraceSamePair(GRACE));
    let login = server.log_in("app", "");
    let first = granted(&server, &login.refresh_token);
    server.advance(Duration::from_secs(15));
    assert_eq!(granted(&server, &login.refresh_token), first);
    assert_eq!(server.counters().refreshes_replayed, 1);

    server.advance(Duration::from_secs(15));
    assert_refused(&refresh(&server, &login.refresh_token));
    assert!(!server.family_alive(&first.1));
    assert_eq!(server.counters().double_spends, 1);
}

#[test]
fn grace_new_pair_gives_siblings_that_all_work() {
    let server = server(Rotation::GraceNewPair(GRACE));
    let login = server.log_in("app", "");
    let pairs: Vec<_> = (0..3).map(|_| granted(&server, &login.refresh_token)).collect();
    let distinct: BTreeSet<_> = pairs.iter().map(|pair| &pair.1).collect();
    assert_eq!(distinct.len(), 3);
    for (access_token, refresh_token) in &pairs {
        assert_eq!(call_api(&server, access_token).status(), 200);
        granted(&server, refresh_token);
    }
    server.advance(GRACE);
    assert_refused(&refresh(&server, &login.refresh_token));
    assert!(!server.family_alive(&pairs[0].1));
}

#[test]
fn most_recent_wins_puts_the_earlier_pair_and_its_descendants_out_of_use() {
    let server = server(Rotation::MostRecentWins(GRACE));
    let login = server.log_in("app", "");
    let earlier = granted(&server, &login.refresh_token);
    let grandchild = granted(&server, &earlier.1);
    let latest = granted(&server, &login.refresh_token);

    for access_token in [&earlier.0, &grandchild.0] {
        assert_eq!(call_api(&server, access_token).status(), 401);
    }
    for refresh_token in [&earlier.1, &grandchild.1] {
        assert_eq!(
            server.refresh_token_state(refresh_token),
            Some(RefreshTokenState::Superseded)
        );
        assert_refused(&refresh(&server, refresh_token));
    }
    assert_eq!(call_api(&server, &latest.0).status(), 200);
    granted(&server, &latest.1);
    assert_eq!(server.counters().double_spends, 0);

    server.advance(GRACE);
    assert_refused(&refresh(&server, &login.refresh_token));
    assert_eq!(server.counters().logins_lost, 1);
}

#[test]
fn another_clients_refresh_token_is_refused_unspent() {
    let server = server(Rotation::Strict);
    let login = server.log_in("app", "");
    let body = format!(
        "grant_type=refresh_token&client_id=other&refresh_token={}",
        login.refresh_token
    );
    assert_refused(&form(&server, "/token", &body));
    granted(&server, &login.refresh_token);
}

#[test]
fn a_wider_scope_is_refused_unspent_and_a_narrower_one_granted() {
    let server = server(Rotation::Strict);
    let login = server.log_in("app", "read write");
    let with_scope = |scope: &str| {
        let token = &login.refresh_token;
        format!("grant_type=refresh_token&client_id=app&refresh_token={token}&scope={scope}")
    };
    let reply = form(&server, "/token", &with_scope("read+admin"));
    assert_eq!(reply.text("error"), "invalid_scope");
    let reply = form(&server, "/token", &with_scope("read"));
    assert_eq!(reply.text("scope"), "read");
    let api = call_api(&server, &reply.text("access_token"));
    assert_eq!(api.text("scope"), "read");
}

#[test]
fn refresh_tokens_have_a_life_when_told_so() {
    let server = AuthorizationServer::builder()
        .client(Client::public("app"))
        .refresh_token_lifetime(Duration::from_secs(600))
        .start()
        .unwrap();
    let login = server.log_in("app", "");
    let reply = refresh(&server, &login.refresh_token);
    assert_eq!(reply.json()["refresh_expires_in"], 600);
    server.advance(Duration::from_secs(600));
    let child = reply.text("refresh_token");
    assert_eq!(server.refresh_token_state(&child), Some(RefreshTokenState::Expired));
    assert_refused(&refresh(&server, &child));
    assert_eq!(server.counters().double_spends, 0);
}

#[test]
fn a_refresh_can_end_the_earlier_access_tokens() {
    let server = AuthorizationServer::builder()
        .client(Client::public("app"))
        .refresh_revokes_access_tokens(true)
        .start()
        .unwrap();
    let login = server.log_in("app", "");
    let (access_token, _) = granted(&server, &login.refresh_token);
    assert_eq!(server.live_access_tokens(), [access_token]);
    assert_eq!(call_api(&server, &login.access_token).status(), 401);
}

#[test]
fn an_administrator_can_end_a_login() {
    let server = server(Rotation::Strict);
    let login = server.log_in("app", "");
    assert!(server.revoke_family_of(&login.refresh_token));
    assert!(!server.revoke_family_of(&login.refresh_token));
    assert_refused(&refresh(&server, &login.refresh_token));
    let counters = server.counters();
    assert_eq!((counters.families_revoked, counters.logins_lost), (1, 0));
}
