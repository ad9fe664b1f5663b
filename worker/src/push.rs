//! What a site's first shard owes the backends, done: it asks all shards for a window that has closed, has
//! the document written, stores what the outbox says, and sends. When, in which order and how often is
//! `outbox`'s to decide; what a document says `report::window_document`'s.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use budget::Budgets;
use ledger::{QueryResult, SeriesQuery};
use outbox::{
    Attempt, AttemptOutcome, IDEMPOTENCY_HEADER, Outbox, OutboxDocument, OutboxEffect, OutboxEntry,
    OutboxInput, OutboxSettings, OutboxState, OutboxStatus, RetryAfter, RetryTarget, SIGNATURE_HEADER,
    SigningKey, Sink, SinkConfigError,
};
use report::operations::BackendStatus;
use report::push_document::{PushReport, PushRetryRequest, PushRetryResponse, VERSION};
use report::window_document::{self, ClosedWindow, GROUP_BY, LastVerdicts};
use sketch::stable_hash::fnv1a_64;
use traffic::{TrafficStats, TrafficWindows};
use wire::push::VerdictTransition;
use wire::{UnixMillis, Window, WindowSpan};
use worker::js_sys::{Math, Uint8Array};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Request, Result, SqlStorage, SqlStorageValue, Storage};

use crate::alarm::AlarmScheduler;
use crate::config::Config;
use crate::response::{self, HandlerResult};
use crate::shard::{self, Shard, from_sql_integer, now, to_sql_integer};
use crate::{auth, budget_watch, outbound};

/// Where windows are pushed to, as wrangler.toml and the secrets say it.
#[derive(Debug)]
pub(crate) struct PushConfig {
    pub(crate) sinks: Vec<Sink>,
    keys: Vec<SigningKey>,
    pub(crate) span: WindowSpan,
    /// The first window that a backend is told of; the one that goes on, where nothing is said.
    first_window_at: Option<UnixMillis>,
}

impl PushConfig {
    pub(crate) fn from_env(env: &Env) -> core::result::Result<Self, String> {
        let text = |name: &str| env.var(name).map(|value| value.to_string()).unwrap_or_default();
        let told = |mistake: SinkConfigError| mistake.to_string();
        let sinks = Sink::parse_list(&text("BACKEND_HEALTH_URL"))
            .map_err(|mistake| format!("BACKEND_HEALTH_URL: {mistake}"))?;
        let keys = outbox::parse_signing_keys(&text("PUSH_KEYS")).map_err(told)?;
        if !sinks.is_empty() && keys.is_empty() {
            return Err(SinkConfigError::MissingKey.to_string());
        }
        let span = match text("PUSH_EVERY").as_str() {
            "" | "hour" => WindowSpan::Hour,
            "minute" => WindowSpan::Minute,
            _ => return Err("PUSH_EVERY must be `minute` or `hour`".into()),
        };
        let first_window_at = match text("PUSH_SINCE").as_str() {
            "" => None,
            since => Some(UnixMillis(since.parse().map_err(
                |_| "PUSH_SINCE must be milliseconds since the Unix epoch: the first window to push holds it",
            )?)),
        };
        Ok(Self { sinks, keys, span, first_window_at })
    }
}

/// The outboxes of a site: in memory as they are in storage, or not at all.
#[derive(Debug)]
pub(crate) struct PushDispatcher {
    storage: Storage,
    env: Env,
    alarm: Rc<AlarmScheduler>,
    outboxes: RefCell<BTreeMap<String, Outbox>>,
}

/// Under which name a sink's rows are stored. Windows of another length are another queue.
fn queue_name(sink: &Sink, span: WindowSpan) -> String {
    format!("{}/{}", sink.name, span_name(span))
}

const fn span_name(span: WindowSpan) -> &'static str {
    match span {
        WindowSpan::Minute => "minute",
        WindowSpan::Hour => "hour",
        WindowSpan::Day => "day",
    }
}

