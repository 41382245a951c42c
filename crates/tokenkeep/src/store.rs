//! Stores, by their URLs: `json:PATH`, `mongodb://HOST`, `memory:`, and other people's.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[doc(no_inline)]
pub use auth_core::store::*;

#[cfg(feature = "json")]
pub use store_json as json;
#[cfg(feature = "mongo")]
pub use store_mongo as mongo;

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn TokenStore>, StoreError>> + Send>>;
type Factory = Arc<dyn Fn(String) -> Opening + Send + Sync>;

/// The schemes that this version knows, compiled in or not, each with its feature.
const KNOWN: [(&str, &str); 3] = [("json", "json"), ("mongodb", "mongo"), ("mongodb+srv", "mongo")];

/// Opens a store by its URL: `json:PATH`, `mongodb://HOST`, `memory:`.
///
/// # Errors
/// `Invalid` if no scheme fits, `Unsupported` if the scheme's feature is not
/// compiled in (the error names it), and whatever the store answers.
pub async fn open(url: &str) -> Result<Arc<dyn TokenStore>, StoreError> {
    Opener::new().open(url).await
}

/// Opens stores by their URLs; knows the compiled-in schemes, and those it is told.
#[derive(Clone)]
pub struct Opener {
    schemes: BTreeMap<String, Factory>,
}

impl Opener {
    /// Knows the compiled-in schemes.
    pub fn new() -> Self {
        let opener = Self {
            schemes: BTreeMap::new(),
        };
        let opener = opener.with_scheme("memory", |_url| async {
            Ok(Arc::new(auth_core::MemoryStore::new()) as Arc<dyn TokenStore>)
        });
        #[cfg(feature = "json")]
        let opener = opener.with_scheme("json", |url| async move {
            Ok(Arc::new(store_json::JsonStore::connect(&url)?) as Arc<dyn TokenStore>)
        });
        #[cfg(feature = "mongo")]
        let opener = ["mongodb", "mongodb+srv"].into_iter().fold(opener, |opener, scheme| {
            opener.with_scheme(scheme, |url| async move {
                Ok(Arc::new(store_mongo::MongoStore::connect(&url).await?) as Arc<dyn TokenStore>)
            })
        });
        opener
    }

    /// Knows one more scheme; the factory gets the whole URL.
    pub fn with_scheme<F, W>(mut self, scheme: impl Into<String>, factory: F) -> Self
    where
        F: Fn(String) -> W + Send + Sync + 'static,
        W: Future<Output = Result<Arc<dyn TokenStore>, StoreError>> + Send + 'static,
    {
        self.schemes
            .insert(scheme.into(), Arc::new(move |url| Box::pin(factory(url))));
        self
    }

    /// Opens a store.
    ///
    /// # Errors
    /// As [`open`].
    pub async fn open(&self, url: &str) -> Result<Arc<dyn TokenStore>, StoreError> {
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        match self.schemes.get(scheme) {
            Some(factory) => factory(url.to_owned()).await,
            None => Err(self.unknown(scheme)),
        }
    }

    // Only the scheme is repeated: the rest of a URL may hold a password.
    fn unknown(&self, scheme: &str) -> StoreError {
        if let Some((_, feature)) = KNOWN.iter().find(|(known, _)| *known == scheme) {
            return StoreError::new(StoreErrorKind::Unsupported, Operation::Open, scheme).with_message(format!(
                "this program was built without the feature `{feature}` of tokenkeep"
            ));
        }
        let known: Vec<&str> = self.schemes.keys().map(String::as_str).collect();
        StoreError::new(StoreErrorKind::Invalid, Operation::Open, "store url").with_message(format!(
            "no store has this scheme; write one of: {}",
            known.join(":, ") + ":"
        ))
    }
}

impl Default for Opener {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("schemes", &self.schemes.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn schemes_are_found_or_named() {
        assert_eq!(open("memory:").await.unwrap().name(), "memory");
        let error = open("ftp://user:canary@host").await.unwrap_err();
        assert!(
            error.kind() == StoreErrorKind::Invalid && !error.to_string().contains("canary"),
            "{error}"
        );
        assert!(error.to_string().contains("memory:"), "{error}");
        let other = Opener::new().with_scheme("mine", |_| async {
            Ok(Arc::new(auth_core::MemoryStore::new()) as Arc<dyn TokenStore>)
        });
        assert!(other.open("mine:x").await.is_ok());
    }

    #[cfg(feature = "mongo")]
    #[tokio::test]
    async fn mongodb_is_opened_before_its_servers_are_there() {
        let store = open("mongodb://127.0.0.1:1/?namespace=a").await.unwrap();
        assert_eq!(store.name(), "mongodb");
        let error = open("mongodb://keeper:canary@127.0.0.1/?namespace=A")
            .await
            .unwrap_err();
        assert!(
            error.kind() == StoreErrorKind::Invalid && !error.to_string().contains("canary"),
            "{error}"
        );
    }

    #[cfg(not(feature = "mongo"))]
    #[tokio::test]
    async fn mongodb_names_its_feature() {
        for url in ["mongodb://u:canary@h", "mongodb+srv://h"] {
            let error = open(url).await.unwrap_err();
            assert!(
                error.kind() == StoreErrorKind::Unsupported && error.to_string().contains("`mongo`"),
                "{error}"
            );
        }
    }

    #[cfg(not(feature = "json"))]
    #[tokio::test]
    async fn a_feature_that_is_not_compiled_in_is_named() {
        let error = open("json:/tmp/x").await.unwrap_err();
        assert!(
            error.kind() == StoreErrorKind::Unsupported && error.to_string().contains("`json`"),
            "{error}"
        );
    }
}
