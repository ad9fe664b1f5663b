//! Alerts, wired: at each look of the cron the first shard of a site reads what there is to read, and posts
//! the notices that follow to every channel. When somebody is called is `alerting`'s to decide, which
//! channel has heard what `alerting::channel`'s.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use alerting::alert_document::{
    AcknowledgeRequest, AcknowledgeResponse, AlertReport, ChannelStatus, NumberedSilence, SilenceRequest,
    SilenceResponse, UnsilenceRequest, UnsilenceResponse, VERSION,
};
use alerting::channel::{ChannelConfig, ChannelResponse, NotificationDeliveries};
use alerting::inputs;
use alerting::notification::Notification;
use alerting::{AlertEffect, AlertInput, AlertObservation, Alerts, SignalReading, Silence};
use budget::Budgets;
use ledger::HourlyLimitCounts;
use report::operations::AlertCounts;
use report::signals::AlertLevel;
use serde_json::Value;
use traffic::TrafficStats;
use wire::{ApiError, UnixMillis, WindowSpan};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Request, Result, SqlStorage, Storage};

use crate::alarm::AlarmScheduler;
use crate::budget_watch::{self, WatchKey, WatchOutcome};
use crate::config::Config;
use crate::response::{self, HandlerResult};
use crate::shard::{self, Shard, now};
use crate::{auth, budget_report, health, history, outbound};

/// The alerts of a site, as its first shard keeps them.
#[derive(Debug)]
pub(crate) struct AlertDispatcher {
    storage: Storage,
    env: Env,
    alarm: Rc<AlarmScheduler>,
    /// Notices that are on their way right now, and to whom.
    in_flight: RefCell<BTreeSet<(u64, String)>>,
}

impl AlertDispatcher {
    pub(crate) fn new(storage: Storage, env: Env, alarm: Rc<AlarmScheduler>) -> Self {
        Self { storage, env, alarm, in_flight: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    fn load_alerts(&self, site: &str) -> Result<Alerts> {
        let Some(text) = shard::load_fact::<String>(&self.sql(), "alerts")? else {
            return Ok(Alerts::new(site.to_owned()));
        };
        let later = "the alerts are of a later version; deploy a Worker that knows it";
        Alerts::from_json(&text).ok_or_else(|| Error::RustError(later.into()))
    }

    fn load_deliveries(&self) -> Result<NotificationDeliveries> {
        Ok(shard::load_fact(&self.sql(), "deliveries")?.unwrap_or_default())
    }

    /// Takes what happened: stores it first, and posts then.
    fn handle(self: &Rc<Self>, site: &str, config: &Config, input: AlertInput) -> Result<()> {
        let mut alerts = self.load_alerts(site)?;
        let effects = alerts.handle(input, now());
        shard::store_fact(&self.sql(), "alerts", &alerts.to_json()?)?;
        for effect in effects {
            match effect {
                AlertEffect::Notify(notice) => self.notify(site, config, notice)?,
                AlertEffect::WakeAt(at) => self.schedule_wake(at),
                AlertEffect::RecordIncident(record) => history::record_incident(&self.sql(), &record)?,
            }
        }
        Ok(())
    }

    fn schedule_wake(&self, at: UnixMillis) {
        let alarm = Rc::clone(&self.alarm);
        spawn_local(async move {
            if let Err(error) = alarm.schedule_by(at).await {
                worker::console_error!(
                    "the alarm of the notices could not be set; the cron goes on: {error}"
                );
            }
        });
    }

    /// To each channel by itself, so that one that is slow keeps no other from hearing.
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
            let (calls, site, notice) = (Rc::clone(self), site.to_owned(), Rc::clone(&notice));
            let dashboard = config.dashboard_url.clone();
            spawn_local(async move {
                let answer = post_notice(&channel, &notice, &dashboard).await;
                calls.in_flight.borrow_mut().remove(&(number, channel.name.clone()));
                if let Err(error) = calls.record_delivery(&site, number, Some((&channel.name, answer))) {
                    worker::console_error!("who was told notice {number} could not be stored: {error}");
                }
            });
        }
        Ok(())
    }

