//! Signals of a test run in the background.

use std::sync::Once;

use tokio::signal::unix::{SignalKind, signal};

/// A signal that this process ignores, as after a shell's `&` or `nohup`, would be ignored
/// by every process that it starts. One that it handles is not. So it handles those that
/// tests send; nothing changes for itself.
pub(super) fn not_handed_on() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let Ok(runtime) = runtime else { return };
        let inside = runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            if ignored & (1 << (kind.as_raw_value() - 1)) != 0 {
                // The handler stays when its listener goes. Without one a test says what it misses.
                let _ = signal(kind);
            }
        }
        drop(inside);
        // Whoever starts a process may be inside a runtime, where dropping one panics.
        runtime.shutdown_background();
    });
}

/// As the kernel writes it; elsewhere than on Linux nobody says.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
