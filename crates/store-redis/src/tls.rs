//! TLS: the one provider of this program, and the files that were named.

use std::path::Path;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::crypto::CryptoProvider;

use crate::config::TlsFiles;
use crate::error::Fault;

/// The driver takes the process's provider, and panics where there is none or a choice.
pub(crate) fn install_provider() {
    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been first meanwhile: then theirs is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}

/// What the files hold.
pub(crate) fn certificates(files: &TlsFiles) -> Result<TlsCertificates, Fault> {
    let client_tls = match (&files.certificate, &files.key) {
        (Some(certificate), Some(key)) => Some(ClientTlsConfig {
            client_cert: read("cert", certificate)?,
            client_key: read("key", key)?,
        }),
        _ => None,
    };
    let root_cert = files.authority.as_deref().map(|file| read("ca", file)).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(option: &str, file: &Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(file)
        .map_err(|error| Fault::invalid(format!("{option}={} can't be read: {}", file.display(), error.kind())))
}
