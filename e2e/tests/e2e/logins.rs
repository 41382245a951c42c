//! Logins at the test kit's authorization server, kept by the command.

use store_testkit::server::{AuthorizationServer, Client, Login, Rotation};

use crate::command::{Home, finish};

pub(crate) const SECRET: &str = "service-secret";

/// A server that rotates strictly, with a person's client and a service.
pub(crate) fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::public("app"))
        .client(Client::confidential("service", SECRET))
        .rotation(Rotation::Strict)
        .latency(std::time::Duration::from_millis(50))
        .start()
        .unwrap()
}

/// A login whose access token lives so many seconds more by its own word, and whose
/// refresh token is good.
pub(crate) fn adopt(home: &Home, server: &AuthorizationServer, expires_in: u64) -> Login {
    let login = server.log_in("app", "api");
    let command = home.command(&adopting(server).each_ref().map(String::as_str));
    let output = finish(command.stdin(tokens(&login, expires_in)));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    login
}

/// The arguments that take tokens from standard input.
pub(crate) fn adopting(server: &AuthorizationServer) -> [String; 9] {
    let endpoint = server.token_endpoint();
    let words = "login --flow token --client-id app --client-auth none --token-endpoint";
    let mut words = words.split(' ').map(str::to_owned).chain([endpoint]);
    std::array::from_fn(|_| words.next().unwrap_or_default())
}

/// These tokens as an answer of the token endpoint.
pub(crate) fn tokens(login: &Login, expires_in: u64) -> String {
    format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":{expires_in}}}"#,
        login.access_token, login.refresh_token
    )
}

/// A service that is logged in by its client credentials.
pub(crate) fn enrol(home: &Home, server: &AuthorizationServer) {
    let login = enrolling(server);
    let login: Vec<&str> = login.iter().map(String::as_str).collect();
    let output = finish(home.command(&login).stdin(SECRET));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
}

/// The arguments for that; the secret comes from standard input.
pub(crate) fn enrolling(server: &AuthorizationServer) -> Vec<String> {
    let login = "login --flow client-credentials --client-id service --client-secret-stdin --token-endpoint";
    login
        .split(' ')
        .map(str::to_owned)
        .chain([server.token_endpoint()])
        .collect()
}
