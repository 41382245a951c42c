//! A store of one's own: a folder with a file for each record, opened as `folder:PATH`.
//!
//! ```text
//! cargo run --release --example custom_store
//! cargo test -p examples --example custom_store      the conformance suite over it
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that can't go on fails"))]

mod folder_store;

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use folder_store::FolderStore;
use store_testkit::server::{AuthorizationServer, Client};
use tokenkeep::clock::SystemClock;
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::store::{Opener, Operation, StoreError, StoreErrorKind, TokenStore};
use tokenkeep::{ClientRegistration, Profile, Secret, provider};

/// Everything that a store knows about its URLs.
fn opener() -> Opener {
    Opener::new().with_scheme("folder", |url| async move {
        let path = url.trim_start_matches("folder:");
        let failed = |error: std::io::Error| {
            StoreError::new(StoreErrorKind::Unavailable, Operation::Open, "folder").with_source(error)
        };
        let store = FolderStore::open(path, Arc::new(SystemClock)).map_err(failed)?;
        Ok(Arc::new(store) as Arc<dyn TokenStore>)
    })
}

/// A manager asks for itself where the store takes longer than two seconds. Here it shall wait, also on a busy machine.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    timing
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .start()?;
    let folder = tempfile::tempdir()?;
    let url = format!("folder:{}", folder.path().display());
    let mut tokens = BTreeSet::new();
    for round in 1..=3 {
        // As three processes would, one after the other.
        let store = opener().open(&url).await?;
        println!("{round}. opened {}: {}", store.name(), store.capabilities().persistence);
        let endpoint = EndpointUrl::new(&server.token_endpoint())?;
        let provider = provider::with_endpoints(endpoint, None);
        let client = ClientRegistration::confidential(provider, "service", Secret::new("service-secret"));
        let manager = tokenkeep::manager(client, store)
            .grant(ClientCredentials::new())
            .timing(patient())
            .build()?;
        let token = manager.source(&Profile::new("service")?).token().await?;
        println!("   got the token {}", token.hash().short());
        tokens.insert(token.hash().short());
    }
    let requests = server.counters().token_requests;
    println!("token requests: {requests}");
    if tokens.len() == 1 && requests == 1 {
        return Ok(());
    }
    Err("expected: one token for all".into())
}
