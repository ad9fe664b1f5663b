//! The one alarm that an object has, shared by all that want to be woken: it goes off at the earliest
//! moment that anybody asked for, and whoever is woken asks again.

use std::cell::Cell;
use std::time::Duration;

use wire::UnixMillis;
use worker::{Date, Result, Storage};

/// The alarm, as far as this object knows it.
#[derive(Debug)]
pub(crate) struct Alarm {
    storage: Storage,
    at: Cell<Option<UnixMillis>>,
}

impl Alarm {
    pub(crate) const fn new(storage: Storage) -> Self {
        Self { storage, at: Cell::new(None) }
    }

    /// Sees to it that it goes off at that moment at the latest.
    pub(crate) async fn by(&self, moment: UnixMillis) -> Result<()> {
        if self.at.get().is_some_and(|known| known <= moment) {
            return Ok(());
        }
        let known = self.at.replace(Some(moment));
        let delay = moment.0.saturating_sub(Date::now().as_millis()).max(1);
        self.storage.set_alarm(Duration::from_millis(delay)).await.inspect_err(|_| self.at.set(known))
    }

    /// It went off: nothing is asked for any more.
    pub(crate) fn went_off(&self) {
        self.at.set(None);
    }
}
