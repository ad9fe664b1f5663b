//! Telling those who look on: the first shard of a site holds their sockets, which outlast its memory;
//! the others tell it what they heard, while it says that somebody listens. Where nobody does, a commit
//! looks at one word in memory. At what pace is the ledger's business; and a commit never fails for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ledger::ViewRecord;
use ledger::live::{LiveThrottle, ThrottleAction};
use wire::ApiError;
use wire::live::LiveDelta;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{
    Delay, Env, Request, RequestInit, Response, Result, SqlStorageValue, State, WebSocket, WebSocketPair,
    WebSocketRequestResponsePair,
};

use super::journal::NEW_VIEWS_SQL;
use super::{Shard, call_shard, now, stub};
use crate::response::HandlerError;

/// A new listener's end of a socket that the first shard holds.
pub(crate) async fn connect(env: &Env, site: &str) -> Result<WebSocket, HandlerError> {
    let init = RequestInit::new();
    init.headers.set("upgrade", "websocket")?;
    let request = Request::new_with_init("https://shard.invalid/live", &init)?;
    let answer = stub(env, site, 0)?.fetch_with_request(request).await?;
    match answer.status_code() {
        101 => answer.websocket().ok_or_else(|| ApiError::Unavailable { component: "live feed" }.into()),
        429 => Err(ApiError::TooManyRequests { retry_after: RETRY_AFTER_SECONDS }.into()),
        _ => Err(ApiError::Unavailable { component: "live feed" }.into()),
    }
}

/// Has another shard tell the first one what it hears.
pub(crate) async fn start_forwarding(env: &Env, site: &str, shard: u32) -> Result<(), HandlerError> {
    call_shard(env, site, shard, "listen", Some(site.into())).await.map(drop)
}

/// What a shard knows of its listeners, and what they were not told yet.
#[derive(Debug, Default)]
pub(crate) struct LiveState {
    listeners: RefCell<Listeners>,
    feed: RefCell<LiveThrottle>,
    /// How often somebody came to listen: who came meanwhile must not be forgotten.
    arrivals: Cell<u64>,
}

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Listeners {
    /// The object has just been made: storage knows, or the sockets that outlasted it.
    #[default]
    Unknown,
    Nobody,
    /// The sockets of this object.
    Sockets,
    /// The first shard of this site.
    Coordinator(String),
}

impl Shard {
    /// A new socket, which the platform holds: it lives while the object's memory does not, and its
    /// pings are answered without waking anybody.
    pub(super) fn accept_listener(&self, request: &Request) -> Result<Response> {
        if request.headers().get("upgrade")?.is_none() {
            return Response::error("a socket is made here", 426);
        }
        if self.state.get_websockets().len() >= MAX_LISTENERS {
            return Response::error("as many listen as may", 429);
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        self.state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
        self.live.listeners.replace(Listeners::Sockets);
        Response::from_websocket(pair.client)
    }

    /// From now on the first shard of this site is told.
    pub(super) fn start_forwarding(&self, site: String) -> Result<()> {
        self.store_fact(FORWARDING_FACT, &site)?;
        self.live.arrivals.set(self.live.arrivals.get().wrapping_add(1));
        self.live.listeners.replace(Listeners::Coordinator(site));
        Ok(())
    }

    /// What another shard heard is told on. Answers how many listen.
    pub(super) fn relay(&self, delta: &LiveDelta) -> usize {
        let listener_count = self.state.get_websockets().len();
        if listener_count > 0 {
            self.live.listeners.replace(Listeners::Sockets);
            self.publish(delta);
        }
        listener_count
    }

    /// Before a commit: the views in it that are new, where somebody is to be told of them.
    pub(super) fn live_delta(&self, rows: &str) -> Option<LiveDelta> {
        let news = || -> Result<Option<LiveDelta>> {
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
        news().unwrap_or_else(|error| {
            worker::console_error!("those who look on are not told of some views: {error}");
            None
        })
    }

    pub(super) fn publish(&self, delta: &LiveDelta) {
        let (state, env, live) = (Rc::clone(&self.state), self.env.clone(), Rc::clone(&self.live));
        let next = live.feed.borrow_mut().push(delta, now());
        match next {
            ThrottleAction::Idle => {}
            ThrottleAction::Send(lately) => {
                spawn_local(async move { live.send(&state, &env, &lately).await })
            }
            ThrottleAction::Wait(millis) => spawn_local(async move {
                Delay::from(Duration::from_millis(millis)).await;
                let lately = live.feed.borrow_mut().flush(now());
                live.send(&state, &env, &lately).await;
            }),
        }
    }
}

impl LiveState {
    async fn send(&self, state: &State, env: &Env, delta: &LiveDelta) {
        let listeners = self.listeners.borrow().clone();
        match listeners {
            Listeners::Unknown | Listeners::Nobody => {}
            Listeners::Sockets => {
                let sockets = state.get_websockets();
                if sockets.is_empty() {
                    self.listeners.replace(Listeners::Nobody);
                }
                for socket in sockets {
                    // One that is closing hears no more; its listener comes again.
                    let _ = socket.send(delta);
                }
            }
            Listeners::Coordinator(site) => {
                let arrivals = self.arrivals.get();
                let answered = relay_to_coordinator(env, &site, delta).await;
                if matches!(answered, Ok(0)) && self.arrivals.get() == arrivals {
                    self.listeners.replace(Listeners::Nobody);
                    let forget = vec![FORWARDING_FACT.into()];
                    if let Err(error) = state.storage().sql().exec("DELETE FROM facts WHERE name = ?", forget)
                    {
                        worker::console_error!("nobody listens, and that could not be noted: {error}");
                    }
                }
                if let Err(failure) = answered {
                    worker::console_error!("those who look on were not told of some views: {failure:?}");
                }
            }
        }
    }
}

/// How many listen, as the first shard answers.
async fn relay_to_coordinator(env: &Env, site: &str, delta: &LiveDelta) -> Result<usize, HandlerError> {
    let bytes = serde_json::to_vec(delta).map_err(worker::Error::from)?;
    let answer = call_shard(env, site, 0, "told", Some(Uint8Array::from(bytes.as_slice()).into())).await?;
    Ok(serde_json::from_slice(&answer).map_err(worker::Error::from)?)
}

const FORWARDING_FACT: &str = "live";
/// A site that more people look at than a team has is looked at by one who opens sockets for fun.
const MAX_LISTENERS: usize = 100;
/// Seconds.
const RETRY_AFTER_SECONDS: u32 = 60;
