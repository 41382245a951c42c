//! The signals that end the command.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// SIGINT and SIGTERM, where they are for us.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
}

impl Signals {
    /// From now on they don't end the process by themselves. One that we were started
    /// to ignore (`nohup`, a shell's `trap '' INT`) stays ignored, by us and by the
    /// command that takes our place.
    pub(crate) fn listen() -> Result<Self> {
        let ignored = ignored();
        let listen = |kind: SignalKind| {
            if ignored & bit(kind) != 0 {
                return Ok(None);
            }
            let listening = signal(kind).map(Some);
            listening.map_err(|error| Failure::caused(Exit::Failure, "signals can't be listened to", error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one: how the command ends by it.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            () = comes(self.interrupt.as_mut()) => Exit::Interrupted,
            () = comes(self.terminate.as_mut()) => Exit::Terminated,
        }
    }
}

async fn comes(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// The signals that this process ignores, as a mask. Only Linux tells without unsafe
/// code; elsewhere none counts as ignored.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask(&status).unwrap_or(0)
}

fn mask(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

fn bit(kind: SignalKind) -> u64 {
    1 << (kind.as_raw_value() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_read_as_the_kernel_writes_it() {
        let ignored = mask("Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001002\n").unwrap();
        assert_ne!(ignored & bit(SignalKind::interrupt()), 0);
        assert_eq!(ignored & bit(SignalKind::terminate()), 0);
        for odd in ["", "SigIgn:", "SigIgn: x", "SigIgn: 11111111111111111"] {
            assert_eq!(mask(odd), None, "{odd}");
        }
    }
}
