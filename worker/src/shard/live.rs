//! Live counts of views: accepted listeners, and counts of each commit for them. Without listeners, a commit checks
//! one value in memory; and a commit never fails because of them.

use std::rc::Rc;
use std::time::Duration;

use ledger::live::ThrottleAction;
use ledger::{Listener, ListenerAdmission, admit_listener};
use sketch::stable_hash::fnv1a_32;
use wire::live::LiveDelta;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Delay, Headers, Response, Result, WebSocket, WebSocketPair, WebSocketRequestResponsePair};

use super::live_state::{FORWARDING_FACT, Listeners};
use super::object::Shard;
use crate::clock::now;
use crate::live::CLOSE_TRY_AGAIN_LATER;
use crate::shard_client::{LISTENER_HOLDS_TOKEN, LISTENER_NETWORK};

impl Shard {
    /// Accepts a listener on a hibernatable socket: it outlives the object's memory, and the platform replies to its
    /// pings without waking the object.
    pub(super) fn accept_listener(&self, fields: &Headers) -> Result<Response> {
        let newcomer = Listener {
            network: fnv1a_32(fields.get(LISTENER_NETWORK)?.unwrap_or_default().bytes()),
            holds_token: fields.get(LISTENER_HOLDS_TOKEN)?.as_deref() == Some("1"),
            since: now(),
        };
        let sockets = self.state.get_websockets();
        // A socket of an earlier release has no attachment, and counts as the oldest.
        let of_socket =
            |socket: &WebSocket| socket.deserialize_attachment().ok().flatten().unwrap_or_default();
        let listeners: Vec<Listener> = sockets.iter().map(of_socket).collect();
        match admit_listener(&listeners, &newcomer) {
            ListenerAdmission::Accept => {}
            ListenerAdmission::Replace(oldest) => {
                if let Some(socket) = sockets.get(oldest) {
                    // One that is closing already makes room, too.
                    let _ =
                        socket.close(Some(CLOSE_TRY_AGAIN_LATER), Some("another listener needs the place"));
                }
            }
            ListenerAdmission::Refuse => return Response::error("too many live listeners", 429),
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        pair.server.serialize_attachment(newcomer)?;
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
