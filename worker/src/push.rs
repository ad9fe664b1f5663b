//! What a site's first shard owes the backends, done: it asks all shards for a window that has closed, has
//! the document written, stores what the outbox says, and sends. When, in which order and how often is
//! `ledger::outbox`'s to decide; what a document says `insight::told`'s.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use budget::Budgets;
use insight::bulletin::Backend;
use insight::told::{self, BY, Closed, Decided};
use ledger::outbox::{
    self, Answer, Document, Effect, Entry, Head, IDEMPOTENCY_HEADER, Input, Key, Outbox, RetryAfter,
    SIGNATURE_HEADER, Settings, Sink, SinkMistake, Status, Ticket, Which,
};
use ledger::traffic::{Traffic, Windows};
use ledger::{Groups, Query, Span, Window};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::UnixMillis;
use wire::push::Transition;
use worker::js_sys::{Math, Uint8Array};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Request, Result, SqlStorage, SqlStorageValue, Storage};

use crate::alarm::Alarm;
use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::shard::{self, Shard, now, number, whole};
use crate::{leave, post, watching};

/// Where windows are pushed to, as wrangler.toml and the secrets say it.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) sinks: Vec<Sink>,
    keys: Vec<Key>,
    pub(crate) span: Span,
    /// The first window that a backend is told of; the one that goes on, where nothing is said.
    since: Option<UnixMillis>,
}

impl Backends {
    pub(crate) fn read(env: &Env) -> core::result::Result<Self, String> {
        let text = |name: &str| env.var(name).map(|value| value.to_string()).unwrap_or_default();
        let told = |mistake: SinkMistake| mistake.to_string();
        let sinks = Sink::read(&text("BACKEND_HEALTH_URL"))
            .map_err(|mistake| format!("BACKEND_HEALTH_URL: {mistake}"))?;
        let keys = outbox::keys(&text("PUSH_KEYS")).map_err(told)?;
        if !sinks.is_empty() && keys.is_empty() {
            return Err(SinkMistake::NoKey.to_string());
        }
        let span = match text("PUSH_EVERY").as_str() {
            "" | "hour" => Span::Hour,
            "minute" => Span::Minute,
            _ => return Err("PUSH_EVERY must be `minute` or `hour`".into()),
        };
        let since = match text("PUSH_SINCE").as_str() {
            "" => None,
            since => Some(UnixMillis(since.parse().map_err(
                |_| "PUSH_SINCE must be milliseconds since the Unix epoch: the first window to push holds it",
            )?)),
        };
        Ok(Self { sinks, keys, span, since })
    }
}

/// The outboxes of a site: in memory as they are in storage, or not at all.
#[derive(Debug)]
pub(crate) struct Pushes {
    storage: Storage,
    env: Env,
    alarm: Rc<Alarm>,
    outboxes: RefCell<BTreeMap<String, Outbox>>,
}

/// Under which name a sink's rows are stored. Windows of another length are another queue.
fn queue(sink: &Sink, span: Span) -> String {
    format!("{}/{}", sink.name, span_name(span))
}

const fn span_name(span: Span) -> &'static str {
    match span {
        Span::Minute => "minute",
        Span::Hour => "hour",
        Span::Day => "day",
    }
}

