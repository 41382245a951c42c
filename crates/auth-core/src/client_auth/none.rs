//! A public client: its id in the body, nothing else.

use super::{Authentication, Placement};

pub(super) fn authentication() -> Authentication {
    Authentication::placed(Placement::IdOnly)
}
