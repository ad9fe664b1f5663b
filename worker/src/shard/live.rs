//! Live counts of views: accepted listeners, and counts of each commit for them. Without listeners, a commit checks
//! one value in memory; and a commit never fails because of them.

use std::rc::Rc;
use std::time::Duration;

use ledger::live::ThrottleAction;
use wire::live::LiveDelta;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Delay, Response, Result, WebSocketPair, WebSocketRequestResponsePair};

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

    /// Returns true if live counts have listeners.
    pub(super) fn has_live_listeners(&self) -> bool {
        if *self.live.listeners.borrow() == Listeners::Unknown {
            let listeners = match self.state.get_websockets().is_empty() {
                false => Ok(Listeners::Sockets),
                true => self
                    .load_fact(FORWARDING_FACT)
                    .map(|site| site.map_or(Listeners::Nobody, Listeners::Coordinator)),
            };
            match listeners {
                Ok(listeners) => drop(self.live.listeners.replace(listeners)),
                Err(error) => worker::console_error!("live counts of a batch skipped: {error}"),
            }
        }
        !matches!(*self.live.listeners.borrow(), Listeners::Unknown | Listeners::Nobody)
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
