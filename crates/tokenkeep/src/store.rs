//! Stores, by their URLs: `json:PATH`, `sqlite:PATH`, `redis://HOST`, `mongodb://HOST`,
//! `memcached://HOST,HOST`, `memory:`, and other people's.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

#[doc(no_inline)]
pub use auth_core::store::*;

#[cfg(feature = "json")]
pub use store_json as json;
#[cfg(feature = "memcached")]
pub use store_memcached as memcached;
#[cfg(feature = "mongo")]
pub use store_mongo as mongo;
#[cfg(feature = "redis")]
pub use store_redis as redis;
#[cfg(feature = "sqlite")]
pub use store_sqlite as sqlite;

type Opening = Pin<Box<dyn Future<Output = Result<Arc<dyn TokenStore>, StoreError>> + Send>>;
type Factory = Arc<dyn Fn(String) -> Opening + Send + Sync>;

/// The schemes that this version knows, compiled in or not, each with its feature.
const KNOWN: [(&str, &str); 11] = [
    ("json", "json"),
    ("memcached", "memcached"),
    ("mongodb", "mongo"),
    ("mongodb+srv", "mongo"),
    ("redis", "redis"),
    ("rediss", "redis"),
    ("redis+cluster", "redis"),
    ("rediss+cluster", "redis"),
    ("redis+sentinel", "redis"),
    ("rediss+sentinel", "redis"),
    ("sqlite", "sqlite"),
];

/// Opens a store by its URL: `json:PATH`, `sqlite:PATH`, `redis://HOST`,
/// `mongodb://HOST`, `memcached://HOST,HOST`, `memory:`.
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
        #[cfg(feature = "memcached")]
        let opener = opener.with_scheme("memcached", |url| async move {
            Ok(Arc::new(store_memcached::MemcachedStore::connect(&url)?) as Arc<dyn TokenStore>)
        });
        #[cfg(feature = "sqlite")]
        let opener = opener.with_scheme("sqlite", |url| async move {
            Ok(Arc::new(store_sqlite::SqliteStore::connect(&url)?) as Arc<dyn TokenStore>)
        });
        #[cfg(feature = "redis")]
        let opener =
            KNOWN
                .into_iter()
                .filter(|(_, feature)| *feature == "redis")
                .fold(opener, |opener, (scheme, _)| {
                    opener.with_scheme(scheme, |url| async move {
                        Ok(Arc::new(store_redis::RedisStore::connect(&url).await?) as Arc<dyn TokenStore>)
                    })
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

    #[cfg(feature = "memcached")]
    #[tokio::test]
    async fn memcached_is_opened_with_its_opt_in_as_a_parameter() {
        let store = open("memcached://localhost,[::1]:11212").await.unwrap();
        assert_eq!(store.name(), "memcached");
        assert!(!store.capabilities().volatile_refresh_tokens);
        let store = open("memcached://localhost?allow_volatile_refresh_tokens=true")
            .await
            .unwrap();
        assert!(store.capabilities().volatile_refresh_tokens);
        let error = open("memcached://cache.internal").await.unwrap_err();
        assert!(error.to_string().contains("plaintext=allow"), "{error}");
    }

    #[cfg(feature = "redis")]
    #[tokio::test]
    async fn every_kind_of_redis_is_known() {
        for scheme in ["redis", "rediss", "redis+cluster", "rediss+cluster"] {
            let error = open(&format!("{scheme}://:canary@h:x")).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.store()),
                (StoreErrorKind::Invalid, "redis"),
                "{error}"
            );
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        let error = open("redis+sentinel://h").await.unwrap_err();
        assert!(error.to_string().contains("NAME"), "{error}");
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

    #[tokio::test]
    async fn a_feature_that_is_not_compiled_in_is_named() {
        let opener = Opener::new();
        for (scheme, feature) in KNOWN {
            if opener.schemes.contains_key(scheme) {
                continue;
            }
            let error = opener.open(&format!("{scheme}:/tmp/x")).await.unwrap_err();
            assert!(
                error.kind() == StoreErrorKind::Unsupported && error.to_string().contains(&format!("`{feature}`")),
                "{error}"
            );
        }
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn sqlite_is_opened_by_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.sqlite");
        let store = open(&format!("sqlite:{}?namespace=one", path.display())).await.unwrap();
        assert_eq!(store.name(), "sqlite");
        assert!(open("sqlite:~/x").await.is_err());
    }
}