impl Pushes {
    pub(crate) fn new(storage: Storage, env: Env, alarm: Rc<Alarm>) -> Self {
        Self { storage, env, alarm, outboxes: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    /// How the push to each sink stands.
    pub(crate) fn status(&self, site: &str, backends: &Backends) -> Result<Vec<(String, Status)>> {
        let of = |sink: &Sink| Ok((sink.name.clone(), self.outbox(site, backends, sink)?.status()));
        backends.sinks.iter().map(of).collect()
    }

    /// The outbox, taken from memory or storage. Whoever does not put it back has it read again.
    fn outbox(&self, site: &str, backends: &Backends, sink: &Sink) -> Result<Outbox> {
        let queue = queue(sink, backends.span);
        if let Some(known) = self.outboxes.borrow().get(&queue) {
            return Ok(known.clone());
        }
        let settings = Settings::of(site.to_owned(), backends.span);
        let Some(head) = shard::fact(&self.sql(), &head_of(&queue))? else {
            return Ok(Outbox::beginning(settings, backends.since.unwrap_or_else(now)));
        };
        let later = || {
            Error::RustError(format!(
                "the outbox of {queue} is of a later version; deploy a Worker that knows it"
            ))
        };
        let head = Head::stored(&head).ok_or_else(later)?;
        let mut entries = Vec::new();
        let rows =
            self.sql().exec("SELECT entry FROM outbox WHERE queue = ?", vec![queue.as_str().into()])?;
        for row in rows.raw() {
            let entry = match row?.as_slice() {
                [SqlStorageValue::String(text)] => Entry::stored(text),
                _ => None,
            };
            entries.push(entry.ok_or_else(later)?);
        }
        Ok(Outbox::restored(settings, head, entries))
    }

    /// Has the outbox take something, and does what it says. All of it is stored without an await in
    /// between, and so wholly or not at all; what could not be stored is not remembered either.
    fn take<E>(
        self: &Rc<Self>,
        site: &str,
        config: &Config,
        sink: &Sink,
        what: impl FnOnce(&mut Outbox) -> core::result::Result<Vec<Effect>, E>,
    ) -> Result<core::result::Result<(), E>> {
        let queue = queue(sink, config.backends.span);
        let mut outbox = self.outbox(site, &config.backends, sink)?;
        let effects = match what(&mut outbox) {
            Ok(effects) => effects,
            Err(refused) => return Ok(Err(refused)),
        };
        self.outboxes.borrow_mut().remove(&queue);
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { ticket, key } => sends.push((ticket, key)),
                Effect::WakeAt(at) => self.wake(at),
                stored => self.store(&queue, stored)?,
            }
        }
        self.outboxes.borrow_mut().insert(queue, outbox);
        for (ticket, key) in sends {
            self.send(site, sink, ticket, key);
        }
        Ok(Ok(()))
    }

    fn store(&self, queue: &str, effect: Effect) -> Result<()> {
        let sql = self.sql();
        let place = |seq: u64| vec![queue.into(), number(seq)];
        match effect {
            Effect::Keep(entry, body) => {
                let row = vec![queue.into(), number(entry.seq), entry.text().into()];
                sql.exec("INSERT OR REPLACE INTO outbox (queue, seq, entry) VALUES (?, ?, ?)", row)?;
                let row = vec![queue.into(), number(entry.seq), SqlStorageValue::Blob(body)];
                sql.exec("INSERT OR REPLACE INTO bodies (queue, seq, body) VALUES (?, ?, ?)", row)?;
            }
            Effect::Note(entry) => {
                let row = vec![entry.text().into(), queue.into(), number(entry.seq)];
                sql.exec("UPDATE outbox SET entry = ? WHERE queue = ? AND seq = ?", row)?;
            }
            Effect::Forget(seq) => {
                sql.exec("DELETE FROM outbox WHERE queue = ? AND seq = ?", place(seq))?;
                sql.exec("DELETE FROM bodies WHERE queue = ? AND seq = ?", place(seq))?;
            }
            Effect::Remember(head) => shard::keep(&sql, &head_of(queue), &head)?,
            Effect::Send { .. } | Effect::WakeAt(_) => {}
        }
        Ok(())
    }

    fn wake(&self, at: UnixMillis) {
        let alarm = Rc::clone(&self.alarm);
        spawn_local(async move {
            if let Err(error) = alarm.by(at).await {
                worker::console_error!("the alarm of the push could not be set; the cron goes on: {error}");
            }
        });
    }

