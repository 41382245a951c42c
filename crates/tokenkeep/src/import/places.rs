//! Where the clients keep their files if nobody says otherwise.

use std::path::PathBuf;

use super::Format;

const PANCLOUD_VARIABLE: &str = "PAN_CREDENTIALS_DBFILE";

impl Format {
    /// Where the client looks for its file, the first place first: for pancloud `$PAN_CREDENTIALS_DBFILE` alone if
    /// it is set, else those of its versions 1 and 2; for palantir-oauth-client `~/.foundry/oauth`. Others have no
    /// known place: the Globus SDK's is different for each program.
    pub fn usual_places(self) -> Vec<PathBuf> {
        let home = |paths: &[&str]| match etcetera::home_dir() {
            Ok(home) => paths.iter().map(|path| home.join(path)).collect(),
            Err(_) => Vec::new(),
        };
        match self {
            Self::Pancloud => match std::env::var_os(PANCLOUD_VARIABLE).filter(|path| !path.is_empty()) {
                Some(path) => vec![path.into()],
                None => home(&[
                    ".config/pancloud/credentials.json",
                    ".config/pan_cortex_data_lake/credentials.json",
                ]),
            },
            Self::Foundry => home(&[".foundry/oauth"]),
            Self::Globus | Self::Yup => Vec::new(),
        }
    }
}
