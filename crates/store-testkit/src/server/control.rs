//! `/control/…`: what tests in other processes ask of the server over plain HTTP.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Shared;
use super::answer::Answer;
use super::counters::RefreshSend;
use super::fault::{Endpoint, Fault};
use super::request::ServedRequest;
use super::state::Purpose;

pub(super) fn answer(shared: &Shared, command: &str, request: &ServedRequest) -> Answer {
    let arguments = request.json();
    let reply = match (&request.method, command) {
        (&Method::GET, "counters") => Some(shared.state().counters.to_json()),
        (&Method::GET, "refresh-log") => Some(refresh_log(shared)),
        (&Method::GET, "live-access-tokens") => Some(json!({ "count": shared.state().live_access_tokens().len() })),
        (&Method::POST, "advance") => advance(shared, &arguments),
        (&Method::POST, "expire-access-tokens") => {
            shared.state().expire_access_tokens();
            Some(json!({}))
        }
        (&Method::POST, "login") => login(shared, &arguments),
        (&Method::POST, "is-live") => text(&arguments, "access_token")
            .map(|token| json!({ "live": shared.state().live_access_token(&token).is_some() })),
        (&Method::POST, "faults") => inject(shared, &arguments),
        (&Method::POST, "clear-faults") => {
            shared.state().faults.clear();
            Some(json!({}))
        }
        (&Method::POST, "release") => {
            shared.control_gate.release();
            Some(json!({}))
        }
        _ => return Answer::empty(StatusCode::NOT_FOUND),
    };
    match reply {
        Some(reply) => Answer::json(StatusCode::OK, &reply),
        None => Answer::empty(StatusCode::BAD_REQUEST),
    }
}

fn refresh_log(shared: &Shared) -> Value {
    let state = shared.state();
    state.sends.iter().map(RefreshSend::to_json).collect()
}

fn advance(shared: &Shared, arguments: &Value) -> Option<Value> {
    let by = milliseconds(arguments, "milliseconds")?;
    shared.state().clock.advance(by);
    Some(json!({}))
}

fn login(shared: &Shared, arguments: &Value) -> Option<Value> {
    let client_id = text(arguments, "client_id")?;
    let subject = text(arguments, "subject").unwrap_or_else(|| "user".to_owned());
    let purpose = Purpose {
        scope: text(arguments, "scope"),
        ..Purpose::default()
    };
    let mut state = shared.state();
    let (_, issued) = state.log_in(&shared.config, &client_id, &subject, purpose);
    Some(state.token_answer(&shared.config, &issued))
}

fn inject(shared: &Shared, arguments: &Value) -> Option<Value> {
    let fault = parse_fault(shared, arguments)?;
    shared.state().faults.push(fault);
    Some(json!({}))
}

fn parse_fault(shared: &Shared, arguments: &Value) -> Option<Fault> {
    let mut fault = parse_effect(arguments)?.at(parse_endpoint(arguments)?);
    if let Some(grant_type) = text(arguments, "grant_type") {
        fault = fault.grant_type(grant_type);
    }
    if let Some(times) = arguments["times"].as_u64() {
        fault = fault.times(usize::try_from(times).ok()?);
    }
    if let Some(delay) = milliseconds(arguments, "delay_before_milliseconds") {
        fault = fault.delay_before(delay);
    }
    if let Some(delay) = milliseconds(arguments, "delay_after_milliseconds") {
        fault = fault.delay_after(delay);
    }
    match arguments["hold"].as_str() {
        Some("before") => Some(fault.hold_before(&shared.control_gate)),
        Some("after") => Some(fault.hold_after(&shared.control_gate)),
        Some(_) => None,
        None => Some(fault),
    }
}

fn parse_endpoint(arguments: &Value) -> Option<Endpoint> {
    match arguments["endpoint"].as_str() {
        None | Some("token") => Some(Endpoint::Token),
        Some("authorization") => Some(Endpoint::Authorization),
        Some("revocation") => Some(Endpoint::Revocation),
        Some("discovery") => Some(Endpoint::Discovery),
        Some("api") => Some(Endpoint::Api),
        Some("developer_tokens") => Some(Endpoint::DeveloperTokens),
        Some(_) => None,
    }
}

fn parse_effect(arguments: &Value) -> Option<Fault> {
    if let Some(status) = arguments["status"].as_u64() {
        return Some(parse_answer(u16::try_from(status).ok()?, arguments));
    }
    if let Some(sent) = arguments["cut"].as_u64() {
        return Some(Fault::cut_answer(usize::try_from(sent).ok()?));
    }
    match arguments["drop"].as_str() {
        Some("before") => Some(Fault::drop_before_handling()),
        Some("after") => Some(Fault::drop_after_handling()),
        Some(_) => None,
        None => Some(Fault::none()),
    }
}

fn parse_answer(status: u16, arguments: &Value) -> Fault {
    let mut fault = Fault::answer(status).body(text(arguments, "body").unwrap_or_default());
    for (name, value) in arguments["headers"].as_object().into_iter().flatten() {
        fault = fault.header(name, value.as_str().unwrap_or_default());
    }
    fault
}

fn text(arguments: &Value, name: &str) -> Option<String> {
    arguments[name].as_str().map(str::to_owned)
}

fn milliseconds(arguments: &Value, name: &str) -> Option<Duration> {
    arguments[name].as_u64().map(Duration::from_millis)
}
