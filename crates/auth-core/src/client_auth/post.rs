//! Id and secret in the body.

use super::{Authentication, Placement};
use crate::secret::Secret;

pub(super) fn authentication(secret: Option<&Secret>) -> Option<Authentication> {
    Some(Authentication::placed(Placement::Body(secret?.clone())))
}