    fn record_delivery(
        self: &Rc<Self>,
        site: &str,
        notice: u64,
        answer: Option<(&str, ChannelResponse)>,
    ) -> Result<()> {
        let config = Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let mut deliveries = self.load_deliveries()?;
        if let Some((channel, answer)) = answer {
            deliveries.record_response(notice, channel, answer);
        }
        let is_told = deliveries.is_complete(notice, &config.channels);
        let by = deliveries.accepted_by(notice);
        if is_told {
            deliveries.remove(notice);
        }
        shard::store_fact(&self.sql(), "deliveries", &deliveries)?;
        if is_told {
            self.handle(site, &config, AlertInput::Delivered { notification: notice, channels: by })
        } else {
            Ok(())
        }
    }
}

/// Posts a notice to one channel. The answer is the first that is not a receipt.
async fn post_notice(channel: &ChannelConfig, notice: &Notification, dashboard: &str) -> ChannelResponse {
    let key = format!("{}.notice.{}", notice.site, notice.number);
    let bearer = channel.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut fields = vec![("content-type", "application/json"), ("idempotency-key", key.as_str())];
    fields.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
    let mut last = ChannelResponse::Status(204);
    for body in notice.payloads(&channel.channel, dashboard) {
        last = match outbound::post(&channel.url, &fields, body.to_string().into(), NOTICE_TIMEOUT_MS).await {
            Ok(answered) => ChannelResponse::Status(answered.status),
            Err(_) => ChannelResponse::NoResponse,
        };
        if !matches!(last, ChannelResponse::Status(200..=299)) {
            break;
        }
    }
    last
}

impl Shard {
    /// Reads what there is to read, and lets the alerts know.
    pub(crate) fn evaluate_alerts(
        &self,
        site: &str,
        config: &Config,
        budgets: &Budgets,
        counts: &HourlyLimitCounts,
        watches: &[WatchOutcome],
        traffic: &TrafficStats,
    ) -> Result<()> {
        let mut all = budget_observations(budgets, counts, watches);
        all.extend(inputs::traffic_observations(traffic));
        all.push(AlertObservation::for_site(SignalReading::Memory(health::memory_usage().percent)));
        let hours = self.hourly_series()?;
        let heard_at = self.update_last_beacon_at(None)?.filter(|_| self.is_monitored());
        if let Some((heard_at, (views, _))) = heard_at.zip(hours.get(inputs::VIEWS_SERIES)) {
            all.push(AlertObservation::for_site(SignalReading::MissingBeacons(
                views.expected_views(heard_at, now()),
            )));
        }
        for backend in self.push_backends(site)? {
            let reading = SignalReading::Backlog(backend.waiting);
            let series = Some(backend.name);
            all.push(AlertObservation { route: None, device: None, series, reading });
        }
        all.extend(inputs::anomalies(&hours, now()));
        self.alert_dispatcher.handle(site, config, AlertInput::Observations(all))
    }

    /// Says again what no channel has taken, and what has waited.
    pub(crate) fn dispatch_alerts(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        self.alert_dispatcher.handle(site, &config, AlertInput::AlarmFired)
    }

    /// What is raised, and what is muted.
    pub(crate) fn alerts_document(&self, site: &str) -> Result<Value> {
        let (alerts, deliveries, config) = (
            self.alert_dispatcher.load_alerts(site)?,
            self.alert_dispatcher.load_deliveries()?,
            self.config()?,
        );
        let numbered = |(number, silence): (&u64, &Silence)| NumberedSilence {
            number: *number,
            silence: silence.clone(),
        };
        let channel = |channel: &ChannelConfig| ChannelStatus {
            name: channel.name.clone(),
            waiting: deliveries.pending_count(&channel.name),
            error: deliveries.errors.get(&channel.name).cloned(),
        };
        Ok(serde_json::to_value(AlertReport {
            v: VERSION,
            site: site.to_owned(),
            at: now(),
            raised: alerts.raised(now()),
            silences: alerts.silences().iter().map(numbered).collect(),
            channels: config.channels.iter().map(channel).collect(),
            overflow: alerts.overflow,
        })?)
    }

    /// How many are raised; and how many notices wait.
    pub(crate) fn alert_counts(&self, site: &str) -> Result<(AlertCounts, u64)> {
        let alerts = self.alert_dispatcher.load_alerts(site)?;
        let raised = alerts.raised(now());
        let critical = raised.iter().filter(|shown| shown.level == AlertLevel::Critical).count() as u64;
        Ok((AlertCounts { raised: raised.len() as u64, critical }, alerts.pending_count() as u64))
    }