    /// One attempt, beside everything else that the object does. The platform sends nothing out before
    /// what was stored is on disk.
    fn send(self: &Rc<Self>, site: &str, sink: &Sink, ticket: Ticket, key: String) {
        let (pushes, site, sink) = (Rc::clone(self), site.to_owned(), sink.clone());
        spawn_local(async move {
            let told = pushes.attempt(&sink, ticket, &key).await.unwrap_or_else(|error| {
                worker::console_error!("{key} was not sent to {}: {error}", sink.name);
                Answer::None
            });
            let handled = |outbox: &mut Outbox| {
                let input = Input::Answered { ticket, answer: told };
                Ok::<_, core::convert::Infallible>(outbox.handle(input, now(), dice()))
            };
            let config = Config::of(&pushes.env).map_err(|mistake| Error::RustError(mistake.to_string()));
            if let Err(error) = config.and_then(|config| pushes.take(&site, &config, &sink, handled)) {
                worker::console_error!("the answer to {key} could not be stored; it is sent again: {error}");
            }
        });
    }

    async fn attempt(&self, sink: &Sink, ticket: Ticket, idempotency: &str) -> Result<Answer> {
        let config = Config::of(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let queue = queue(sink, config.backends.span);
        let row = self
            .sql()
            .exec(
                "SELECT body FROM bodies WHERE queue = ? AND seq = ?",
                vec![queue.into(), number(ticket.seq)],
            )?
            .raw()
            .next()
            .transpose()?;
        let Some([SqlStorageValue::Blob(body)]) = row.as_deref() else {
            return Err(Error::RustError("its body is not there".into()));
        };
        let mut answer = Answer::None;
        // A backend that does not know the first key yet, or no more, may know the other.
        for key in &config.backends.keys {
            answer = posted(&sink.url, key, idempotency, body).await;
            if !matches!(answer, Answer::Status { status: 401, .. }) {
                break;
            }
        }
        Ok(answer)
    }
}

async fn posted(url: &str, key: &Key, idempotency: &str, body: &[u8]) -> Answer {
    let Some(signature) = outbox::signature(key, idempotency, body, now()) else { return Answer::None };
    let fields = [
        ("content-type", "application/json"),
        (IDEMPOTENCY_HEADER, idempotency),
        (SIGNATURE_HEADER, signature.as_str()),
    ];
    match post::post(url, &fields, Uint8Array::from(body).into(), PATIENCE).await {
        Ok(answered) => {
            let header = answered.headers.get("retry-after").ok().flatten();
            let retry_after = header.as_deref().and_then(RetryAfter::parse);
            Answer::Status { status: answered.status, retry_after }
        }
        Err(_) => Answer::None,
    }
}

/// Which documents are to be sent again: all that were put aside, where nothing is said.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Again {
    sink: Option<String>,
    seq: Option<u64>,
}

/// `GET /api/push`: how the push of a site stands.
pub(crate) async fn shown(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::reads(request, env)?, leave::READ)?;
    let backends: Vec<Backend> = shard::first(env, &site, "push", &()).await?;
    Ok(answer::json(json!({ "v": 1, "site": site, "backends": backends }).to_string())?)
}

/// `POST /api/push/retry`: what was put aside is sent again.
pub(crate) async fn retry(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    let asked: Again = leave::body(request).await?;
    let again: usize = shard::first(env, &site, "push-again", &asked).await?;
    Ok(answer::json(json!({ "v": 1, "site": site, "again": again }).to_string())?)
}

impl Shard {
    /// Closes what has closed, and sends what may be sent.
    pub(crate) async fn push(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        for sink in &config.backends.sinks {
            if let Err(error) = self.close(site, &config, sink).await {
                worker::console_error!("windows of {site} are not told to {} yet: {error}", sink.name);
            }
            let woken = |outbox: &mut Outbox| {
                Ok::<_, core::convert::Infallible>(outbox.handle(Input::Woken, now(), dice()))
            };
            let _ = self.pushes.take(site, &config, sink, woken)?;
        }
        Ok(())
    }

    /// How the push to each backend stands.
    pub(crate) fn backends(&self, site: &str) -> Result<Vec<Backend>> {
        let config = self.config()?;
        let all = self.pushes.status(site, &config.backends)?.into_iter();
        Ok(all.map(|(name, status)| Backend::of(name, site, status)).collect())
    }

