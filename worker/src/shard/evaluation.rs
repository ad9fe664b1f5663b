//! The evaluation of a site by its coordinator: its requests each minute while something arrives or an address is probed,
//! its budgets, baselines and status less often. `alerting::schedule` says when.

use alerting::inputs;
use alerting::schedule::{BUSY_MS, Evaluation};
use alerting::{AlertInput, AlertObservation, SignalReading};
use report::hourly_range::last_hour_query;
use report::origin_evidence::{latest_requests, needs_check, with_check};
use traffic::{OriginStats, TrafficWindows, origin_name};
use wire::{UnixMillis, WindowSpan};
use worker::Result;

use super::health::memory_usage;
use super::object::Shard;
use crate::budgets;
use crate::clock::now;
use crate::config::Config;
use crate::shard_protocol::TrafficQuery;

impl Shard {
    /// Asks for an evaluation, because something arrived.
    pub(super) fn note_arrival(&self) {
        let mut schedule = self.evaluations.get();
        if let Some(at) = schedule.note_arrival(now()) {
            self.alarm.wake_by(at, "evaluation");
        }
        self.evaluations.set(schedule);
    }

    /// Notes that this object does not speak for its site.
    pub(super) fn leave_evaluations_to_coordinator(&self) {
        let mut schedule = self.evaluations.get();
        schedule.stand_aside();
        self.evaluations.set(schedule);
    }

    /// Does the evaluation that is due at an alarm, and sets the alarm of the next one.
    pub(super) async fn run_due_evaluation(&self, site: &str) {
        let due = self.evaluations.get().due(now());
        if let Some(evaluation) = due
            && let Err(error) = self.evaluate(site, evaluation).await
        {
            worker::console_error!("evaluation of {site} failed: {error}");
        }
        if let Some(at) = self.evaluations.get().next() {
            self.alarm.wake_by(at, "evaluation");
        }
    }

    /// Evaluates the site, and records its status with all signals.
    pub(super) async fn evaluate(&self, site: &str, evaluation: Evaluation) -> Result<()> {
        let config = self.config()?;
        let is_checked = config.origin_health_url(site).is_some();
        let outcome = self.observe(site, &config, evaluation).await;
        let is_busy = match &outcome {
            Ok((_, last)) => is_checked || last.is_some_and(|last| now().0.saturating_sub(last.0) < BUSY_MS),
            // A shard that did not answer may do so in a minute.
            Err(_) => true,
        };
        let mut schedule = self.evaluations.get();
        let next = schedule.finish(evaluation, is_busy, now());
        self.evaluations.set(schedule);
        if let Some(at) = next {
            self.alarm.wake_by(at, "evaluation");
        }
        let handled = outcome.and_then(|(observations, _)| {
            self.alert_dispatcher.handle(site, &config, AlertInput::Observations(observations))
        });
        if evaluation == Evaluation::Everything
            && let Err(error) = self.record_status(site).await
        {
            worker::console_error!("status of {site} not stored, its history has a gap: {error}");
        }
        handled
    }

    /// Returns the observations, and the time of the last arrival.
    async fn observe(
        &self,
        site: &str,
        config: &Config,
        evaluation: Evaluation,
    ) -> Result<(Vec<AlertObservation>, Option<UnixMillis>)> {
        let [span_of_all, span_of_requests] = inputs::TRAFFIC_SPANS_MS;
        let span_ms = match evaluation {
            Evaluation::Everything => span_of_all,
            Evaluation::Requests => span_of_requests,
        };
        let (from, to) = (now().saturating_sub(span_ms), now().saturating_add(1));
        let minutes =
            self.site_traffic(site, config, TrafficQuery { span: WindowSpan::Minute, from, to }).await?;
        let mut all = inputs::traffic_observations(&minutes, now());
        all.extend(self.origin_observations(site, config, &minutes).await);
        let memory = self.memory_trend.borrow_mut().record(memory_usage().percent, now());
        all.push(AlertObservation::for_site(memory));
        for backend in self.push_backends(site)? {
            let (series, reading) = (Some(backend.name), SignalReading::Backlog(backend.waiting));
            all.push(AlertObservation { route: None, device: None, series, reading });
        }
        let mut last = minutes.0.keys().next_back().map(|window| window.start);
        if evaluation == Evaluation::Everything {
            all.extend(self.observe_visits(site, config, &minutes).await?);
            last = last.max(self.update_last_beacon_at(None)?);
        }
        Ok((all, last))
    }

    /// Returns the observations of origins. Where visitors are few, a check of the configured address tells more.
    async fn origin_observations(
        &self,
        site: &str,
        config: &Config,
        minutes: &TrafficWindows,
    ) -> Vec<AlertObservation> {
        let requests = latest_requests(minutes, now());
        let check = match config.origin_health_url(site) {
            Some(url) if needs_check(requests.get(origin_name(url)).unwrap_or(&OriginStats::default())) => {
                self.origin_probe.probe(url).await
            }
            _ => None,
        };
        inputs::origin_observations(&with_check(requests, check.as_ref()))
    }

    /// Returns the observations of budgets, baselines and missing beacons.
    async fn observe_visits(
        &self,
        site: &str,
        config: &Config,
        minutes: &TrafficWindows,
    ) -> Result<Vec<AlertObservation>> {
        let counts = self.site_limit_counts(site, config).await?;
        let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
        let watches = self.evaluate_watches(&counts, &budgets)?;
        self.write_hours(site, config).await?;
        let groups = self.query_site(site, config, &last_hour_query(now())).await?;
        let heard_at = self.update_last_beacon_at(groups.last_beacon_at)?.filter(|_| self.is_monitored());
        let hours = self.hourly_series()?;
        let mut all = alerting::budget_observations::budget_observations(&budgets, &counts, &watches, now());
        if let Some((heard_at, views)) = heard_at.zip(hours.get(inputs::VIEWS_SERIES)) {
            all.push(AlertObservation::for_site(SignalReading::MissingBeacons(
                views.expected_views(heard_at, now()),
            )));
        }
        all.extend(inputs::uptime_observation(&self.uptime()?));
        all.extend(inputs::anomalies(&hours, &groups, minutes, now()));
        Ok(all)
    }

    /// Stores the status of the site in its history.
    async fn record_status(&self, site: &str) -> Result<()> {
        let (health, score) = self.evaluate_health(site, &*self.config()?).await?;
        self.store_status(health, score)
    }
}