    /// Somebody looks after an alert. Whether there is such a one.
    pub(crate) fn acknowledge(&self, site: &str, request: AcknowledgeRequest) -> Result<bool> {
        let is_raised = self
            .alert_dispatcher
            .load_alerts(site)?
            .raised(now())
            .iter()
            .any(|shown| shown.key == request.key);
        let AcknowledgeRequest { key, by } = request;
        self.alert_dispatcher.handle(site, &*self.config()?, AlertInput::Acknowledge { key, by })?;
        Ok(is_raised)
    }

    /// Somebody wants not to hear of something. Its number; none where as many as may are silenced.
    pub(crate) fn silence(&self, site: &str, silence: Silence) -> Result<Option<u64>> {
        let last = |alerts: &Alerts| alerts.silences().keys().next_back().copied();
        let before = last(&self.alert_dispatcher.load_alerts(site)?);
        self.alert_dispatcher.handle(site, &*self.config()?, AlertInput::Silence(silence))?;
        Ok(last(&self.alert_dispatcher.load_alerts(site)?).filter(|number| Some(*number) != before))
    }

    /// Somebody wants to hear of it again.
    pub(crate) fn unsilence(&self, site: &str, number: u64) -> Result<bool> {
        let is_known = self.alert_dispatcher.load_alerts(site)?.silences().contains_key(&number);
        self.alert_dispatcher.handle(site, &*self.config()?, AlertInput::Unsilence(number))?;
        Ok(is_known)
    }
}

/// The three readings of each budget on each route.
fn budget_observations(
    budgets: &Budgets,
    counts: &HourlyLimitCounts,
    watches: &[WatchOutcome],
) -> Vec<AlertObservation> {
    let now = now();
    let seen: BTreeMap<&WatchKey, &WatchOutcome> = watches.iter().map(|seen| (&seen.key, seen)).collect();
    let day = now.saturating_sub(WindowSpan::Day.millis());
    let inputs = budget_watch::watch_inputs(budgets, counts);
    let of_cell = |(name, met): (&WatchKey, &budget_watch::WatchInput<'_>)| {
        let evidence = seen.get(name)?.evidence;
        let watched = inputs::BudgetAlertInput {
            route: name.route.clone()?,
            device: name.device,
            metric: met.rule.metric,
            limit: met.rule.limit,
            verdict_tally: budget::BudgetTally::from(met.history.since(day)),
            since_release: evidence,
            windows: budget_report::burn_windows(&met.history, now),
        };
        Some(watched.observations())
    };
    inputs.iter().filter_map(of_cell).flatten().collect()
}

/// `GET /api/alerts`: what is raised, and what is muted.
pub(crate) async fn list(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::can_read(request, env)?, auth::READ_TOKEN)?;
    let shown: Value = shard::call_coordinator(env, &site, "alerts", &()).await?;
    Ok(response::json(shown.to_string())?)
}

/// `POST /api/alerts/ack`: somebody looks after an alert.
pub(crate) async fn acknowledge(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked = auth::json_body::<AcknowledgeRequest>(request).await?.validate()?;
    let acknowledged: bool = shard::call_coordinator(env, &site, "ack", &asked).await?;
    response::document(&AcknowledgeResponse { v: VERSION, site, acknowledged })
}

/// `POST /api/alerts/silence`: something is not to be told for a while.
pub(crate) async fn silence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: SilenceRequest = auth::json_body(request).await?;
    let number: Option<u64> =
        shard::call_coordinator(env, &site, "silence", &asked.into_silence(now())?).await?;
    let want = "asked for when fewer than 200 are silenced; take one back";
    let number = number.ok_or(ApiError::OutOfRange { field: "silence", expected: want })?;
    response::document(&SilenceResponse { v: VERSION, site, number })
}

/// `POST /api/alerts/unsilence`: it is to be told again.
pub(crate) async fn unsilence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: UnsilenceRequest = auth::json_body(request).await?;
    let was_silenced: bool = shard::call_coordinator(env, &site, "unsilence", &asked.number).await?;
    response::document(&UnsilenceResponse { v: VERSION, site, was_silenced })
}

const NOTICE_TIMEOUT_MS: u32 = 10_000;