    /// Sends again what was put aside. How many there were.
    pub(crate) fn push_again(&self, site: &str, asked: &Again) -> Result<usize> {
        let config = self.config()?;
        let mut count = 0_usize;
        let is_meant = |sink: &&Sink| asked.sink.as_ref().is_none_or(|name| *name == sink.name);
        for sink in config.backends.sinks.iter().filter(is_meant) {
            let again = |outbox: &mut Outbox| {
                let parked = |outbox: &Outbox| outbox.status().parked.len();
                let before = parked(outbox);
                let which = asked.seq.map_or(Which::All, Which::One);
                let effects = outbox.handle(Input::Retry(which), now(), dice());
                count = count.saturating_add(before.saturating_sub(parked(outbox)));
                Ok::<_, core::convert::Infallible>(effects)
            };
            let _ = self.pushes.take(site, &config, sink, again)?;
        }
        Ok(count)
    }

    async fn close(&self, site: &str, config: &Config, sink: &Sink) -> Result<()> {
        loop {
            let due = self.pushes.outbox(site, &config.backends, sink)?.all_due(now(), BLOCK);
            let (Some(first), Some(last)) = (due.first(), due.last()) else { return Ok(()) };
            let groups = self.windows(site, config, *first, *last).await?;
            let budgets = self.ruled(crate::budgets::FRESH).await?.budgets;
            let is_last_block = due.len() < BLOCK;
            let verdicts =
                if is_last_block { self.verdicts(site, config, &budgets).await? } else { Vec::new() };
            for window in due.iter().copied() {
                let mut decided: Decided = shard::kept(&self.sql(), &decided_of(sink))?.unwrap_or_default();
                let news = if is_last_block && window == *last {
                    decided.take(verdicts.clone())
                } else {
                    Vec::new()
                };
                let told = self.tell(site, config, sink, window, &groups, 0, news, &budgets)?;
                // Another visit of this loop was quicker: it has told this window.
                if told.is_err() {
                    return Ok(());
                }
                shard::keep(&self.sql(), &decided_of(sink), &decided)?;
            }
        }
    }

