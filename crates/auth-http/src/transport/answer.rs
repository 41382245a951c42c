//! Reads an answer, up to a limit.

use auth_core::secret::SecretBytes;
use auth_core::transport::{HttpResponse, TransportError};
use zeroize::Zeroizing;

use super::failed;

// A token answer fits; the length a server announces is no reason to reserve more.
const FIRST_CAPACITY: usize = 4 * 1024;

/// The whole answer. A larger one than `limit` is given up where it passes the
/// limit, not read to its end; the server has acted by then, so that is ambiguous.
pub(super) async fn read_answer(mut response: reqwest::Response, limit: usize) -> Result<HttpResponse, TransportError> {
    let mut body = Zeroizing::new(Vec::with_capacity(FIRST_CAPACITY));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if chunk.len() > limit - body.len() {
            return Err(TransportError::ambiguous("the answer is too large"));
        }
        append(&mut body, &chunk);
    }
    let mut answer = http::Response::new(SecretBytes::new(std::mem::take(&mut *body)));
    *answer.status_mut() = response.status();
    *answer.version_mut() = response.version();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    Ok(answer)
}

// As `extend_from_slice`, but what the growth leaves behind is zeroized.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let length = body.len() + chunk.len();
    if length > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(length.next_power_of_two()));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn append_keeps_what_is_there() {
        let mut body = Zeroizing::new(Vec::new());
        append(&mut body, b"abc");
        append(&mut body, &[b'd'; 100]);
        assert_eq!(body.len(), 103);
        assert!(body.starts_with(b"abcd"));
    }
}
