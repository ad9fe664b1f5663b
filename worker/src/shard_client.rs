//! Calls of the shards of a site. The coordinator is the first one: it holds what concerns the whole site.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use ledger::{HourlyLimitCounts, QueryResult, ReadAdmission, ReadLimiter, SeriesQuery};
use wire::{ApiError, ShardCoverage, UnixMillis};
use worker::js_sys::{Function, Reflect, Uint8Array};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::{
    Delay, Env, EnvBinding, Error, Method, ObjectNamespace, Request, RequestInit, Response, Stub, WebSocket,
};

use crate::clock::now;
use crate::config::Config;
use crate::deadline::with_deadline;
use crate::response::HandlerError;
use crate::shard_protocol::{
    CoordinatorCall, CoordinatorMessage, Merge, ReadLimitCounts, RunQuery, ShardCall, ShardReply, Wake,
};
use wire::sorting::CollectOrdered;

/// The result of a read of several shards.
#[derive(Debug)]
pub(crate) struct SiteRead<T> {
    pub(crate) merged: T,
    /// The shards that answered; `None` if all did.
    pub(crate) shards: Option<ShardCoverage>,
}

/// Sends a request to one shard.
pub(crate) async fn call<C: ShardCall>(
    env: &Env,
    site: &str,
    shard: u32,
    request: C,
) -> Result<C::Reply, HandlerError> {
    call_within(SHARD_TIMEOUT_MS, env, site, shard, request).await
}

async fn call_within<C: ShardCall>(
    timeout_ms: u64,
    env: &Env,
    site: &str,
    shard: u32,
    request: C,
) -> Result<C::Reply, HandlerError> {
    let reply = with_deadline(timeout_ms, async {
        let mut response = send(env, site, shard, request).await?;
        Ok(ShardReply::decode(response.bytes().await?).map_err(Error::from)?)
    });
    reply.await.unwrap_or_else(|| Err(ApiError::Unavailable { component: "ledger" }.into()))
}

/// Sends sums of this isolate to a shard, and returns the time from which the next ones are due. An earlier shard sets
/// no pace.
pub(crate) async fn report<C: ShardCall<Reply = ()>>(
    env: &Env,
    site: &str,
    shard: u32,
    request: C,
) -> Result<UnixMillis, HandlerError> {
    let reply = with_deadline(SHARD_TIMEOUT_MS, async {
        let response = send(env, site, shard, request).await?;
        let next_in_ms = response.headers().get(NEXT_REPORT_FIELD)?.and_then(|text| text.parse().ok());
        Ok(now().saturating_add(next_in_ms.unwrap_or_default()))
    });
    reply.await.unwrap_or_else(|| Err(ApiError::Unavailable { component: "ledger" }.into()))
}

async fn send<C: ShardCall>(env: &Env, site: &str, shard: u32, request: C) -> Result<Response, HandlerError> {
    let body = request.into_request().encode().map_err(Error::from)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(Uint8Array::from(body.as_slice()).into()));
    let request = Request::new_with_init(SHARD_URL, &init)?;
    let response = stub(env, site, shard)?.fetch_with_request(request).await?;
    match response.status_code() {
        200 => Ok(response),
        _ => Err(ApiError::Unavailable { component: "ledger" }.into()),
    }
}

/// Sends a request to several shards at once, and returns what each replied. A shard that the deadline of the whole
/// left unasked is unavailable as well.
async fn call_each<C: ShardCall>(
    timeout_ms: u64,
    env: &Env,
    site: &str,
    requests: impl IntoIterator<Item = (u32, C)>,
) -> BTreeMap<u32, Result<C::Reply, HandlerError>> {
    let requests: Vec<(u32, C)> = requests.into_iter().collect();
    let unavailable = || Err(ApiError::Unavailable { component: "ledger" }.into());
    let mut replies: BTreeMap<_, _> = requests.iter().map(|(shard, _)| (*shard, unavailable())).collect_map();
    let mut calls =
        stream::iter(requests)
            .map(|(shard, request)| async move {
                (shard, call_within(timeout_ms, env, site, shard, request).await)
            })
            .buffer_unordered(MAX_CALLS_IN_FLIGHT);
    let all = async {
        while let Some((shard, reply)) = calls.next().await {
            replies.insert(shard, reply);
        }
    };
    // Beyond the deadline, what was replied until then counts.
    with_deadline(timeout_ms.saturating_mul(2), all).await;
    replies
}

