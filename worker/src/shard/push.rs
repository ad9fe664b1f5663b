//! The push of a site's closed windows to backends, by its coordinator.

use alerting::budget_observations::last_day_verdicts;
use budget::Budgets;
use ledger::QueryResult;
use outbox::{EnqueueError, Outbox, OutboxDocument, OutboxInput, RetryTarget, Sink};
use report::operations::BackendStatus;
use report::push_document::PushRetryRequest;
use report::pushed_window::{
    CORRECTION_PERIOD_MS, corrections_start, counts_in_window, fingerprint, windows_query,
};
use report::window_document::{ClosedWindow, LastVerdicts, traffic_sections};
use traffic::{TrafficStats, TrafficWindows};
use wire::push::VerdictTransition;
use wire::{UnixMillis, Window};
use worker::{Error, Result, SqlStorageValue};

use super::object::Shard;
use crate::budgets;
use crate::clock::{now, random_seed};
use crate::config::Config;
use crate::shard_protocol::TrafficQuery;
use crate::sql::{from_sql_integer, to_sql_integer};

impl Shard {
    /// Enqueues windows that have closed, and sends documents that are due.
    pub(super) async fn run_push(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        for sink in &config.push.sinks {
            if let Err(error) = self.close_windows(site, &config, sink).await {
                worker::console_error!(
                    "windows of {site} not enqueued for {}, the next run does it: {error}",
                    sink.name
                );
            }
            let woken = |outbox: &mut Outbox| {
                Ok::<_, core::convert::Infallible>(outbox.handle(OutboxInput::Woken, now(), random_seed()))
            };
            let _ = self.push_dispatcher.apply(site, &config, sink, woken)?;
        }
        Ok(())
    }

    /// Returns the state of each backend.
    pub(super) fn push_backends(&self, site: &str) -> Result<Vec<BackendStatus>> {
        let config = self.config()?;
        let all = self.push_dispatcher.statuses(site, &config.push)?.into_iter();
        Ok(all.map(|(name, status)| BackendStatus::new(name, site, status)).collect())
    }

    /// Sends dead letters again, and returns their number.
    pub(super) fn retry_dead_letters(&self, site: &str, request: &PushRetryRequest) -> Result<usize> {
        let config = self.config()?;
        let mut count = 0_usize;
        let is_selected = |sink: &&Sink| request.sink.as_ref().is_none_or(|name| *name == sink.name);
        for sink in config.push.sinks.iter().filter(is_selected) {
            let again = |outbox: &mut Outbox| {
                let dead_letters = |outbox: &Outbox| outbox.status().dead_letters.len();
                let before = dead_letters(outbox);
                let which = request.seq.map_or(RetryTarget::All, RetryTarget::One);
                let effects = outbox.handle(OutboxInput::Retry(which), now(), random_seed());
                count = count.saturating_add(before.saturating_sub(dead_letters(outbox)));
                Ok::<_, core::convert::Infallible>(effects)
            };
            let _ = self.push_dispatcher.apply(site, &config, sink, again)?;
        }
        Ok(count)
    }

    async fn close_windows(&self, site: &str, config: &Config, sink: &Sink) -> Result<()> {
        loop {
            let due = self
                .push_dispatcher
                .load_outbox(site, &config.push, sink)?
                .due_windows(now(), WINDOWS_PER_READ);
            let (Some(first), Some(last)) = (due.first(), due.last()) else { return Ok(()) };
            let groups = self.window_counts(site, config, *first, *last).await?;
            let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
            let is_last_block = due.len() < WINDOWS_PER_READ;
            let verdicts = if is_last_block {
                last_day_verdicts(&budgets, &self.site_limit_counts(site, config).await?, now())
            } else {
                Vec::new()
            };
            for window in due.iter().copied() {
                let mut decided: LastVerdicts = self.load_fact(&last_verdicts_key(sink))?.unwrap_or_default();
                let news = if is_last_block && window == *last {
                    decided.record(verdicts.clone())
                } else {
                    Vec::new()
                };
                let enqueued = self.enqueue(site, config, sink, window, &groups, 0, news, &budgets)?;
                // A concurrent run of this loop has enqueued the window already.
                if enqueued.is_err() {
                    return Ok(());
                }
                self.store_fact(&last_verdicts_key(sink), &decided)?;
            }
        }
    }

