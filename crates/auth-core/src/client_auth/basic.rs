//! HTTP Basic, form-encoded or raw.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::{Authentication, Placement};
use crate::secret::Secret;

pub(super) fn encoded(secret: Option<&Secret>) -> Option<Authentication> {
    Some(Authentication::placed(Placement::Header(secret?.clone())))
}

pub(super) fn raw(client_id: &str, secret: Option<&Secret>) -> Option<Authentication> {
    let secret = secret?;
    let pair = Zeroizing::new(format!("{client_id}:{}", secret.expose()));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut header = HeaderValue::from_str(&text).ok()?;
    header.set_sensitive(true);
    Some(Authentication {
        authorization: Some(header),
        ..Authentication::placed(Placement::Header(secret.clone()))
    })
}
