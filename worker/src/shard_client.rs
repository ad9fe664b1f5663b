//! Calls of the shards of a site. The coordinator is the first one: it holds what concerns the whole site.

use ledger::{HourlyLimitCounts, QueryResult, SeriesQuery, shard_name};
use wire::ApiError;
use worker::js_sys::Uint8Array;
use worker::{Env, Error, Method, Request, RequestInit, Stub, WebSocket};

use crate::config::Config;
use crate::response::HandlerError;
use crate::shard_protocol::{
    CoordinatorCall, CoordinatorMessage, Merge, ReadLimitCounts, RunQuery, ShardCall, ShardReply,
};

/// Sends a request to one shard.
pub(crate) async fn call<C: ShardCall>(
    env: &Env,
    site: &str,
    shard: u32,
    call: C,
) -> Result<C::Reply, HandlerError> {
    let body = call.into_request().encode().map_err(Error::from)?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(Uint8Array::from(body.as_slice()).into()));
    let request = Request::new_with_init(SHARD_URL, &init)?;
    let mut response = stub(env, site, shard)?.fetch_with_request(request).await?;
    match response.status_code() {
        200 => Ok(ShardReply::decode(response.bytes().await?).map_err(Error::from)?),
        _ => Err(ApiError::Unavailable { component: "ledger" }.into()),
    }
}

/// Sends a request to several shards, and merges their replies into one. The only loop over shards that reads.
pub(crate) async fn call_and_merge<C: ShardCall<Reply: Merge> + Clone>(
    env: &Env,
    site: &str,
    shards: impl IntoIterator<Item = u32>,
    request: C,
    mut merged: C::Reply,
) -> Result<C::Reply, HandlerError> {
    for shard in shards {
        merged.merge_with(call(env, site, shard, request.clone()).await?);
    }
    Ok(merged)
}

/// Sends a request to every shard of a site, and merges their replies.
pub(crate) async fn call_all<C: ShardCall<Reply: Merge + Default> + Clone>(
    env: &Env,
    config: &Config,
    site: &str,
    request: C,
) -> Result<C::Reply, HandlerError> {
    call_and_merge(env, site, config.shards.indices(), request, C::Reply::default()).await
}

/// Sends a request to the coordinator of a site.
pub(crate) async fn call_coordinator<C: CoordinatorCall>(
    env: &Env,
    site: &str,
    request: C,
) -> Result<C::Reply, HandlerError> {
    let message = CoordinatorMessage { site: site.to_owned(), request: request.into_request() };
    let reply = call(env, site, COORDINATOR, message).await?;
    Ok(<C::Reply as ShardReply>::decode(reply).map_err(Error::from)?)
}

/// Reads series from every shard of a site.
pub(crate) async fn query(
    env: &Env,
    config: &Config,
    site: &str,
    query: &SeriesQuery,
) -> Result<QueryResult, HandlerError> {
    call_all(env, config, site, RunQuery { query: query.clone(), with_latest_budgets: false }).await
}

/// Reads the views of the last days against their limits from every shard of a site.
pub(crate) async fn limit_counts(
    env: &Env,
    config: &Config,
    site: &str,
) -> Result<HourlyLimitCounts, HandlerError> {
    call_all(env, config, site, ReadLimitCounts).await
}

/// Opens a WebSocket to the coordinator, over which it sends live counts.
pub(crate) async fn open_live_socket(env: &Env, site: &str) -> Result<WebSocket, HandlerError> {
    let init = RequestInit::new();
    init.headers.set("upgrade", "websocket")?;
    let request = Request::new_with_init(SHARD_URL, &init)?;
    let response = stub(env, site, COORDINATOR)?.fetch_with_request(request).await?;
    match response.status_code() {
        101 => response.websocket().ok_or_else(|| ApiError::Unavailable { component: "live feed" }.into()),
        429 => Err(ApiError::TooManyRequests { retry_after: LIVE_RETRY_AFTER_SECONDS }.into()),
        _ => Err(ApiError::Unavailable { component: "live feed" }.into()),
    }
}

fn stub(env: &Env, site: &str, shard: u32) -> worker::Result<Stub> {
    env.durable_object("SHARDS_OF_SITES")?.get_by_name(&shard_name(site, shard))
}

/// The shard that coordinates a site.
pub(crate) const COORDINATOR: u32 = 0;
/// The platform wants an address; the object does not look at it.
const SHARD_URL: &str = "https://shard.invalid/";
const LIVE_RETRY_AFTER_SECONDS: u32 = 60;
