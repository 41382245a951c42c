//! A replica of a web application, for one request: it begins a login, or finishes one
//! that another replica may have begun. They have one store in common.

#![allow(clippy::print_stdout, reason = "the test reads what it says")]

use std::error::Error;

use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::{ClientRegistration, Profile, Secret, Target, TokenManager, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let (manager, cookie) = (manager().await?, Secret::new(variable("REPLICA_COOKIE")?));
    if let Ok(query) = variable("REPLICA_QUERY") {
        match manager.finish_web_login(&query, &cookie).await {
            Ok(profile) => {
                let token = manager.source(&profile).token().await?;
                println!("finished {profile} {}", token.secret().expose());
            }
            Err(error) => println!("refused {}", chain(&error)),
        }
        return Ok(());
    }
    let profile = Profile::from_parts([variable("REPLICA_USER")?.as_str()]);
    let redirect_uri = variable("REPLICA_REDIRECT_URI")?;
    let url = manager
        .begin_web_login(&profile, &redirect_uri, Target::new().scope("api"), &cookie)
        .await?;
    println!("{url}");
    Ok(())
}

fn chain(error: &dyn Error) -> String {
    let below = error
        .source()
        .map_or(String::new(), |below| format!(": {}", chain(below)));
    format!("{error}{below}")
}

async fn manager() -> Outcome<TokenManager> {
    let endpoint = |name: &str| -> Outcome<EndpointUrl> { Ok(EndpointUrl::new(&variable(name)?)?) };
    let token = endpoint("REPLICA_TOKEN_ENDPOINT")?;
    let provider = provider::with_endpoints(token, Some(endpoint("REPLICA_AUTHORIZATION_ENDPOINT")?));
    let client = ClientRegistration::confidential(provider, "web", Secret::new(variable("REPLICA_CLIENT_SECRET")?));
    let store = store::open(&variable("REPLICA_STORE")?).await?;
    Ok(tokenkeep::manager(client, store).build()?)
}

fn variable(name: &str) -> Outcome<String> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}