impl PushDispatcher {
    pub(crate) fn new(storage: Storage, env: Env, alarm: Rc<AlarmScheduler>) -> Self {
        Self { storage, env, alarm, outboxes: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    /// How the push to each sink stands.
    pub(crate) fn statuses(&self, site: &str, push: &PushConfig) -> Result<Vec<(String, OutboxStatus)>> {
        let of = |sink: &Sink| Ok((sink.name.clone(), self.load_outbox(site, push, sink)?.status()));
        push.sinks.iter().map(of).collect()
    }

    /// The outbox, taken from memory or storage. Whoever does not put it back has it read again.
    fn load_outbox(&self, site: &str, push: &PushConfig, sink: &Sink) -> Result<Outbox> {
        let queue = queue_name(sink, push.span);
        if let Some(known) = self.outboxes.borrow().get(&queue) {
            return Ok(known.clone());
        }
        let settings = OutboxSettings::new(site.to_owned(), push.span);
        let Some(head) = shard::load_fact_text(&self.sql(), &outbox_state_key(&queue))? else {
            return Ok(Outbox::new(settings, push.first_window_at.unwrap_or_else(now)));
        };
        let later = || {
            Error::RustError(format!(
                "the outbox of {queue} is of a later version; deploy a Worker that knows it"
            ))
        };
        let head = OutboxState::from_json(&head).ok_or_else(later)?;
        let mut entries = Vec::new();
        let rows =
            self.sql().exec("SELECT entry FROM outbox WHERE queue = ?", vec![queue.as_str().into()])?;
        for row in rows.raw() {
            let entry = match row?.as_slice() {
                [SqlStorageValue::String(text)] => OutboxEntry::from_json(text),
                _ => None,
            };
            entries.push(entry.ok_or_else(later)?);
        }
        Ok(Outbox::restore(settings, head, entries))
    }

    /// Has the outbox take something, and does what it says. All of it is stored without an await in
    /// between, and so wholly or not at all; what could not be stored is not remembered either.
    fn apply<E>(
        self: &Rc<Self>,
        site: &str,
        config: &Config,
        sink: &Sink,
        action: impl FnOnce(&mut Outbox) -> core::result::Result<Vec<OutboxEffect>, E>,
    ) -> Result<core::result::Result<(), E>> {
        let queue = queue_name(sink, config.push.span);
        let mut outbox = self.load_outbox(site, &config.push, sink)?;
        let effects = match action(&mut outbox) {
            Ok(effects) => effects,
            Err(refused) => return Ok(Err(refused)),
        };
        self.outboxes.borrow_mut().remove(&queue);
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                OutboxEffect::Send { attempt: ticket, idempotency_key: key } => sends.push((ticket, key)),
                OutboxEffect::WakeAt(at) => self.schedule_wake(at),
                stored => self.store(&queue, stored)?,
            }
        }
        self.outboxes.borrow_mut().insert(queue, outbox);
        for (ticket, key) in sends {
            self.send(site, sink, ticket, key);
        }
        Ok(Ok(()))
    }

    fn store(&self, queue: &str, effect: OutboxEffect) -> Result<()> {
        let sql = self.sql();
        let place = |seq: u64| vec![queue.into(), to_sql_integer(seq)];
        match effect {
            OutboxEffect::Insert(entry, body) => {
                let row = vec![queue.into(), to_sql_integer(entry.seq), entry.to_json().into()];
                sql.exec("INSERT OR REPLACE INTO outbox (queue, seq, entry) VALUES (?, ?, ?)", row)?;
                let row = vec![queue.into(), to_sql_integer(entry.seq), SqlStorageValue::Blob(body)];
                sql.exec("INSERT OR REPLACE INTO bodies (queue, seq, body) VALUES (?, ?, ?)", row)?;
            }
            OutboxEffect::Update(entry) => {
                let row = vec![entry.to_json().into(), queue.into(), to_sql_integer(entry.seq)];
                sql.exec("UPDATE outbox SET entry = ? WHERE queue = ? AND seq = ?", row)?;
            }
            OutboxEffect::Remove(seq) => {
                sql.exec("DELETE FROM outbox WHERE queue = ? AND seq = ?", place(seq))?;
                sql.exec("DELETE FROM bodies WHERE queue = ? AND seq = ?", place(seq))?;
            }
            OutboxEffect::StoreState(head) => shard::store_fact(&sql, &outbox_state_key(queue), &head)?,
            OutboxEffect::Send { .. } | OutboxEffect::WakeAt(_) => {}
        }
        Ok(())
    }

