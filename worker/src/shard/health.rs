//! The health of a site, by its coordinator.

use alerting::inputs;
use report::health::HealthStatus;
use report::health_inputs::{CoordinatorStatus, RecentTraffic, SiteCounts, last_day_query};
use report::operations::{MemoryUsage, Operations, QueueDepths};
use wire::{UnixMillis, WindowSpan};
use worker::Result;

use super::object::Shard;
use crate::budgets;
use crate::clock::now;
use crate::config::Config;
use crate::shard_protocol::TrafficQuery;

impl Shard {
    /// Evaluates the health of the site, from the same counts as its document.
    pub(super) async fn evaluate_health(&self, site: &str, config: &Config) -> Result<(HealthStatus, u8)> {
        let now = now();
        let query = last_day_query(now);
        let groups = self.query_site(site, config, &query).await?;
        let limit_counts = self.site_limit_counts(site, config).await?;
        let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
        let since = |span: WindowSpan, past: WindowSpan| {
            let (from, to) = (now.saturating_sub(past.millis()), now.saturating_add(1));
            self.site_traffic(site, config, TrafficQuery { span, from, to })
        };
        let mut traffic = RecentTraffic::of_hour(&since(WindowSpan::Minute, WindowSpan::Hour).await?, now);
        if traffic.needs_day() {
            traffic.add_day(&since(WindowSpan::Day, WindowSpan::Day).await?);
        }
        let status = self.coordinator_status(site, groups.last_beacon_at).await?;
        let counts = SiteCounts {
            query: &query,
            groups: &groups,
            limit_counts: &limit_counts,
            budgets: &budgets,
            traffic: &traffic,
            shards: None,
        };
        let report = counts.evaluate(site, Some(status), env!("CARGO_PKG_VERSION"), now);
        Ok((report.health, report.score))
    }

    /// Reads queues, backends, origin and alerts.
    pub(super) async fn coordinator_status(
        &self,
        site: &str,
        last_beacon_at: Option<UnixMillis>,
    ) -> Result<CoordinatorStatus> {
        let config = self.config()?;
        let push = self.push_backends(site)?;
        let journal = self.uncounted_count()?;
        let last_beacon_at = self.update_last_beacon_at(last_beacon_at)?;
        let hours = self.hourly_series()?;
        let is_monitored = self.is_monitored();
        let missed_views = last_beacon_at
            .filter(|_| is_monitored)
            .zip(hours.get(inputs::VIEWS_SERIES))
            .map_or(0.0, |(at, hours)| hours.expected_views(at, now()));
        let (alerts, notices) = self.alert_counts(site)?;
        let operations = Operations {
            monitoring: if is_monitored { "on" } else { "stopped" }.to_owned(),
            memory: memory_usage(),
            queues: QueueDepths {
                journal,
                push: push.iter().map(|backend| backend.waiting).sum(),
                dead_letters: push.iter().map(|backend| backend.dead_letters.len() as u64).sum(),
                notices,
            },
            push,
            origin: match config.origin_health_url(site) {
                Some(url) => self.origin_probe.probe(url).await,
                None => None,
            },
            alerts,
        };
        Ok(CoordinatorStatus { operations, last_beacon_at, missed_views, uptime: Some(self.uptime()?) })
    }
}

/// Returns the memory of this module, which never shrinks.
pub(super) fn memory_usage() -> MemoryUsage {
    #[cfg(target_arch = "wasm32")]
    let bytes = core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    let bytes = 0;
    MemoryUsage::from_bytes(bytes)
}
