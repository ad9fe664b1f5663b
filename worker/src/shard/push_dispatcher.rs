//! The outboxes of a site, in memory and in storage, and their attempts to send. `outbox` decides what is sent
//! when, and how often.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use outbox::{
    Attempt, AttemptOutcome, IDEMPOTENCY_HEADER, Outbox, OutboxEffect, OutboxEntry, OutboxInput,
    OutboxSettings, OutboxState, OutboxStatus, PushConfig, RetryAfter, SIGNATURE_HEADER, SigningKey, Sink,
};
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Result, SqlStorage, SqlStorageValue, Storage};

use super::alarm::AlarmScheduler;
use crate::clock::{now, random_seed};
use crate::config::Config;
use crate::outbound;
use crate::sql::{load_fact_text, store_fact, to_sql_integer};

/// The outboxes of a site: in memory as in storage, or not at all.
#[derive(Debug)]
pub(super) struct PushDispatcher {
    storage: Storage,
    env: Env,
    alarm: Rc<AlarmScheduler>,
    outboxes: RefCell<BTreeMap<String, Outbox>>,
}

impl PushDispatcher {
    pub(super) fn new(storage: Storage, env: Env, alarm: Rc<AlarmScheduler>) -> Self {
        Self { storage, env, alarm, outboxes: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    /// Returns the state of each sink.
    pub(super) fn statuses(&self, site: &str, push: &PushConfig) -> Result<Vec<(String, OutboxStatus)>> {
        let of = |sink: &Sink| Ok((sink.name.clone(), self.load_outbox(site, push, sink)?.status()));
        push.sinks.iter().map(of).collect()
    }

    /// Returns the outbox of a sink, from memory or storage.
    pub(super) fn load_outbox(&self, site: &str, push: &PushConfig, sink: &Sink) -> Result<Outbox> {
        let queue = push.queue_name(sink);
        if let Some(known) = self.outboxes.borrow().get(&queue) {
            return Ok(known.clone());
        }
        let settings = OutboxSettings::new(site.to_owned(), push.span);
        let Some(head) = load_fact_text(&self.sql(), &outbox_state_key(&queue))? else {
            return Ok(Outbox::new(settings, push.first_window_at.unwrap_or_else(now)));
        };
        let later = || {
            Error::RustError(format!(
                "unsupported version of the outbox of {queue}; deploy the version that wrote it, or a later one"
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

    /// Applies an action to an outbox, and performs its effects. They are stored without an await in between, so
    /// wholly or not at all; after an error, the outbox is read from storage again.
    pub(super) fn apply<E>(
        self: &Rc<Self>,
        site: &str,
        config: &Config,
        sink: &Sink,
        action: impl FnOnce(&mut Outbox) -> core::result::Result<Vec<OutboxEffect>, E>,
    ) -> Result<core::result::Result<(), E>> {
        let queue = config.push.queue_name(sink);
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
                OutboxEffect::WakeAt(at) => self.alarm.wake_by(at, "push"),
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
                let row = vec![queue.into(), to_sql_integer(entry.seq), entry.to_json()?.into()];
                sql.exec("INSERT OR REPLACE INTO outbox (queue, seq, entry) VALUES (?, ?, ?)", row)?;
                let row = vec![queue.into(), to_sql_integer(entry.seq), SqlStorageValue::Blob(body)];
                sql.exec("INSERT OR REPLACE INTO bodies (queue, seq, body) VALUES (?, ?, ?)", row)?;
            }
            OutboxEffect::Update(entry) => {
                let row = vec![entry.to_json()?.into(), queue.into(), to_sql_integer(entry.seq)];
                sql.exec("UPDATE outbox SET entry = ? WHERE queue = ? AND seq = ?", row)?;
            }
            OutboxEffect::Remove(seq) => {
                sql.exec("DELETE FROM outbox WHERE queue = ? AND seq = ?", place(seq))?;
                sql.exec("DELETE FROM bodies WHERE queue = ? AND seq = ?", place(seq))?;
            }
            OutboxEffect::StoreState(head) => store_fact(&sql, &outbox_state_key(queue), &head)?,
            OutboxEffect::Send { .. } | OutboxEffect::WakeAt(_) => {}
        }
        Ok(())
    }

    /// Starts an attempt in the background. The platform sends nothing before all writes are on disk.
    fn send(self: &Rc<Self>, site: &str, sink: &Sink, ticket: Attempt, key: String) {
        let (dispatcher, site, sink) = (Rc::clone(self), site.to_owned(), sink.clone());
        spawn_local(async move {
            let outcome = dispatcher.attempt(&sink, ticket, &key).await.unwrap_or_else(|error| {
                worker::console_error!("{key} not sent to {}: {error}", sink.name);
                AttemptOutcome::NoResponse
            });
            let handled = |outbox: &mut Outbox| {
                let input = OutboxInput::AttemptEnded { attempt: ticket, outcome };
                Ok::<_, core::convert::Infallible>(outbox.handle(input, now(), random_seed()))
            };
            let config =
                Config::load(&dispatcher.env).map_err(|mistake| Error::RustError(mistake.to_string()));
            if let Err(error) = config.and_then(|config| dispatcher.apply(&site, &config, &sink, handled)) {
                worker::console_error!("response to {key} not stored, it is sent again: {error}");
            }
        });
    }

    async fn attempt(&self, sink: &Sink, ticket: Attempt, idempotency: &str) -> Result<AttemptOutcome> {
        let config = Config::load(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let queue = config.push.queue_name(sink);
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
            return Err(Error::RustError("its body is missing from table bodies".into()));
        };
        let mut outcome = AttemptOutcome::NoResponse;
        // During a rotation, the backend may know only one of the keys.
        for key in &config.push.keys {
            outcome = post_document(&sink.url, key, idempotency, body).await;
            if !matches!(outcome, AttemptOutcome::Response { status: 401, .. }) {
                break;
            }
        }
        Ok(outcome)
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
        Ok(response) => {
            let header = response.headers.get("retry-after").ok().flatten();
            let retry_after = header.as_deref().and_then(RetryAfter::parse);
            AttemptOutcome::Response { status: response.status, retry_after }
        }
        Err(_) => AttemptOutcome::NoResponse,
    }
}

fn outbox_state_key(queue: &str) -> String {
    format!("push:{queue}")
}

/// An outbox counts an attempt without a response in this time as failed.
const ATTEMPT_TIMEOUT_MS: u32 = 60_000;
