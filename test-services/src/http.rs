use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::ServiceError;

const LIMIT: Duration = Duration::from_secs(120);

/// The body of the answer to a POST without one; an error unless its status is 200.
pub(crate) fn ask(address: SocketAddr, path: &str) -> Result<String, ServiceError> {
    let failed = |error: std::io::Error| ServiceError::io(&format!("http://{address}{path}"), &error);
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    let request = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(failed)?;
    match body(&answer) {
        Some(body) => Ok(body.to_owned()),
        None => Err(ServiceError::new(format!(
            "http://{address}{path} answered: {}",
            answer.lines().last().unwrap_or("nothing")
        ))),
    }
}

fn body(answer: &str) -> Option<&str> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    (status == "200").then_some(body)
}

#[cfg(test)]
mod tests {
    use super::body;

    #[test]
    fn a_body_is_read_only_with_status_200() {
        assert_eq!(body("HTTP/1.1 200 OK\r\nServer: x\r\n\r\na\nb"), Some("a\nb"));
        assert_eq!(body("HTTP/1.1 400 BAD REQUEST\r\nServer: x\r\n\r\nKeyError"), None);
        assert_eq!(body(""), None);
    }
}