    /// What has come late for windows that were told: each is told again, whole.
    pub(crate) async fn correct(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        let span = config.backends.span;
        let from = match span {
            // Minutes that were rolled up are minutes no more.
            Span::Minute => self.horizon()?.minutes,
            _ => now().before(CORRECTED),
        };
        let old = vec![number(now().before(CORRECTED).0)];
        self.sql().exec("DELETE FROM told WHERE start < ?", old)?;
        for sink in &config.backends.sinks {
            let queue = queue(sink, span);
            let rows = self.sql().exec(
                "SELECT start, revision, print FROM told WHERE queue = ? AND start >= ? ORDER BY start",
                vec![queue.as_str().into(), number(from.0)],
            )?;
            let mut told = Vec::new();
            for row in rows.raw() {
                if let [start, revision, SqlStorageValue::String(print)] = row?.as_slice() {
                    let start = UnixMillis(whole(start).unwrap_or_default());
                    told.push((Window { span, start }, whole(revision).unwrap_or_default(), print.clone()));
                }
            }
            for block in told.chunks(BLOCK) {
                let (Some((first, ..)), Some((last, ..))) = (block.first(), block.last()) else { continue };
                let groups = self.windows(site, &config, *first, *last).await?;
                let budgets = self.ruled(crate::budgets::FRESH).await?.budgets;
                for (window, revision, print) in block {
                    if print_of(&of_window(&groups, *window)) == *print {
                        continue;
                    }
                    let revision = u32::try_from(revision.saturating_add(1)).unwrap_or(u32::MAX);
                    let _ =
                        self.tell(site, &config, sink, *window, &groups, revision, Vec::new(), &budgets)?;
                }
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is a fact of the one document")]
    fn tell(
        &self,
        site: &str,
        config: &Config,
        sink: &Sink,
        window: Window,
        counted: &(Groups, Windows),
        revision: u32,
        transitions: Vec<Transition>,
        budgets: &Budgets,
    ) -> Result<core::result::Result<(), outbox::Refusal>> {
        let counted = of_window(counted, window);
        let (groups, (requests, cache)) = (&counted.0, told::answered(&counted.1));
        let closed = Closed { site, window, revision, groups, requests, cache, transitions };
        let body = serde_json::to_vec(&closed.document(budgets))?;
        let document = Document { window, revision, body };
        let taken = self.pushes.take(site, config, sink, |outbox| outbox.take(document, now(), dice()))?;
        if taken.is_ok() {
            let queue = queue(sink, window.span);
            let row = vec![
                queue.into(),
                number(window.start.0),
                number(revision.into()),
                print_of(&counted).into(),
            ];
            self.sql().exec(
                "INSERT OR REPLACE INTO told (queue, start, revision, print) VALUES (?, ?, ?, ?)",
                row,
            )?;
        }
        Ok(taken)
    }

    /// What was counted in these windows: the pages of all shards, and the answers of the edge.
    async fn windows(
        &self,
        site: &str,
        config: &Config,
        first: Window,
        last: Window,
    ) -> Result<(Groups, Windows)> {
        let query = Query {
            from: first.start,
            to: last.start.after(last.span.millis()),
            bots: ledger::Bots::default(),
            only: Vec::new(),
            by: BY.to_vec(),
            step: Some(first.span),
        };
        let groups = self.read_all(site, config, &query).await?;
        Ok((groups, self.answered(first.span, query.from, query.to)?))
    }

    /// The verdicts of the last day.
    async fn verdicts(
        &self,
        site: &str,
        config: &Config,
        budgets: &Budgets,
    ) -> Result<Vec<(String, wire::Device, wire::Metric, budget::Verdict)>> {
        let counts = self.count_all(site, config).await?;
        let day = now().before(Span::Day.millis());
        let verdict = |(name, met): (watching::Name, watching::Met<'_>)| {
            let verdict = met.rule.limit.verdict(watching::tally(met.track.since(day)));
            Some((name.route?, name.device, met.rule.metric, verdict))
        };
        Ok(watching::met(budgets, &counts).into_iter().filter_map(verdict).collect())
    }
}

/// What is of one window. A longer window counts where it begins, so that sums stay what they are.
fn of_window((groups, answers): &(Groups, Windows), window: Window) -> (Groups, Traffic) {
    let is_of = |(group, _): &(&ledger::Group, &ledger::Cell)| group.at == Some(window.start);
    let cells =
        groups.cells.iter().filter(is_of).map(|(group, cell)| (group.clone(), cell.clone())).collect();
    let mut traffic = Traffic::default();
    let is_of = |(of, _): &(&Window, &Traffic)| of.start == window.start;
    answers.0.iter().filter(is_of).for_each(|(_, answered)| traffic.merge(answered));
    (Groups { cells, ..Groups::default() }, traffic)
}

/// A name for what was counted in a window: another one when a count has changed. FNV-1a, 64 bits.
fn print_of((groups, traffic): &(Groups, Traffic)) -> String {
    let bytes = groups.cells.iter().flat_map(|(group, cell)| {
        let mut bytes = format!("{:?}", group.values).into_bytes();
        bytes.extend(cell.encode());
        bytes
    });
    let hash = bytes.chain(traffic.encode()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

fn head_of(queue: &str) -> String {
    format!("push:{queue}")
}

fn decided_of(sink: &Sink) -> String {
    format!("decided:{}", sink.name)
}

/// Any number: it spreads the attempts of many sites.
pub(crate) fn dice() -> u64 {
    (Math::random() * 9e15) as u64
}

/// Windows that are read at once.
const BLOCK: usize = 60;
/// Milliseconds: what an outbox calls no answer.
const PATIENCE: u32 = 60_000;
/// Milliseconds for which what was told may be corrected: a view lasts a day, and settles after two hours.
const CORRECTED: u64 = 27 * 3_600_000;