/// Sends a request to several shards at once, and merges their replies into one in the order of the shards. All of
/// them must reply.
pub(crate) async fn call_and_merge<C: ShardCall<Reply: Merge> + Clone>(
    env: &Env,
    site: &str,
    shards: impl IntoIterator<Item = u32>,
    request: C,
    mut merged: C::Reply,
) -> Result<C::Reply, HandlerError> {
    let requests = shards.into_iter().map(|shard| (shard, request.clone()));
    for (_, reply) in call_each(SHARD_TIMEOUT_MS, env, site, requests).await {
        merged.merge_with(reply?);
    }
    Ok(merged)
}

/// Sends a request to every shard of a site, and merges their replies. All of them must reply.
pub(crate) async fn call_all<C: ShardCall<Reply: Merge + Default> + Clone>(
    env: &Env,
    config: &Config,
    site: &str,
    request: C,
) -> Result<C::Reply, HandlerError> {
    call_and_merge(env, site, config.shards_of(site).indices(), request, C::Reply::default()).await
}

/// Reads every shard of a site, and merges what those replied that did. Fails if none does.
pub(crate) async fn read_all<C: ShardCall<Reply: Merge + Default> + Clone>(
    env: &Env,
    config: &Config,
    site: &str,
    request: C,
) -> Result<SiteRead<C::Reply>, HandlerError> {
    let _admission = AdmittedRead::admit().await.ok_or(ApiError::Unavailable { component: "ledger" })?;
    let (mut merged, mut unanswered) = (None::<C::Reply>, BTreeSet::new());
    let mut first_failure = None;
    let requests = config.shards_of(site).indices().map(|shard| (shard, request.clone()));
    for (shard, reply) in call_each(SHARD_TIMEOUT_MS, env, site, requests).await {
        match reply {
            Ok(reply) => merged.get_or_insert_default().merge_with(reply),
            Err(failure) => {
                worker::console_error!("shard {shard} of site {site} was not read: {failure:?}");
                unanswered.insert(shard);
                first_failure.get_or_insert(failure);
            }
        }
    }
    match (merged, first_failure) {
        (Some(merged), _) => Ok(SiteRead {
            merged,
            shards: ShardCoverage::new(config.shards_of(site).indices().end, unanswered),
        }),
        (None, Some(failure)) => Err(failure),
        (None, None) => Err(ApiError::Unavailable { component: "ledger" }.into()),
    }
}

/// A read of this isolate, which ends when it is dropped.
struct AdmittedRead(u64);

impl AdmittedRead {
    /// Waits for a place; `None` if too many are before it.
    async fn admit() -> Option<Self> {
        let since = now();
        loop {
            match READS.with_borrow_mut(|reads| reads.admit(since, now())) {
                ReadAdmission::Admitted(number) => return Some(Self(number)),
                ReadAdmission::Waits { retry_in_ms } => Delay::from(Duration::from_millis(retry_in_ms)).await,
                ReadAdmission::Refused => return None,
            }
        }
    }
}

impl Drop for AdmittedRead {
    fn drop(&mut self) {
        READS.with_borrow_mut(|reads| reads.leave(self.0));
    }
}

thread_local! {
    static READS: RefCell<ReadLimiter> = const { RefCell::new(ReadLimiter::new()) };
}

/// Sends a request to the coordinator of a site.
pub(crate) async fn call_coordinator<C: CoordinatorCall>(
    env: &Env,
    site: &str,
    request: C,
) -> Result<C::Reply, HandlerError> {
    let message = CoordinatorMessage { site: site.to_owned(), request: request.into_request() };
    let reply = call_within(COORDINATOR_TIMEOUT_MS, env, site, COORDINATOR, message).await?;
    Ok(<C::Reply as ShardReply>::decode(reply).map_err(Error::from)?)
}

