//! The alerts of a site, by its coordinator.

use alerting::alert_document::{AcknowledgeRequest, AlertReport};
use alerting::{AlertInput, Alerts, Silence};
use report::operations::AlertCounts;
use report::signals::AlertLevel;
use serde_json::Value;
use worker::Result;

use super::object::Shard;
use crate::clock::now;

impl Shard {
    /// Sends notifications that are due, or that a channel has not accepted.
    pub(super) fn dispatch_alerts(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        self.alert_dispatcher.handle(site, &config, AlertInput::AlarmFired)
    }

    /// Builds the document of `GET /api/alerts`.
    pub(super) fn alerts_document(&self, site: &str) -> Result<Value> {
        let (alerts, deliveries, config) = (
            self.alert_dispatcher.load_alerts(site)?,
            self.alert_dispatcher.load_deliveries()?,
            self.config()?,
        );
        let report = AlertReport::new(site, &alerts, &deliveries, &config.channels, now());
        Ok(serde_json::to_value(report)?)
    }

    /// Returns the numbers of raised alerts and of undelivered notifications.
    pub(super) fn alert_counts(&self, site: &str) -> Result<(AlertCounts, u64)> {
        let alerts = self.alert_dispatcher.load_alerts(site)?;
        let raised = alerts.raised(now());
        let critical = raised.iter().filter(|shown| shown.level == AlertLevel::Critical).count() as u64;
        Ok((AlertCounts { raised: raised.len() as u64, critical }, alerts.pending_count() as u64))
    }

    /// Acknowledges an alert; false if it is not raised.
    pub(super) fn acknowledge(&self, site: &str, request: AcknowledgeRequest) -> Result<bool> {
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

    /// Adds a silence and returns its number; `None` if there are too many.
    pub(super) fn silence(&self, site: &str, silence: Silence) -> Result<Option<u64>> {
        let last = |alerts: &Alerts| alerts.silences().keys().next_back().copied();
        let before = last(&self.alert_dispatcher.load_alerts(site)?);
        self.alert_dispatcher.handle(site, &*self.config()?, AlertInput::Silence(silence))?;
        Ok(last(&self.alert_dispatcher.load_alerts(site)?).filter(|number| Some(*number) != before))
    }

    /// Ends a silence; false if there is none of that number.
    pub(super) fn unsilence(&self, site: &str, number: u64) -> Result<bool> {
        let is_known = self.alert_dispatcher.load_alerts(site)?.silences().contains_key(&number);
        self.alert_dispatcher.handle(site, &*self.config()?, AlertInput::Unsilence(number))?;
        Ok(is_known)
    }
}
