//! The listeners of live counts. The coordinator of a site holds their sockets, which survive the hibernation of the
//! object; the other shards relay to it while it has any.

use std::cell::{Cell, RefCell};

use ledger::live::LiveThrottle;
use wire::live::LiveDelta;
use worker::{Env, State};

use crate::shard_client::{COORDINATOR, call};
use crate::shard_protocol::RelayLiveCounts;

/// The listeners of a shard, and the counts that are not sent yet.
#[derive(Debug, Default)]
pub(super) struct LiveState {
    pub(super) listeners: RefCell<Listeners>,
    pub(super) throttle: RefCell<LiveThrottle>,
    /// The number of listeners that ever arrived: one that arrives during a send must not be lost.
    pub(super) arrivals: Cell<u64>,
}

/// The recipients of live counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Listeners {
    /// Not read yet from storage, or from the sockets that survived hibernation.
    #[default]
    Unknown,
    Nobody,
    /// The sockets of this object.
    Sockets,
    /// The coordinator of this site.
    Coordinator(String),
}

impl LiveState {
    /// Sends counts to the listeners; without listeners, remembers that there are none.
    pub(super) async fn send(&self, state: &State, env: &Env, delta: &LiveDelta) {
        let listeners = self.listeners.borrow().clone();
        match listeners {
            Listeners::Unknown | Listeners::Nobody => {}
            Listeners::Sockets => {
                let sockets = state.get_websockets();
                if sockets.is_empty() {
                    self.listeners.replace(Listeners::Nobody);
                }
                for socket in sockets {
                    // A closing socket receives nothing; its listener reconnects.
                    let _ = socket.send(delta);
                }
            }
            Listeners::Coordinator(site) => {
                let arrivals = self.arrivals.get();
                let relayed = call(env, &site, COORDINATOR, RelayLiveCounts(delta.clone())).await;
                if matches!(relayed, Ok(0)) && self.arrivals.get() == arrivals {
                    self.listeners.replace(Listeners::Nobody);
                    let forget = vec![FORWARDING_FACT.into()];
                    if let Err(error) = state.storage().sql().exec("DELETE FROM facts WHERE name = ?", forget)
                    {
                        worker::console_error!("absence of live listeners not stored: {error}");
                    }
                }
                if let Err(failure) = relayed {
                    worker::console_error!("live counts not relayed: {failure:?}");
                }
            }
        }
    }
}

/// The fact that holds the site whose coordinator has listeners.
pub(super) const FORWARDING_FACT: &str = "live";