/// Reads series from every shard of a site.
pub(crate) async fn query(
    env: &Env,
    config: &Config,
    site: &str,
    query: &SeriesQuery,
) -> Result<SiteRead<QueryResult>, HandlerError> {
    read_all(env, config, site, RunQuery { query: query.clone(), with_latest_budgets: false }).await
}

/// Reads the views of the last days against their limits from every shard of a site.
pub(crate) async fn limit_counts(
    env: &Env,
    config: &Config,
    site: &str,
) -> Result<SiteRead<HourlyLimitCounts>, HandlerError> {
    read_all(env, config, site, ReadLimitCounts).await
}

/// Wakes every shard of a site, and returns those that could not be woken.
pub(crate) async fn wake_all(env: &Env, config: &Config, site: &str) -> Vec<(u32, HandlerError)> {
    let requests = config
        .shards_of(site)
        .indices()
        .map(|shard| (shard, Wake { coordinated_site: (shard == COORDINATOR).then(|| site.to_owned()) }));
    let replies = call_each(WAKE_TIMEOUT_MS, env, site, requests).await;
    replies.into_iter().filter_map(|(shard, reply)| Some((shard, reply.err()?))).collect()
}

/// Opens a WebSocket to the coordinator, over which it sends live counts.
pub(crate) async fn open_live_socket(
    env: &Env,
    site: &str,
    network: &str,
    is_reader: bool,
) -> Result<WebSocket, HandlerError> {
    let init = RequestInit::new();
    init.headers.set("upgrade", "websocket")?;
    init.headers.set(LISTENER_NETWORK, network)?;
    init.headers.set(LISTENER_HOLDS_TOKEN, if is_reader { "1" } else { "0" })?;
    let request = Request::new_with_init(SHARD_URL, &init)?;
    let response = stub(env, site, COORDINATOR)?.fetch_with_request(request).await?;
    match response.status_code() {
        101 => response.websocket().ok_or_else(|| ApiError::Unavailable { component: "live feed" }.into()),
        429 => Err(ApiError::TooManyRequests { retry_after: LIVE_RETRY_AFTER_SECONDS }.into()),
        _ => Err(ApiError::Unavailable { component: "live feed" }.into()),
    }
}

fn stub(env: &Env, site: &str, shard: u32) -> worker::Result<Stub> {
    let address = match Config::load(env) {
        Ok(config) => config.shard_address(site, shard),
        Err(mistake) => return Err(Error::RustError(mistake.to_string())),
    };
    let objects = env.durable_object("SHARDS_OF_SITES")?;
    let Some((jurisdiction, name)) = address.split_once(':') else { return objects.get_by_name(&address) };
    // `worker` has no binding for the namespace of a jurisdiction.
    let objects: JsValue = objects.into();
    let restrict: Function = Reflect::get(&objects, &"jurisdiction".into())?.dyn_into()?;
    ObjectNamespace::get(restrict.call1(&objects, &jurisdiction.into())?)?.get_by_name(name)
}

/// The shard that coordinates a site.
pub(crate) const COORDINATOR: u32 = 0;
/// The field of a reply to sums of an isolate, with the milliseconds until the next are due.
pub(crate) const NEXT_REPORT_FIELD: &str = "next-report-ms";
/// The platform wants an address; the object does not look at it.
const SHARD_URL: &str = "https://shard.invalid/";
/// The fields with which a listener is announced to the coordinator.
pub(crate) const LISTENER_NETWORK: &str = "x-listener-network";
pub(crate) const LISTENER_HOLDS_TOKEN: &str = "x-listener-holds-token";
/// All shards that a site may have. Replies are merged in the order of the shards once all are there, so fewer calls at
/// a time would save no memory, and cost a round trip for each round.
const MAX_CALLS_IN_FLIGHT: usize = 256;
/// A reply within this time; all shards have twice as long.
const SHARD_TIMEOUT_MS: u64 = 4_000;
/// A coordinator may have to read the other shards first.
const COORDINATOR_TIMEOUT_MS: u64 = 15_000;
/// The cron evaluates the site, probes its origin and sends what is due.
const WAKE_TIMEOUT_MS: u64 = 60_000;
const LIVE_RETRY_AFTER_SECONDS: u32 = 60;
