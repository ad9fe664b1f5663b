//! The registry of sites and tokens, which the object of the whole deployment holds.

use sites::{Registry, RegistryChange, RegistryError, RegistryOutcome};
use worker::Result;

use super::object::Shard;

impl Shard {
    pub(super) fn read_registry(&self) -> Result<Registry> {
        Ok(self.load_fact(REGISTRY_FACT)?.unwrap_or_default())
    }

    /// Makes a change. A refused one is no failure of the object.
    pub(super) fn change_registry(
        &self,
        change: RegistryChange,
    ) -> Result<core::result::Result<RegistryOutcome, RegistryError>> {
        let mut registry = self.read_registry()?;
        let outcome = registry.apply(change);
        if outcome.is_ok() {
            self.store_fact(REGISTRY_FACT, &registry)?;
        }
        Ok(outcome)
    }
}

const REGISTRY_FACT: &str = "registry";
