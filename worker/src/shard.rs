//! The Durable Object that holds a shard of a site. Each call loads, asks a core, stores what it returns, and
//! performs the rest. The files of this folder each hold one kind of data; [`object`] is the state they share.

mod alarm;
mod alert_dispatcher;
mod alerts;
mod archive_store;
mod audit_store;
mod cause_store;
mod cell_reads;
mod coordinator;
mod evaluation;
mod folding;
mod health;
mod history_store;
mod hourly_series;
mod incident_store;
mod journal;
mod lab_store;
mod live;
mod live_state;
mod maintenance;
mod monitoring;
mod object;
mod origin_probe;
mod pack_store;
mod push;
mod push_dispatcher;
mod registry_store;
mod rejection_store;
mod rollup;
mod sample_export;
mod schema;
mod sum_store;
mod totals;
mod traffic_store;
mod turn;
mod watch_store;

use ledger::TurnKind;
use worker::{DurableObject, Env, Request, Response, Result, State};

use self::object::{ActiveBudgets, NEVER, Shard};
use crate::clock::now;
use crate::shard_client::NEXT_REPORT_FIELD;
use crate::shard_protocol::{ShardCall, ShardReply, ShardRequest};
use crate::{budgets, registry};

impl DurableObject for Shard {
    fn new(state: State, env: Env) -> Self {
        Self::create(state, env)
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        self.ensure_open()?;
        if request.headers().has("upgrade")? {
            return self.accept_listener(request.headers());
        }
        let request = ShardRequest::decode(&request.bytes().await?)?;
        let is_report = matches!(request, ShardRequest::AddTraffic(_) | ShardRequest::AddRejections(_));
        registry::refresh(&self.env).await;
        let response = Response::from_bytes(self.handle(request).await?)?;
        if is_report {
            response.headers().set(NEXT_REPORT_FIELD, &self.next_report_in_ms().to_string())?;
        }
        if self.is_replaced.get() {
            response.headers().set(TABLES_REPLACED, "1")?;
        }
        Ok(response)
    }

    async fn alarm(&self) -> Result<Response> {
        self.ensure_open()?;
        registry::refresh(&self.env).await;
        self.alarm.mark_fired();
        match self.maintenance_at.get() {
            // After an error, the platform fires the alarm again.
            due if due <= now() => self.maintain(false).await?,
            NEVER => {}
            later => self.alarm.schedule_by(later).await?,
        }
        match self.load_fact::<String>("site")? {
            Some(site) => {
                self.run_outbound(&site).await;
                self.run_due_evaluation(&site).await;
            }
            None => self.leave_evaluations_to_coordinator(),
        }
        Response::empty()
    }
}

impl Shard {
    /// Tells an isolate when to send its next sums.
    fn next_report_in_ms(&self) -> u64 {
        let mut pace = self.report_pace.get();
        let next_in_ms = pace.next_in_ms(now());
        self.report_pace.set(pace);
        next_in_ms
    }

    async fn handle(&self, request: ShardRequest) -> Result<Vec<u8>> {
        let reply = match request {
            ShardRequest::RunQuery(call) => {
                let max_age_ms = if call.with_latest_budgets { 0 } else { budgets::MAX_AGE_MS };
                let result = self.run_query(TurnKind::Read, &call.query, max_age_ms).await?;
                return self.encode_result(result).await;
            }
            ShardRequest::ReadLimitCounts(call) => call.reply(self.read_limit_counts(TurnKind::Read).await?),
            ShardRequest::EvaluateWatches(call) => {
                let ActiveBudgets { budgets, .. } = self.active_budgets(budgets::MAX_AGE_MS).await?;
                call.reply(self.evaluate_watches(&call.counts, &budgets)?)
            }
            ShardRequest::CauseQuery(call) => call.reply(self.run_cause_query(&call).await?),
            ShardRequest::StartForwarding(call) => call.reply(self.start_forwarding(&call.site)?),
            ShardRequest::RelayLiveCounts(call) => call.reply(self.relay(&call.0)),
            ShardRequest::AddRejections(call) => call.reply(self.add_rejections(&call.0)?),
            ShardRequest::AddTraffic(call) => {
                self.accept_batch(&call.header, &call.traffic)?;
                self.note_arrival();
                call.reply(self.schedule_maintenance(object::ROLLUP_DELAY_MS).await?)
            }
            ShardRequest::TrafficQuery(call) => call.reply(self.read_traffic(TurnKind::Read, &call).await?),
            ShardRequest::SetMonitoring(call) => call.reply(self.set_monitoring(call.is_on)?),
            ShardRequest::Wake(call) => {
                self.maintain(true).await?;
                if let Some(site) = &call.coordinated_site {
                    self.run_cron(site).await?;
                }
                call.reply(())
            }
            ShardRequest::ReadBackup(call) => call.reply(self.read_backup(&call).await?),
            ShardRequest::RestorePage(call) => {
                return Ok(ShardReply::encode(self.restore_page(call)?)?);
            }
            ShardRequest::Erase(call) => call.reply(self.erase().await?),
            ShardRequest::CoordinatorMessage(call) => {
                return self.handle_coordinator_request(call.site, call.request).await;
            }
        };
        Ok(reply?)
    }
}

/// The field that tells objects.js that nothing in memory counts any more.
const TABLES_REPLACED: &str = "x-tables-replaced";
