//! The authorization server and the process control, tested with sockets and processes only.

#[cfg(test)]
#[path = "testkit/authorization.rs"]
mod authorization;
#[cfg(test)]
#[path = "testkit/control.rs"]
mod control;
#[cfg(test)]
#[path = "testkit/dialects.rs"]
mod dialects;
#[cfg(test)]
#[path = "testkit/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "testkit/http.rs"]
mod http;
#[cfg(test)]
#[path = "testkit/processes.rs"]
mod processes;
#[cfg(test)]
#[path = "testkit/rotation.rs"]
mod rotation;
#[cfg(test)]
#[path = "testkit/token_requests.rs"]
mod token_requests;
