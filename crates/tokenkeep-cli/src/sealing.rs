//! How records are sealed: from the command line, the environment and the
//! configuration file, in this order.

use std::sync::Arc;

use tokenkeep::key::Key;
use tokenkeep::seal::{KeyError, KeyErrorKind, KmsStore};
use tokenkeep::sealer::Sealer as _;
use tokenkeep::secret::SecretBytes;
use tokenkeep::{Sealing, TokenStore};
use zeroize::Zeroizing;

use crate::config::{ConfigFile, ProfileConfig};
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::settings::{self, Origin};

/// What says that records are not sealed.
const NONE: &str = "none";

/// The name that what is put beside the store is bound to.
const ASIDE: &str = "rescued login";
/// What sealed bytes begin with, and no bundle does.
const SEALED: u8 = 0xFE;

/// A store, and the seal around it if there is one.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) sealed: Option<KmsStore>,
}

/// The seal that holds for a profile; `None`: records are not sealed.
pub(crate) fn resolve(
    flag: Option<&str>,
    config: &ProfileConfig,
    file: &ConfigFile,
) -> Result<(Option<Sealing>, Origin)> {
    let configured = config.seal.as_deref().or(file.seal.as_deref());
    let (name, origin) = match (flag, environment::setting("seal")?) {
        (Some(flag), _) => (flag.to_owned(), Origin::Flag("--seal")),
        (None, Some(name)) => (name, Origin::Environment("TOKENKEEP_SEAL")),
        (None, None) => match configured {
            Some(name) => (name.to_owned(), Origin::File),
            None => return Ok((None, Origin::Default)),
        },
    };
    Ok((of_name(&name, file)?, origin))
}

/// The seal under the key of this name.
pub(crate) fn of_name(name: &str, file: &ConfigFile) -> Result<Option<Sealing>> {
    if name == NONE {
        return Ok(None);
    }
    let seal = Sealing::new(name).map_err(wrong)?;
    let reading = settings::pick_words(&[], "seal_read", &file.seal_read)?;
    let seal = reading
        .iter()
        .try_fold(seal, |seal, key| seal.reading(key))
        .map_err(wrong)?;
    let namespace = settings::pick(None, "seal_namespace", file.seal_namespace.as_ref())?;
    let seal = match namespace {
        Some(name) => seal.namespace(name),
        None => seal,
    };
    #[cfg(feature = "kms")]
    if let Some(url) = settings::pick(None, "seal_endpoint", file.seal_endpoint.as_ref())? {
        return Ok(Some(seal.endpoint_url(url)));
    }
    Ok(Some(seal))
}

/// Opens a store, and seals it.
pub(crate) async fn open(url: &str, seal: Option<&Sealing>) -> Result<Opened> {
    let store = tokenkeep::store::open(url).await?;
    let Some(seal) = seal else {
        return Ok(Opened { store, sealed: None });
    };
    if url.starts_with("json:") && url.contains("compat=pancloud") {
        let message = "pancloud's file can't be sealed: pancloud could not read it";
        return Err(Failure::new(Exit::Configuration, message)
            .hint("import it into a store of its own: tokenkeep profile import --from pancloud FILE"));
    }
    let sealed = wrap(seal, store).await?;
    Ok(Opened {
        store: Arc::new(sealed.clone()),
        sealed: Some(sealed),
    })
}

/// The store, sealed.
pub(crate) async fn wrap(seal: &Sealing, store: Arc<dyn TokenStore>) -> Result<KmsStore> {
    // Boxed: the futures of a key service are large.
    Box::pin(seal.wrap(store)).await.map_err(wrong)
}

/// What is put beside the store: sealed if the store is.
pub(crate) async fn put_aside(session: &Session, plain: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    let Some(store) = &session.sealed else {
        return Ok(plain);
    };
    let failed = |error| Failure::caused(Exit::Store, "they can't be sealed", error);
    let key = store.data_key(&Key::grant(session.profile())).await.map_err(failed)?;
    let sealed = key.seal(ASIDE, &SecretBytes::new(plain.to_vec())).map_err(failed)?;
    Ok(Zeroizing::new(sealed))
}

/// The same, opened if it is sealed.
pub(crate) async fn taken_back(session: &Session, bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>> {
    if bytes.first() != Some(&SEALED) {
        return Ok(bytes);
    }
    let Some(store) = &session.sealed else {
        let message = "the bundle is sealed as the store was that did not take it";
        return Err(Failure::new(Exit::Configuration, message).hint("name the same key with --seal"));
    };
    let opened = store.open(&Key::grant(session.profile()), ASIDE, &bytes).await;
    let opened = opened.map_err(|error| Failure::caused(Exit::Store, "the bundle can't be opened", error))?;
    Ok(Zeroizing::new(opened.expose().to_vec()))
}

/// Settings that are wrong, or a key service that does not serve.
pub(crate) fn wrong(error: KeyError) -> Failure {
    let exit = match error.kind() {
        KeyErrorKind::Config | KeyErrorKind::NotFound => Exit::Configuration,
        _ => Exit::Store,
    };
    Failure::of(exit, error)
}
