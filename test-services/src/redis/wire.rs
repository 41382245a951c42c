//! As much of Redis' protocol as starting and looking need.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::ServiceError;

const LIMIT: Duration = Duration::from_secs(120);

pub(super) fn command(server: SocketAddr, login: Option<(&str, &str)>, words: &[&str]) -> Result<String, ServiceError> {
    let failed = |error: std::io::Error| ServiceError::io("redis does not answer", &error);
    let mut stream = TcpStream::connect_timeout(&server, LIMIT).map_err(failed)?;
    stream.set_read_timeout(Some(LIMIT)).map_err(failed)?;
    let mut answers = BufReader::new(stream.try_clone().map_err(failed)?);
    if let Some((user, password)) = login {
        stream.write_all(&encoded(&["AUTH", user, password])).map_err(failed)?;
        answer(&mut answers).map_err(failed)?.map_err(ServiceError::new)?;
    }
    stream.write_all(&encoded(words)).map_err(failed)?;
    answer(&mut answers).map_err(failed)?.map_err(ServiceError::new)
}

fn encoded(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

/// The answer as text, or the text of a refusal.
fn answer(from: &mut BufReader<TcpStream>) -> std::io::Result<Result<String, String>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let (kind, rest) = line.trim_end().split_at_checked(1).unwrap_or_default();
    let count = || rest.parse::<usize>().unwrap_or(0);
    Ok(match kind {
        "-" => Err(rest.to_owned()),
        "$" if rest.starts_with('-') => Ok(String::new()),
        "$" => {
            let mut bytes = vec![0; count() + 2];
            from.read_exact(&mut bytes)?;
            bytes.truncate(count());
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "*" => {
            let mut items = Vec::new();
            for _ in 0..count() {
                items.push(answer(from)?.unwrap_or_else(|refusal| refusal));
            }
            Ok(items.join(" "))
        }
        _ => Ok(rest.to_owned()),
    })
}
