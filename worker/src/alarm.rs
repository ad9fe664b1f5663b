//! The one alarm that an object has, shared by all that want to be woken: it goes off at the earliest
//! moment that anybody asked for, and whoever is woken asks again.

use std::cell::Cell;
use std::time::Duration;

use wire::UnixMillis;
use worker::{Date, Result, Storage};

/// The alarm, as far as this object knows it.
#[derive(Debug)]
pub(crate) struct AlarmScheduler {
    storage: Storage,
    scheduled_at: Cell<Option<UnixMillis>>,
}

impl AlarmScheduler {
    pub(crate) const fn new(storage: Storage) -> Self {
        Self { storage, scheduled_at: Cell::new(None) }
    }

    /// Sees to it that it goes off at that moment at the latest.
    pub(crate) async fn schedule_by(&self, moment: UnixMillis) -> Result<()> {
        if self.scheduled_at.get().is_some_and(|known| known <= moment) {
            return Ok(());
        }
        let known = self.scheduled_at.replace(Some(moment));
        let delay = moment.0.saturating_sub(Date::now().as_millis()).max(1);
        self.storage
            .set_alarm(Duration::from_millis(delay))
            .await
            .inspect_err(|_| self.scheduled_at.set(known))
    }

    /// It went off: nothing is asked for any more.
    pub(crate) fn mark_fired(&self) {
        self.scheduled_at.set(None);
    }
}
