//! A map that can get and set, as a framework's cache is.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::ManualClock;
use auth_core::store::{Capabilities, GetSet, GetSetStore, LeaseEnd, LeaseScope, Persistence};
use store_testkit::Subject;

#[derive(Clone, Default)]
pub(crate) struct Map(Arc<Mutex<HashMap<String, Vec<u8>>>>);

#[async_trait]
impl GetSet for Map {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn set(&self, name: &str, value: &[u8], _ttl: Option<Duration>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.lock().unwrap().insert(name.into(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

pub(crate) async fn over_a_map() -> Subject<GetSetStore<Map>> {
    let (clock, map) = (ManualClock::default(), Map::default());
    let open = {
        let (clock, map) = (clock.clone(), map.clone());
        move || GetSetStore::with_clock(map.clone(), Arc::new(clock.clone()))
    };
    let promised = Capabilities::new(Persistence::Evictable, LeaseScope::Process, LeaseEnd::ByTime).without_list();
    Subject::new(open(), clock)
        .reopening(move || std::future::ready(open()))
        .expecting(promised)
}
