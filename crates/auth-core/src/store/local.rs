//! For stores that keep files on this host: where those may lie, who may read them,
//! and leases that are locks of the operating system.

mod fault;
mod leases;
mod permissions;
mod place;

pub use fault::{Doing, Fault};
pub use leases::{Leases, is_still_at, try_lock};
pub use permissions::{FILE_MODE, FOLDER_MODE, keep_path_private, keep_private, open_to_lock, open_to_read};
pub use place::{Place, Wanted, network_file_system, sync_folder, with_suffix};
