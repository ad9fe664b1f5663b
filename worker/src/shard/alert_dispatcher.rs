//! The stored alerts of a site, and the delivery of their notifications. `alerting` decides what is raised,
//! `alerting::channel` who has received what.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use alerting::channel::{ChannelConfig, ChannelResponse, NotificationDeliveries};
use alerting::notification::Notification;
use alerting::{AlertEffect, AlertInput, Alerts};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Result, SqlStorage, Storage};

use super::alarm::AlarmScheduler;
use super::incident_store::record_incident;
use crate::clock::now;
use crate::config::Config;
use crate::outbound;
use crate::sql::{load_fact, store_fact};

/// The stored alerts of a site, and the notifications on their way.
#[derive(Debug)]
pub(super) struct AlertDispatcher {
    storage: Storage,
    env: Env,
    alarm: Rc<AlarmScheduler>,
    /// Notifications on their way, each with its channel.
    in_flight: RefCell<BTreeSet<(u64, String)>>,
}

impl AlertDispatcher {
    pub(super) fn new(storage: Storage, env: Env, alarm: Rc<AlarmScheduler>) -> Self {
        Self { storage, env, alarm, in_flight: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    pub(super) fn load_alerts(&self, site: &str) -> Result<Alerts> {
        let Some(text) = load_fact::<String>(&self.sql(), "alerts")? else {
            return Ok(Alerts::new(site.to_owned()));
        };
        let later =
            "stored alerts have an unsupported version; deploy the version that wrote them, or a later one";
        Alerts::from_json(&text).ok_or_else(|| Error::RustError(later.into()))
    }

    pub(super) fn load_deliveries(&self) -> Result<NotificationDeliveries> {
        Ok(load_fact(&self.sql(), "deliveries")?.unwrap_or_default())
    }

    /// Handles an input: stores the new state first, then sends.
    pub(super) fn handle(self: &Rc<Self>, site: &str, config: &Config, input: AlertInput) -> Result<()> {
        let before = self.load_alerts(site)?;
        let mut alerts = before.clone();
        let effects = alerts.handle(input, now());
        // A quiet minute writes nothing.
        if alerts != before {
            store_fact(&self.sql(), "alerts", &alerts.to_json()?)?;
        }
        for effect in effects {
            match effect {
                AlertEffect::Notify(notice) => self.notify(site, config, notice)?,
                AlertEffect::WakeAt(at) => self.alarm.wake_by(at, "alerts"),
                AlertEffect::RecordIncident(record) => record_incident(&self.sql(), &record)?,
            }
        }
        Ok(())
    }

    /// Sends to each channel on its own, so that a slow one delays no other.
    fn notify(self: &Rc<Self>, site: &str, config: &Config, notice: Notification) -> Result<()> {
        let number = notice.number;
        let notice = Rc::new(notice);
        if config.channels.is_empty() {
            return self.record_delivery(site, number, None);
        }
        for channel in self.load_deliveries()?.pending_channels(number, &config.channels).into_iter().cloned()
        {
            if !self.in_flight.borrow_mut().insert((number, channel.name.clone())) {
                continue;
            }
            let (dispatcher, site, notice) = (Rc::clone(self), site.to_owned(), Rc::clone(&notice));
            let dashboard = config.dashboard_url.clone();
            spawn_local(async move {
                let response = post_notification(&channel, &notice, &dashboard).await;
                dispatcher.in_flight.borrow_mut().remove(&(number, channel.name.clone()));
                if let Err(error) = dispatcher.record_delivery(&site, number, Some((&channel.name, response)))
                {
                    worker::console_error!(
                        "delivery of notification {number} not stored, it is sent again: {error}"
                    );
                }
            });
        }
        Ok(())
    }

    fn record_delivery(
        self: &Rc<Self>,
        site: &str,
        notice: u64,
        response: Option<(&str, ChannelResponse)>,
    ) -> Result<()> {
        let config = Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let mut deliveries = self.load_deliveries()?;
        if let Some((channel, response)) = response {
            deliveries.record_response(notice, channel, response);
        }
        let is_complete = deliveries.is_complete(notice, &config.channels);
        let by = deliveries.accepted_by(notice);
        if is_complete {
            deliveries.remove(notice);
        }
        store_fact(&self.sql(), "deliveries", &deliveries)?;
        if is_complete {
            self.handle(site, &config, AlertInput::Delivered { notification: notice, channels: by })
        } else {
            Ok(())
        }
    }
}

/// Posts a notification to one channel, and returns the first response that is not a success, or the last one.
async fn post_notification(
    channel: &ChannelConfig,
    notice: &Notification,
    dashboard: &str,
) -> ChannelResponse {
    let key = format!("{}.notice.{}", notice.site, notice.number);
    let bearer = channel.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut fields = vec![("content-type", "application/json"), ("idempotency-key", key.as_str())];
    fields.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
    let mut last = ChannelResponse::Status(204);
    for body in notice.payloads(&channel.channel, dashboard) {
        last = match outbound::post(&channel.url, &fields, body.to_string().into(), NOTICE_TIMEOUT_MS).await {
            Ok(response) => ChannelResponse::Status(response.status),
            Err(_) => ChannelResponse::NoResponse,
        };
        if !matches!(last, ChannelResponse::Status(200..=299)) {
            break;
        }
    }
    last
}

const NOTICE_TIMEOUT_MS: u32 = 10_000;
