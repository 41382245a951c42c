//! A developer token that the provider exchanges for access tokens. It stays in the
//! environment: only the access token is kept.

use tokenkeep::clock::Timestamp;
use tokenkeep::grant::DeveloperToken;

use super::plan::Plan;
use super::repeated;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::{Session, developer_token_variables};

pub(super) async fn run(session: &Session, plan: &Plan) -> Result<Option<Timestamp>> {
    let provider = plan.registration.provider();
    if provider.developer_token_endpoint.is_none() {
        let message = "this provider is not known to exchange developer tokens";
        return Err(Failure::new(Exit::Configuration, message)
            .hint("name one that does (--provider pancloud), or its service: --developer-token-endpoint URL"));
    }
    if session.developer_token(provider)?.is_none() {
        let places = developer_token_variables(provider).join(", ");
        let message = format!("developer_token is missing (looked in the environment: {places})");
        return Err(Failure::new(Exit::Configuration, message).hint("put it there; it is not kept in the store"));
    }
    repeated::run(session, plan, DeveloperToken::NAME).await
}