    /// Enqueues a correction, whole, for each window whose counts have changed since it was enqueued.
    pub(super) async fn push_corrections(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        let span = config.push.span;
        let from = corrections_start(span, &self.horizon()?, now());
        let old = vec![to_sql_integer(now().saturating_sub(CORRECTION_PERIOD_MS).0)];
        self.sql().exec("DELETE FROM told WHERE start < ?", old)?;
        for sink in &config.push.sinks {
            let queue = config.push.queue_name(sink);
            let rows = self.sql().exec(
                "SELECT start, revision, print FROM told WHERE queue = ? AND start >= ? ORDER BY start",
                vec![queue.as_str().into(), to_sql_integer(from.0)],
            )?;
            let mut sent = Vec::new();
            for row in rows.raw() {
                if let [start, revision, SqlStorageValue::String(print)] = row?.as_slice() {
                    let start = UnixMillis(from_sql_integer(start).unwrap_or_default());
                    sent.push((
                        Window { span, start },
                        from_sql_integer(revision).unwrap_or_default(),
                        print.clone(),
                    ));
                }
            }
            for block in sent.chunks(WINDOWS_PER_READ) {
                let (Some((first, ..)), Some((last, ..))) = (block.first(), block.last()) else { continue };
                let counted = self.window_counts(site, &config, *first, *last).await?;
                let budgets = self.active_budgets(budgets::MAX_AGE_MS).await?.budgets;
                for (window, revision, print) in block {
                    let (groups, traffic) = counts_in_window(&counted.0, &counted.1, *window);
                    if fingerprint_of(&groups, &traffic)? == *print {
                        continue;
                    }
                    let revision = u32::try_from(revision.saturating_add(1)).unwrap_or(u32::MAX);
                    let _ =
                        self.enqueue(site, &config, sink, *window, &counted, revision, Vec::new(), &budgets)?;
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is a fact of the one document")]
    fn enqueue(
        &self,
        site: &str,
        config: &Config,
        sink: &Sink,
        window: Window,
        counted: &(QueryResult, TrafficWindows),
        revision: u32,
        transitions: Vec<VerdictTransition>,
        budgets: &Budgets,
    ) -> Result<core::result::Result<(), EnqueueError>> {
        let (groups, traffic) = counts_in_window(&counted.0, &counted.1, window);
        let (requests, cache) = traffic_sections(&traffic);
        let closed = ClosedWindow { site, window, revision, groups: &groups, requests, cache, transitions };
        let body = serde_json::to_vec(&closed.document(budgets))?;
        let document = OutboxDocument { window, revision, body };
        let taken = self
            .push_dispatcher
            .apply(site, config, sink, |outbox| outbox.enqueue(document, now(), random_seed()))?;
        if taken.is_ok() {
            let queue = config.push.queue_name(sink);
            let row = vec![
                queue.into(),
                to_sql_integer(window.start.0),
                to_sql_integer(revision.into()),
                fingerprint_of(&groups, &traffic)?.into(),
            ];
            self.sql().exec(
                "INSERT OR REPLACE INTO told (queue, start, revision, print) VALUES (?, ?, ?, ?)",
                row,
            )?;
        }
        Ok(taken)
    }

    /// Reads the counts of a block of windows: the pages of all shards, and the responses of the edge.
    async fn window_counts(
        &self,
        site: &str,
        config: &Config,
        first: Window,
        last: Window,
    ) -> Result<(QueryResult, TrafficWindows)> {
        let query = windows_query(first, last);
        let groups = self.query_site(site, config, &query).await?;
        let responses = TrafficQuery { span: first.span, from: query.from, to: query.to };
        Ok((groups, self.site_traffic(site, config, responses).await?))
    }
}

fn fingerprint_of(groups: &QueryResult, traffic: &TrafficStats) -> Result<String> {
    fingerprint(groups, traffic).map_err(|error| Error::RustError(format!("window not encoded: {error}")))
}

fn last_verdicts_key(sink: &Sink) -> String {
    format!("decided:{}", sink.name)
}

const WINDOWS_PER_READ: usize = 60;
