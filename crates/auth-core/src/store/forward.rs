//! `Arc`, `Box` and references of a store are stores; every method is forwarded,
//! none falls back to a default.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Capabilities, Lease, LeaseId, Listing, Page, RemoveIf, StoreError, TokenStore, WriteIf};
use crate::key::Key;
use crate::record::Record;
use crate::sealer::Sealer;

macro_rules! forward {
    ($($wrapper:ident),*) => {$(
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<T: TokenStore + ?Sized> TokenStore for $wrapper<T> {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            fn sealer(&self) -> Option<Arc<dyn Sealer>> {
                (**self).sealer()
            }

            async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
                (**self).load(key).await
            }

            async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
                (**self).save(record, when).await
            }

            async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
                (**self).remove(key, when).await
            }

            async fn list(&self, page: Page) -> Result<Listing, StoreError> {
                (**self).list(page).await
            }

            async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
                (**self).try_lease(key, id, ttl).await
            }

            async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
                (**self).renew(key, id, ttl).await
            }

            async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
                (**self).release(key, id).await
            }
        }
    )*};
}
forward!(Arc, Box);
