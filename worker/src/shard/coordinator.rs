//! What the first shard of a site does for the whole site: it asks the other shards, and owes others what
//! they are to be told. Each debt has a file of its own; this says when.

use ledger::{HourlyLimitCounts, QueryResult, SeriesQuery};
use serde_json::Value;
use traffic::TrafficStats;
use wire::WindowSpan;
use worker::wasm_bindgen::JsValue;
use worker::{Env, Error, Request, Response, Result};

use super::{Shard, call_shard, now};
use crate::budgets;
use crate::config::Config;
use crate::response::HandlerError;

impl Shard {
    /// What the Worker asks of the whole site, in JSON: the site and what is to be known for it.
    pub(super) async fn handle_coordinator_call(&self, path: &str, mut request: Request) -> Result<Response> {
        let (site, body): (String, Value) = request.json().await?;
        self.store_fact("site", &site)?;
        match path {
            "standing" => {
                Response::from_json(&self.coordinator_status(&site, serde_json::from_value(body)?).await?)
            }
            "push" => Response::from_json(&self.push_backends(&site)?),
            "push-again" => {
                Response::from_json(&self.retry_dead_letters(&site, &serde_json::from_value(body)?)?)
            }
            "lab" => Response::from_json(&self.lab_results()?),
            "lab-take" => {
                let known: Vec<wire::lab::LabResult> = serde_json::from_value(body)?;
                Response::from_json(&self.store_lab_results(&known)?)
            }
            "totals" => {
                let totals = self.totals(&site).await?;
                Response::from_bytes(totals.encode().map_err(|error| Error::RustError(error.to_string()))?)
            }
            "history" => Response::from_json(&self.read_history(&serde_json::from_value(body)?)?),
            "alerts" => Response::from_json(&self.alerts_document(&site)?),
            "ack" => Response::from_json(&self.acknowledge(&site, serde_json::from_value(body)?)?),
            "silence" => Response::from_json(&self.silence(&site, serde_json::from_value(body)?)?),
            "unsilence" => Response::from_json(&self.unsilence(&site, serde_json::from_value(body)?)?),
            _ => Response::error("there is nothing here", 404),
        }
    }

    /// By the cron, each quarter of an hour. One thing that fails keeps no other from being done.
    pub(super) async fn run_cron(&self, site: &str) -> Result<()> {
        self.store_fact("site", &site)?;
        self.run_outbound(site).await;
        if let Err(error) = self.push_corrections(site).await {
            worker::console_error!("what came late for {site} is not told yet: {error}");
        }
        if let Err(error) = self.totals(site).await {
            worker::console_error!("the totals of {site} are brought up later: {error}");
        }
        if let Err(error) = self.evaluate_site(site).await {
            worker::console_error!("nobody could look at {site}: {error}");
        }
        if let Err(error) = self.record_status(site).await {
            worker::console_error!(
                "how {site} stands is not written down, and its history has a gap: {error}"
            );
        }
        Ok(())
    }

    /// What there is to see: how the budgets stand, and what each hour was.
    async fn evaluate_site(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        let counts = self.site_limit_counts(site, &config).await?;
        let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
        let watches = self.evaluate_watches(&counts, &budgets)?;
        self.write_hours(site, &config).await?;
        let mut recent_traffic = TrafficStats::default();
        let answers = self.traffic_windows(
            WindowSpan::Minute,
            now().saturating_sub(CRON_INTERVAL_MS),
            now().saturating_add(1),
        )?;
        answers.0.values().for_each(|traffic| recent_traffic.merge(traffic));
        self.evaluate_alerts(site, &config, &budgets, &counts, &watches, &recent_traffic)
    }

    /// How the site stands, for its history.
    async fn record_status(&self, site: &str) -> Result<()> {
        let (health, score) = self.evaluate_health(site, &*self.config()?).await?;
        self.store_status(health, score)
    }

    /// By each alarm.
    pub(super) async fn run_outbound(&self, site: &str) {
        if let Err(error) = self.run_push(site).await {
            worker::console_error!("the push of {site} rests until the next alarm: {error}");
        }
        if let Err(error) = self.dispatch_alerts(site) {
            worker::console_error!("the alerts of {site} rest until the next alarm: {error}");
        }
    }

    /// The answer of all shards together.
    pub(crate) async fn query_site(
        &self,
        site: &str,
        config: &Config,
        query: &SeriesQuery,
    ) -> Result<QueryResult> {
        self.fold(budgets::MAX_AGE_MS).await?;
        let mut groups = self.query_local(query)?;
        let question = serde_json::to_string(query)?;
        for shard in config.shards.indices().skip(1) {
            let bytes =
                call_other_shard(&self.env, site, shard, "read", Some(question.as_str().into())).await?;
            groups.merge(QueryResult::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?);
        }
        Ok(groups)
    }

    /// The counts of all shards together.
    pub(crate) async fn site_limit_counts(&self, site: &str, config: &Config) -> Result<HourlyLimitCounts> {
        self.fold(budgets::MAX_AGE_MS).await?;
        let mut counts = self.limit_counts()?;
        for shard in config.shards.indices().skip(1) {
            let bytes = call_other_shard(&self.env, site, shard, "counts", None).await?;
            counts.merge(
                HourlyLimitCounts::decode(&bytes).map_err(|error| Error::RustError(error.to_string()))?,
            );
        }
        Ok(counts)
    }
}

async fn call_other_shard(
    env: &Env,
    site: &str,
    shard: u32,
    path: &str,
    body: Option<JsValue>,
) -> Result<Vec<u8>> {
    call_shard(env, site, shard, path, body).await.map_err(|failure| match failure {
        HandlerError::Internal(error) => error,
        HandlerError::Rejected(refusal) => Error::RustError(format!("shard {shard}: {refusal}")),
    })
}

/// Milliseconds from one look of the cron to the next.
const CRON_INTERVAL_MS: u64 = 15 * 60_000;
