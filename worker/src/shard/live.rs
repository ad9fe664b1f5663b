//! Telling those who look on: the first shard of a site holds their sockets, which outlast its memory;
//! the others tell it what they heard, while it says that somebody listens. Where nobody does, a commit
//! looks at one word in memory. At what pace is the ledger's business; and a commit never fails for it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ledger::Told;
use ledger::live::{Feed, Next};
use wire::Refusal;
use wire::live::Lately;
use worker::js_sys::Uint8Array;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{
    Delay, Env, Request, RequestInit, Response, Result, SqlStorageValue, State, WebSocket, WebSocketPair,
    WebSocketRequestResponsePair,
};

use super::journal::NEW;
use super::{Shard, ask, now, stub};
use crate::answer::Failure;

/// A new listener's end of a socket that the first shard holds.
pub(crate) async fn connect(env: &Env, site: &str) -> Result<WebSocket, Failure> {
    let init = RequestInit::new();
    init.headers.set("upgrade", "websocket")?;
    let request = Request::new_with_init("https://shard.invalid/live", &init)?;
    let answer = stub(env, site, 0)?.fetch_with_request(request).await?;
    match answer.status_code() {
        101 => answer.websocket().ok_or_else(|| Refusal::Unavailable { part: "live feed" }.into()),
        429 => Err(Refusal::TooMany { retry_after: SOME_HAVE_LEFT }.into()),
        _ => Err(Refusal::Unavailable { part: "live feed" }.into()),
    }
}

/// Has another shard tell the first one what it hears.
pub(crate) async fn listen(env: &Env, site: &str, shard: u32) -> Result<(), Failure> {
    ask(env, site, shard, "listen", Some(site.into())).await.map(drop)
}

/// What a shard knows of its listeners, and what they were not told yet.
#[derive(Debug, Default)]
pub(crate) struct Live {
    ears: RefCell<Ears>,
    feed: RefCell<Feed>,
    /// How often somebody came to listen: who came meanwhile must not be forgotten.
    came: Cell<u64>,
}

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Ears {
    /// The object has just been made: storage knows, or the sockets that outlasted it.
    #[default]
    Unknown,
    Nobody,
    /// The sockets of this object.
    Sockets,
    /// The first shard of this site.
    First(String),
}

impl Shard {
    /// A new socket, which the platform holds: it lives while the object's memory does not, and its
    /// pings are answered without waking anybody.
    pub(super) fn takes_listener(&self, request: &Request) -> Result<Response> {
        if request.headers().get("upgrade")?.is_none() {
            return Response::error("a socket is made here", 426);
        }
        if self.state.get_websockets().len() >= MOST_LISTENERS {
            return Response::error("as many listen as may", 429);
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        self.state.set_websocket_auto_response(&WebSocketRequestResponsePair::new("ping", "pong")?);
        self.live.ears.replace(Ears::Sockets);
        Response::from_websocket(pair.client)
    }

    /// From now on the first shard of this site is told.
    pub(super) fn listen(&self, site: String) -> Result<()> {
        self.keep(FACT, &site)?;
        self.live.came.set(self.live.came.get().wrapping_add(1));
        self.live.ears.replace(Ears::First(site));
        Ok(())
    }

    /// What another shard heard is told on. Answers how many listen.
    pub(super) fn pass_on(&self, lately: &Lately) -> usize {
        let listeners = self.state.get_websockets().len();
        if listeners > 0 {
            self.live.ears.replace(Ears::Sockets);
            self.say_of(lately);
        }
        listeners
    }

    /// Before a commit: the views in it that are new, where somebody is to be told of them.
    pub(super) fn news_for_listeners(&self, rows: &str) -> Option<Lately> {
        let news = || -> Result<Option<Lately>> {
            if *self.live.ears.borrow() == Ears::Unknown {
                self.opened()?;
                let ears = match self.state.get_websockets().is_empty() {
                    false => Ears::Sockets,
                    true => self.kept(FACT)?.map_or(Ears::Nobody, Ears::First),
                };
                self.live.ears.replace(ears);
            }
            if *self.live.ears.borrow() == Ears::Nobody {
                return Ok(None);
            }
            let mut lately = Lately::default();
            for row in self.sql().exec(NEW, vec![format!("[{rows}]").into()])?.raw() {
                if let Some(SqlStorageValue::String(told)) = row?.first()
                    && let Some(told) = Told::stored(told)
                {
                    lately.count(told.labels.bot, &told.values);
                }
            }
            Ok(Some(lately))
        };
        news().unwrap_or_else(|error| {
            worker::console_error!("those who look on are not told of some views: {error}");
            None
        })
    }

    pub(super) fn say_of(&self, lately: &Lately) {
        let (state, env, live) = (Rc::clone(&self.state), self.env.clone(), Rc::clone(&self.live));
        let next = live.feed.borrow_mut().hear(lately, now());
        match next {
            Next::Rest => {}
            Next::Say(lately) => spawn_local(async move { live.say(&state, &env, &lately).await }),
            Next::Wait(millis) => spawn_local(async move {
                Delay::from(Duration::from_millis(millis)).await;
                let lately = live.feed.borrow_mut().due(now());
                live.say(&state, &env, &lately).await;
            }),
        }
    }
}

impl Live {
    async fn say(&self, state: &State, env: &Env, lately: &Lately) {
        let ears = self.ears.borrow().clone();
        match ears {
            Ears::Unknown | Ears::Nobody => {}
            Ears::Sockets => {
                let sockets = state.get_websockets();
                if sockets.is_empty() {
                    self.ears.replace(Ears::Nobody);
                }
                for socket in sockets {
                    // One that is closing hears no more; its listener comes again.
                    let _ = socket.send(lately);
                }
            }
            Ears::First(site) => {
                let came = self.came.get();
                let answered = told(env, &site, lately).await;
                if matches!(answered, Ok(0)) && self.came.get() == came {
                    self.ears.replace(Ears::Nobody);
                    let forget = vec![FACT.into()];
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
async fn told(env: &Env, site: &str, lately: &Lately) -> Result<usize, Failure> {
    let bytes = serde_json::to_vec(lately).map_err(worker::Error::from)?;
    let answer = ask(env, site, 0, "told", Some(Uint8Array::from(bytes.as_slice()).into())).await?;
    Ok(serde_json::from_slice(&answer).map_err(worker::Error::from)?)
}

const FACT: &str = "live";
/// A site that more people look at than a team has is looked at by one who opens sockets for fun.
const MOST_LISTENERS: usize = 100;
/// Seconds.
const SOME_HAVE_LEFT: u32 = 60;
