//! What was moved.

/// What was moved of one profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferReport {
    /// Whether there is a client registration, the same in both places now. One that was changed in the target since
    /// an earlier try copied it stays as it is there.
    pub client: bool,
    /// What became of the login.
    pub grant: GrantTransfer,
    /// How many access tokens were copied beside the login's own.
    pub tokens: usize,
    /// How many records of the source are not, or not any more, what the target has, and
    /// so stay, also where what was copied is removed.
    pub kept: usize,
}

/// What became of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantTransfer {
    /// There is none.
    Absent,
    /// It is in both places: it has no refresh token, or copies were allowed.
    Copied,
    /// It was there already, the same.
    Present,
    /// It is in the target only, or has been since an earlier try and went on from there; a tombstone is in the
    /// source.
    Moved,
}

impl TransferReport {
    pub(super) fn of(client: bool, grant: GrantTransfer, tokens: usize, kept: usize) -> Option<Self> {
        let report = Self {
            client,
            grant,
            tokens,
            kept,
        };
        (client || tokens > 0 || kept > 0 || grant != GrantTransfer::Absent).then_some(report)
    }
}
