//! This host's name, for marks and histories that people read.

use std::sync::OnceLock;

pub(crate) fn name() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    NAME.get_or_init(|| rustix::system::uname().nodename().to_string_lossy().into_owned())
        .clone()
}
