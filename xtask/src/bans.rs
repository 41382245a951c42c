//! What may be built into this workspace: packages, versions, licences, and who depends on whom.
//! `deny.toml` says the same for those who have cargo-deny.

mod graph;
mod layers;
mod licence;

use crate::run::Failure;
use crate::workspace::Workspace;

use graph::Graph;

/// Checks everything and lists every fault.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let built = Graph::of(workspace, &["--workspace"])?;
    let core = Graph::of(workspace, &["-p", "auth-core"])?;
    let quick_start = Graph::of_quick_start(workspace)?;
    let faults: Vec<String> = [
        layers::faults(workspace),
        built.banned(),
        built.duplicates(),
        built.licence_faults(),
        core.beyond_core(),
        quick_start.beyond_quick_start(),
    ]
    .concat();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Failure(faults.join("\n")))
    }
}
