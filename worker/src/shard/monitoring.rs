//! The switch that stops the counting of beacons. It is stored, so that it outlives the object.

use worker::Result;

use super::object::Shard;
use crate::clock::now;

impl Shard {
    /// Starts or stops counting.
    pub(super) fn set_monitoring(&self, is_on: bool) -> Result<()> {
        if is_on == self.is_monitored() {
            return Ok(());
        }
        self.store_fact("monitoring", &is_on)?;
        self.monitored.set(Some(is_on));
        // Views of the pause are not missing.
        if is_on { self.update_last_beacon_at(Some(now())).map(drop) } else { Ok(()) }
    }

    /// Returns false while beacons are discarded.
    pub(super) fn is_monitored(&self) -> bool {
        if let Some(known) = self.monitored.get() {
            return known;
        }
        // A failed read must not lose beacons.
        let is_on = self.load_fact("monitoring").ok().flatten().unwrap_or(true);
        self.monitored.set(Some(is_on));
        is_on
    }
}
