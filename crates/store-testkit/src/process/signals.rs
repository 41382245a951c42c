//! Signals of a test run in the background.

use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// A signal that this process ignores, as after a shell's `&` or `nohup`, would be ignored
/// by every process that it starts. One that it handles is not. So it handles those that
/// tests send; nothing changes for itself.
pub(super) fn not_handed_on() {
    static ONCE: Once = Once::new();
    ONCE.call_once(handle_ignored_apart);
}

/// A runtime can't be dropped inside another one, where most tests are.
fn handle_ignored_apart() {
    let _ = std::thread::spawn(handle_ignored).join();
}

fn handle_ignored() {
    let ignored = ignored();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let Ok(runtime) = runtime else { return };
    let _inside = runtime.enter();
    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        if ignored & (1 << (kind.as_raw_value() - 1)) != 0 {
            // The handler stays when its listener goes. Without one a test says what it misses.
            let _ = signal(kind);
        }
    }
}

/// As the kernel writes it; elsewhere than on Linux nobody says.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_process_may_be_started_inside_a_runtime() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        assert!(runtime.is_ok_and(|runtime| {
            runtime.block_on(async { super::handle_ignored_apart() });
            true
        }));
    }
}
