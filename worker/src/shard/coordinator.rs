//! The coordinator of a site: its first shard. It reads the other shards, evaluates the site and sends what others are
//! to receive; each of these has a file of its own.

use alerting::schedule::Evaluation;
use ledger::{HourlyLimitCounts, QueryResult, SeriesQuery, TurnKind};
use traffic::TrafficWindows;
use worker::{Error, Result};

use super::object::Shard;
use crate::budgets;
use crate::config::Config;
use crate::response::HandlerError;
use crate::shard_client::call_and_merge;
use crate::shard_protocol::{
    CoordinatorCall, CoordinatorRequest, Merge, ReadLimitCounts, RunQuery, ShardCall, ShardReply,
    TrafficQuery,
};

impl Shard {
    /// Replies to a request that concerns the whole site.
    pub(super) async fn handle_coordinator_request(
        &self,
        site: String,
        request: CoordinatorRequest,
    ) -> Result<Vec<u8>> {
        // The log of the deployment's calls has no counts, alerts or push.
        if site != auth::ALL_SITES {
            self.store_fact("site", &site)?;
        }
        let reply = match request {
            CoordinatorRequest::ReadStatus(call) => {
                call.reply(self.coordinator_status(&site, call.last_beacon_at).await?)
            }
            CoordinatorRequest::ReadPushStatus(call) => call.reply(self.push_backends(&site)?),
            CoordinatorRequest::PushRetryRequest(call) => call.reply(self.retry_dead_letters(&site, &call)?),
            CoordinatorRequest::ReadLabResults(call) => call.reply(self.lab_results()?),
            CoordinatorRequest::StoreLabResults(call) => call.reply(self.store_lab_results(&call.0)?),
            CoordinatorRequest::ReadTotals(call) => call.reply(self.totals(&site).await?),
            CoordinatorRequest::HistoryQuery(call) => call.reply(self.read_history(&call)?),
            CoordinatorRequest::ReadAlerts(call) => call.reply(self.alerts_document(&site)?),
            CoordinatorRequest::AcknowledgeRequest(call) => {
                call.reply(self.acknowledge(&site, call.clone())?)
            }
            CoordinatorRequest::Silence(call) => call.reply(self.silence(&site, call.clone())?),
            CoordinatorRequest::UnsilenceRequest(call) => call.reply(self.unsilence(&site, call.number)?),
            CoordinatorRequest::RecordAudit(call) => call.reply(self.record_audit(&call.0)?),
            CoordinatorRequest::ReadAudit(call) => call.reply(self.read_audit(&call)?),
            CoordinatorRequest::ReadRegistry(call) => call.reply(self.read_registry()?),
            CoordinatorRequest::ChangeRegistry(call) => {
                return Ok(ShardReply::encode(self.change_registry(call.change)?)?);
            }
        };
        Ok(reply?)
    }

    /// Does the work of the cron. A failure of one part does not stop the others.
    pub(super) async fn run_cron(&self, site: &str) -> Result<()> {
        self.store_fact("site", &site)?;
        self.run_outbound(site).await;
        if let Err(error) = self.push_corrections(site).await {
            worker::console_error!("corrections of {site} not enqueued, the next run does it: {error}");
        }
        if let Err(error) = self.totals(site).await {
            worker::console_error!("totals of {site} not updated, the next run does it: {error}");
        }
        if let Err(error) = self.evaluate(site, Evaluation::Everything).await {
            worker::console_error!("evaluation of {site} failed: {error}");
        }
        Ok(())
    }

    /// Sends what is due, by the alarm.
    pub(super) async fn run_outbound(&self, site: &str) {
        if let Err(error) = self.run_push(site).await {
            worker::console_error!("push of {site} failed, the next alarm resumes it: {error}");
        }
        if let Err(error) = self.dispatch_alerts(site) {
            worker::console_error!("alerts of {site} not sent, the next alarm resumes it: {error}");
        }
    }

    /// Reads series from all shards.
    pub(super) async fn query_site(
        &self,
        site: &str,
        config: &Config,
        query: &SeriesQuery,
    ) -> Result<QueryResult> {
        let request = RunQuery { query: query.clone(), with_latest_budgets: false };
        let own = self.run_query(TurnKind::Maintenance, query, budgets::MAX_AGE_MS).await?;
        self.merge_with_others(site, config, request, own).await
    }

    /// Reads the views of the last days against their limits from all shards.
    pub(super) async fn site_limit_counts(&self, site: &str, config: &Config) -> Result<HourlyLimitCounts> {
        let own = self.read_limit_counts(TurnKind::Maintenance).await?;
        self.merge_with_others(site, config, ReadLimitCounts, own).await
    }

    /// Reads the statistics of responses from all shards.
    pub(super) async fn site_traffic(
        &self,
        site: &str,
        config: &Config,
        query: TrafficQuery,
    ) -> Result<TrafficWindows> {
        let own = self.read_traffic(TurnKind::Maintenance, &query).await?;
        self.merge_with_others(site, config, query, own).await
    }

    async fn merge_with_others<C: ShardCall<Reply: Merge> + Clone>(
        &self,
        site: &str,
        config: &Config,
        request: C,
        own: C::Reply,
    ) -> Result<C::Reply> {
        let others = config.shards_of(site).indices().skip(1);
        call_and_merge(&self.env, site, others, request, own).await.map_err(|failure| match failure {
            HandlerError::Internal(error) => error,
            HandlerError::Rejected(refusal) => Error::RustError(format!("shards of {site}: {refusal}")),
        })
    }
}
