//! What the engine asks of a sealed store besides keeping records: a data key that
//! stays usable while a refresh token is spent, and seals for what goes beside the
//! store.

use std::sync::Arc;

use async_trait::async_trait;
use auth_core::key::Key;
use auth_core::sealer::{DataKey, SealError, Sealer};
use auth_core::secret::SecretBytes;

use crate::data_keys::Pin;
use crate::envelope::{self, Bound, Envelope};
use crate::error::Trouble;
use crate::store::KmsStore;

/// While it is held, records of its profile can be sealed: however old the data key is
/// by then, and whether or not the key service answers.
#[async_trait]
impl Sealer for KmsStore {
    fn name(&self) -> &str {
        &self.shared.name
    }

    async fn data_key(&self, key: &Key) -> Result<Arc<dyn DataKey>, SealError> {
        let pin = self.shared.keys.pin(key).await;
        let what = format!("there is no data key for {key}");
        let pin = pin.map_err(|error| Trouble::key(error, self.writing_key(), &what).of_seal())?;
        Ok(pin)
    }

    async fn open(&self, key: &Key, name: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        let what = || format!("what was put aside for {key}");
        let failed = |trouble: Trouble| trouble.of_seal();
        let envelope = Envelope::parse(sealed).map_err(|damage| failed(Trouble::damage(damage, &what())))?;
        let data_key = self.shared.keys.for_opening(key, &envelope).await;
        let data_key = data_key.map_err(|locked| failed(Trouble::locked(locked, &envelope.key, &what())))?;
        let opened = envelope.open(&data_key, &self.shared.namespace, &Bound::Spill(name));
        opened.map_err(|damage| failed(Trouble::damage(damage, &what())))
    }
}

impl DataKey for Pin {
    fn seal(&self, name: &str, plain: &SecretBytes) -> Result<Vec<u8>, SealError> {
        envelope::seal(&self.0.key, &Bound::Spill(name), plain.expose())
            .map_err(|_| Trouble::out_of_order("it can't be sealed").of_seal())
    }
}
