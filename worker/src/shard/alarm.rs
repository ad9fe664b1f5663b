//! The one alarm of an object, shared by everything that is scheduled: it fires at the earliest requested time, and
//! whatever is not due then schedules itself again.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use wire::UnixMillis;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Result, Storage};

use crate::clock::now;

/// The alarm, as last set by this object.
#[derive(Debug)]
pub(super) struct AlarmScheduler {
    storage: Storage,
    scheduled_at: Cell<Option<UnixMillis>>,
}

impl AlarmScheduler {
    pub(super) const fn new(storage: Storage) -> Self {
        Self { storage, scheduled_at: Cell::new(None) }
    }

    /// Schedules the alarm for that time at the latest.
    pub(super) async fn schedule_by(&self, time: UnixMillis) -> Result<()> {
        if self.scheduled_at.get().is_some_and(|known| known <= time) {
            return Ok(());
        }
        let known = self.scheduled_at.replace(Some(time));
        let delay = time.0.saturating_sub(now().0).max(1);
        self.storage
            .set_alarm(Duration::from_millis(delay))
            .await
            .inspect_err(|_| self.scheduled_at.set(known))
    }

    /// Schedules the alarm without waiting for it. If that fails, the cron resumes the work.
    pub(super) fn wake_by(self: &Rc<Self>, time: UnixMillis, purpose: &'static str) {
        let alarm = Rc::clone(self);
        spawn_local(async move {
            if let Err(error) = alarm.schedule_by(time).await {
                worker::console_error!("alarm for {purpose} not set, the cron resumes it: {error}");
            }
        });
    }

    /// Notes that the alarm has fired and none is set.
    pub(super) fn mark_fired(&self) {
        self.scheduled_at.set(None);
    }
}