    fn schedule_wake(&self, at: UnixMillis) {
        let alarm = Rc::clone(&self.alarm);
        spawn_local(async move {
            if let Err(error) = alarm.schedule_by(at).await {
                worker::console_error!("the alarm of the push could not be set; the cron goes on: {error}");
            }
        });
    }

    /// One attempt, beside everything else that the object does. The platform sends nothing out before
    /// what was stored is on disk.
    fn send(self: &Rc<Self>, site: &str, sink: &Sink, ticket: Attempt, key: String) {
        let (pushes, site, sink) = (Rc::clone(self), site.to_owned(), sink.clone());
        spawn_local(async move {
            let answer = pushes.attempt(&sink, ticket, &key).await.unwrap_or_else(|error| {
                worker::console_error!("{key} was not sent to {}: {error}", sink.name);
                AttemptOutcome::NoResponse
            });
            let handled = |outbox: &mut Outbox| {
                let input = OutboxInput::AttemptEnded { attempt: ticket, outcome: answer };
                Ok::<_, core::convert::Infallible>(outbox.handle(input, now(), jitter_seed()))
            };
            let config = Config::load(&pushes.env).map_err(|mistake| Error::RustError(mistake.to_string()));
            if let Err(error) = config.and_then(|config| pushes.apply(&site, &config, &sink, handled)) {
                worker::console_error!("the answer to {key} could not be stored; it is sent again: {error}");
            }
        });
    }

    async fn attempt(&self, sink: &Sink, ticket: Attempt, idempotency: &str) -> Result<AttemptOutcome> {
        let config = Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let queue = queue_name(sink, config.push.span);
        let row = self
            .sql()
            .exec(
                "SELECT body FROM bodies WHERE queue = ? AND seq = ?",
                vec![queue.into(), to_sql_integer(ticket.seq)],
            )?
            .raw()
            .next()
            .transpose()?;
        let Some([SqlStorageValue::Blob(body)]) = row.as_deref() else {
            return Err(Error::RustError("its body is not there".into()));
        };
        let mut answer = AttemptOutcome::NoResponse;
        // A backend that does not know the first key yet, or no more, may know the other.
        for key in &config.push.keys {
            answer = post_document(&sink.url, key, idempotency, body).await;
            if !matches!(answer, AttemptOutcome::Response { status: 401, .. }) {
                break;
            }
        }
        Ok(answer)
    }
}

async fn post_document(url: &str, key: &SigningKey, idempotency: &str, body: &[u8]) -> AttemptOutcome {
    let Some(signature) = outbox::sign(key, idempotency, body, now()) else {
        return AttemptOutcome::NoResponse;
    };
    let fields = [
        ("content-type", "application/json"),
        (IDEMPOTENCY_HEADER, idempotency),
        (SIGNATURE_HEADER, signature.as_str()),
    ];
    match outbound::post(url, &fields, Uint8Array::from(body).into(), ATTEMPT_TIMEOUT_MS).await {
        Ok(answered) => {
            let header = answered.headers.get("retry-after").ok().flatten();
            let retry_after = header.as_deref().and_then(RetryAfter::parse);
            AttemptOutcome::Response { status: answered.status, retry_after }
        }
        Err(_) => AttemptOutcome::NoResponse,
    }
}

/// `GET /api/push`: how the push of a site stands.
pub(crate) async fn status(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::can_read(request, env)?, auth::READ_TOKEN)?;
    let backends: Vec<BackendStatus> = shard::call_coordinator(env, &site, "push", &()).await?;
    response::document(&PushReport { v: VERSION, site, backends })
}

/// `POST /api/push/retry`: what was put aside is sent again.
pub(crate) async fn retry(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: PushRetryRequest = auth::json_body(request).await?;
    let retried: usize = shard::call_coordinator(env, &site, "push-again", &asked).await?;
    response::document(&PushRetryResponse { v: VERSION, site, retried })
}

impl Shard {
    /// Closes what has closed, and sends what may be sent.
    pub(crate) async fn run_push(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        for sink in &config.push.sinks {
            if let Err(error) = self.close_windows(site, &config, sink).await {
                worker::console_error!("windows of {site} are not told to {} yet: {error}", sink.name);
            }
            let woken = |outbox: &mut Outbox| {
                Ok::<_, core::convert::Infallible>(outbox.handle(OutboxInput::Woken, now(), jitter_seed()))
            };
            let _ = self.push_dispatcher.apply(site, &config, sink, woken)?;
        }
        Ok(())
    }

