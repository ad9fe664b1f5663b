//! Live counts of views: accepted listeners, and counts of each commit for them. Without listeners, a commit checks
//! one value in memory; and a commit never fails because of them.

use std::rc::Rc;
use std::time::Duration;

use ledger::ViewRecord;
use ledger::live::ThrottleAction;
use wire::live::LiveDelta;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Delay, Response, Result, SqlStorageValue, WebSocketPair, WebSocketRequestResponsePair};

use super::journal::NEW_VIEWS_SQL;
use super::live_state::{FORWARDING_FACT, Listeners};
use super::object::Shard;
use crate::clock::now;

impl Shard {
    /// Accepts a listener on a hibernatable socket: it outlives the object's memory, and the platform replies to its
    /// pings without waking the object.
    pub(super) fn accept_listener(&self) -> Result<Response> {
        if self.state.get_websockets().len() >= MAX_LISTENERS {
            return Response::error("too many live listeners of this site", 429);
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        self.state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
        self.live.listeners.replace(Listeners::Sockets);
        Response::from_websocket(pair.client)
    }

    /// Relays live counts to the coordinator of this site from now on.
    pub(super) fn start_forwarding(&self, site: &str) -> Result<()> {
        self.store_fact(FORWARDING_FACT, &site)?;
        self.live.arrivals.set(self.live.arrivals.get().wrapping_add(1));
        self.live.listeners.replace(Listeners::Coordinator(site.to_owned()));
        Ok(())
    }

    /// Publishes counts of another shard, and returns the number of listeners.
    pub(super) fn relay(&self, delta: &LiveDelta) -> usize {
        let listener_count = self.state.get_websockets().len();
        if listener_count > 0 {
            self.live.listeners.replace(Listeners::Sockets);
            self.publish(delta);
        }
        listener_count
    }

    /// Counts the new views of a batch, before it is committed; `None` without listeners.
    pub(super) fn live_delta(&self, rows: &str) -> Option<LiveDelta> {
        let count = || -> Result<Option<LiveDelta>> {
            if *self.live.listeners.borrow() == Listeners::Unknown {
                self.ensure_open()?;
                let listeners = match self.state.get_websockets().is_empty() {
                    false => Listeners::Sockets,
                    true => {
                        self.load_fact(FORWARDING_FACT)?.map_or(Listeners::Nobody, Listeners::Coordinator)
                    }
                };
                self.live.listeners.replace(listeners);
            }
            if *self.live.listeners.borrow() == Listeners::Nobody {
                return Ok(None);
            }
            let mut delta = LiveDelta::default();
            for row in self.sql().exec(NEW_VIEWS_SQL, vec![format!("[{rows}]").into()])?.raw() {
                if let Some(SqlStorageValue::String(told)) = row?.first()
                    && let Some(record) = ViewRecord::from_json(told)
                {
                    delta.record_view(record.labels.bot, &record.values);
                }
            }
            Ok(Some(delta))
        };
        count().unwrap_or_else(|error| {
            worker::console_error!("live counts of a batch skipped: {error}");
            None
        })
    }

    /// Sends counts to the listeners, at the pace of the throttle.
    pub(super) fn publish(&self, delta: &LiveDelta) {
        let (state, env, live) = (Rc::clone(&self.state), self.env.clone(), Rc::clone(&self.live));
        let next = live.throttle.borrow_mut().push(delta, now());
        match next {
            ThrottleAction::Idle => {}
            ThrottleAction::Send(delta) => spawn_local(async move { live.send(&state, &env, &delta).await }),
            ThrottleAction::Wait(millis) => spawn_local(async move {
                Delay::from(Duration::from_millis(millis)).await;
                let delta = live.throttle.borrow_mut().flush(now());
                live.send(&state, &env, &delta).await;
            }),
        }
    }
}

/// More than any team has; only an attacker opens more.
const MAX_LISTENERS: usize = 100;
