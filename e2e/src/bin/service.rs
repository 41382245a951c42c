//! One process of a service: wants a token of its own from a store that it shares with
//! others, and prints it.

#![allow(clippy::print_stdout, reason = "the test reads what it says")]

use std::error::Error;
use std::time::Duration;

use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::{ClientRegistration, Profile, Secret, provider, store};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let endpoint = EndpointUrl::new(&std::env::var("SERVICE_TOKEN_ENDPOINT")?)?;
    let provider = provider::with_endpoints(endpoint, None);
    let client = ClientRegistration::confidential(provider, "service", Secret::new("service-secret"));
    // On a busy machine the one that asks may take its time; the others would ask for themselves.
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(60);
    timing.renewable_wait = Duration::from_secs(120);
    let manager = tokenkeep::manager(client, store::open(&std::env::var("SERVICE_STORE")?).await?)
        .grant(ClientCredentials::new())
        .timing(timing)
        .build()?;
    let token = manager.source(&Profile::default()).token().await?;
    println!("{}", token.hash().short());
    Ok(())
}