    /// How the push to each backend stands.
    pub(crate) fn push_backends(&self, site: &str) -> Result<Vec<BackendStatus>> {
        let config = self.config()?;
        let all = self.push_dispatcher.statuses(site, &config.push)?.into_iter();
        Ok(all.map(|(name, status)| BackendStatus::new(name, site, status)).collect())
    }

    /// Sends again what was put aside. How many there were.
    pub(crate) fn retry_dead_letters(&self, site: &str, request: &PushRetryRequest) -> Result<usize> {
        let config = self.config()?;
        let mut count = 0_usize;
        let is_meant = |sink: &&Sink| request.sink.as_ref().is_none_or(|name| *name == sink.name);
        for sink in config.push.sinks.iter().filter(is_meant) {
            let again = |outbox: &mut Outbox| {
                let parked = |outbox: &Outbox| outbox.status().dead_letters.len();
                let before = parked(outbox);
                let which = request.seq.map_or(RetryTarget::All, RetryTarget::One);
                let effects = outbox.handle(OutboxInput::Retry(which), now(), jitter_seed());
                count = count.saturating_add(before.saturating_sub(parked(outbox)));
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
            let budgets = self.active_budgets(crate::budgets::MAX_AGE_MS).await?.budgets;
            let is_last_block = due.len() < WINDOWS_PER_READ;
            let verdicts = if is_last_block {
                self.last_day_verdicts(site, config, &budgets).await?
            } else {
                Vec::new()
            };
            for window in due.iter().copied() {
                let mut decided: LastVerdicts =
                    shard::load_fact(&self.sql(), &last_verdicts_key(sink))?.unwrap_or_default();
                let news = if is_last_block && window == *last {
                    decided.record(verdicts.clone())
                } else {
                    Vec::new()
                };
                let enqueued = self.enqueue(site, config, sink, window, &groups, 0, news, &budgets)?;
                // Another visit of this loop was quicker: it has told this window.
                if enqueued.is_err() {
                    return Ok(());
                }
                shard::store_fact(&self.sql(), &last_verdicts_key(sink), &decided)?;
            }
        }
    }

    /// What has come late for windows that were told: each is told again, whole.
    pub(crate) async fn push_corrections(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        let span = config.push.span;
        let from = match span {
            // Minutes that were rolled up are minutes no more.
            WindowSpan::Minute => self.horizon()?.minutes,
            _ => now().saturating_sub(CORRECTION_PERIOD_MS),
        };
        let old = vec![to_sql_integer(now().saturating_sub(CORRECTION_PERIOD_MS).0)];
        self.sql().exec("DELETE FROM told WHERE start < ?", old)?;
        for sink in &config.push.sinks {
            let queue = queue_name(sink, span);
            let rows = self.sql().exec(
                "SELECT start, revision, print FROM told WHERE queue = ? AND start >= ? ORDER BY start",
                vec![queue.as_str().into(), to_sql_integer(from.0)],
            )?;
            let mut told = Vec::new();
            for row in rows.raw() {
                if let [start, revision, SqlStorageValue::String(print)] = row?.as_slice() {
                    let start = UnixMillis(from_sql_integer(start).unwrap_or_default());
                    told.push((
                        Window { span, start },
                        from_sql_integer(revision).unwrap_or_default(),
                        print.clone(),
                    ));
                }
            }
            for block in told.chunks(WINDOWS_PER_READ) {
                let (Some((first, ..)), Some((last, ..))) = (block.first(), block.last()) else { continue };
                let groups = self.window_counts(site, &config, *first, *last).await?;
                let budgets = self.active_budgets(crate::budgets::MAX_AGE_MS).await?.budgets;
                for (window, revision, print) in block {
                    if fingerprint(&counts_in_window(&groups, *window)) == *print {
                        continue;
                    }
                    let revision = u32::try_from(revision.saturating_add(1)).unwrap_or(u32::MAX);
                    let _ =
                        self.enqueue(site, &config, sink, *window, &groups, revision, Vec::new(), &budgets)?;
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
    ) -> Result<core::result::Result<(), outbox::EnqueueError>> {
        let counted = counts_in_window(counted, window);
        let (groups, (requests, cache)) = (&counted.0, window_document::traffic_sections(&counted.1));
        let closed = ClosedWindow { site, window, revision, groups, requests, cache, transitions };
        let body = serde_json::to_vec(&closed.document(budgets))?;
        let document = OutboxDocument { window, revision, body };
        let taken = self
            .push_dispatcher
            .apply(site, config, sink, |outbox| outbox.enqueue(document, now(), jitter_seed()))?;
        if taken.is_ok() {
            let queue = queue_name(sink, window.span);
            let row = vec![
                queue.into(),
                to_sql_integer(window.start.0),
                to_sql_integer(revision.into()),
                fingerprint(&counted).into(),
            ];
            self.sql().exec(
                "INSERT OR REPLACE INTO told (queue, start, revision, print) VALUES (?, ?, ?, ?)",
                row,
            )?;
        }
        Ok(taken)
    }

    /// What was counted in these windows: the pages of all shards, and the answers of the edge.
    async fn window_counts(
        &self,
        site: &str,
        config: &Config,
        first: Window,
        last: Window,
    ) -> Result<(QueryResult, TrafficWindows)> {
        let query = SeriesQuery {
            from: first.start,
            to: last.start.saturating_add(last.span.millis()),
            bots: ledger::BotFilter::default(),
            only: Vec::new(),
            by: GROUP_BY.to_vec(),
            step: Some(first.span),
        };
        let groups = self.query_site(site, config, &query).await?;
        Ok((groups, self.traffic_windows(first.span, query.from, query.to)?))
    }

    /// The verdicts of the last day.
    async fn last_day_verdicts(
        &self,
        site: &str,
        config: &Config,
        budgets: &Budgets,
    ) -> Result<Vec<(String, wire::Device, wire::Metric, budget::Verdict)>> {
        let counts = self.site_limit_counts(site, config).await?;
        let day = now().saturating_sub(WindowSpan::Day.millis());
        let verdict = |(name, met): (budget_watch::WatchKey, budget_watch::WatchInput<'_>)| {
            let verdict = met.rule.limit.verdict(budget::BudgetTally::from(met.history.since(day)));
            Some((name.route?, name.device, met.rule.metric, verdict))
        };
        Ok(budget_watch::watch_inputs(budgets, &counts).into_iter().filter_map(verdict).collect())
    }
}

/// What is of one window. A longer window counts where it begins, so that sums stay what they are.
fn counts_in_window(
    (groups, answers): &(QueryResult, TrafficWindows),
    window: Window,
) -> (QueryResult, TrafficStats) {
    let is_of = |(group, _): &(&ledger::Group, &ledger::Cell)| group.at == Some(window.start);
    let cells =
        groups.cells.iter().filter(is_of).map(|(group, cell)| (group.clone(), cell.clone())).collect();
    let mut traffic = TrafficStats::default();
    let is_of = |(of, _): &(&Window, &TrafficStats)| of.start == window.start;
    answers.0.iter().filter(is_of).for_each(|(_, answered)| traffic.merge(answered));
    (QueryResult { cells, ..QueryResult::default() }, traffic)
}

/// Returns an identifier of a window's counts that changes with any of them.
fn fingerprint((groups, traffic): &(QueryResult, TrafficStats)) -> String {
    let bytes = groups.cells.iter().flat_map(|(group, cell)| {
        let mut bytes = format!("{:?}", group.values).into_bytes();
        bytes.extend(cell.encode());
        bytes
    });
    format!("{:016x}", fnv1a_64(bytes.chain(traffic.encode())))
}

fn outbox_state_key(queue: &str) -> String {
    format!("push:{queue}")
}

fn last_verdicts_key(sink: &Sink) -> String {
    format!("decided:{}", sink.name)
}

/// Any number: it spreads the attempts of many sites.
pub(crate) fn jitter_seed() -> u64 {
    (Math::random() * 9e15) as u64
}

/// Windows that are read at once.
const WINDOWS_PER_READ: usize = 60;
/// Milliseconds: what an outbox calls no answer.
const ATTEMPT_TIMEOUT_MS: u32 = 60_000;
/// Milliseconds for which what was told may be corrected: a view lasts a day, and settles after two hours.
const CORRECTION_PERIOD_MS: u64 = 27 * 3_600_000;
