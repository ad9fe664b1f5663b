//! Statistics of responses on their way from this isolate to a shard of their site, and reads of them from all shards.
//! The isolate sums them up, and one request at a time sends them, always to the same shard: so no shard hears all
//! isolates of the world, and each knows the numbers of the batches that it has counted.

use std::cell::RefCell;

use traffic::{OriginOutcome, ResponseClass, ResponseRecord, TrafficBuffer, TrafficStats, TrafficWindows};
use wire::{UnixMillis, WindowSpan};
use worker::js_sys::Math;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Error};

use crate::clock::now;
use crate::config::Config;
use crate::response::HandlerError;
use crate::shard_client::{SiteRead, read_all, report};
use crate::shard_protocol::{AddTraffic, TrafficQuery};
use crate::trace_export;

/// Counts a response.
pub(crate) fn record(site: &str, record: &ResponseRecord<'_>) {
    with_buffer(|buffer| buffer.sums_mut(site).add(record));
}

/// Counts a request to an origin.
pub(crate) fn record_origin_request(site: &str, route: &str, origin: &str, outcome: OriginOutcome) {
    with_buffer(|buffer| buffer.sums_mut(site).add_origin_request(route, origin, outcome));
}

/// Adds the bytes of a body whose response was counted before it was complete.
pub(crate) fn add_bytes(site: &str, route: &str, class: &ResponseClass, bytes: u64) {
    with_buffer(|buffer| buffer.sums_mut(site).add_bytes(route, class, bytes));
}

/// Sends everything that is due and not stored yet. Returns true if there is more already.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn flush_traffic(env: Env) -> bool {
    let due = |buffer: &mut TrafficBuffer| -> Vec<String> {
        buffer.site_names().into_iter().filter(|site| buffer.is_due(site, now())).collect()
    };
    for site in with_buffer(due) {
        if let Err(failure) = flush_site(&env, &site).await {
            worker::console_error!("statistics of {site} not stored, they are sent again: {failure:?}");
        }
    }
    trace_export::flush().await;
    with_buffer(|buffer| buffer.has_due(now()))
}

/// Reads the sum between two times from every shard, this isolate's responses included.
pub(crate) async fn read_total(
    env: &Env,
    site: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<SiteRead<TrafficStats>, HandlerError> {
    let config = Config::load(env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
    read_sum(env, &config, site, WindowSpan::Day, from, to).await
}

/// Reads the sum of the windows of a span; where only longer ones are kept, of those. A window that overlaps the
/// range is included.
pub(crate) async fn read_sum(
    env: &Env,
    config: &Config,
    site: &str,
    span: WindowSpan,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<SiteRead<TrafficStats>, HandlerError> {
    let read = read_windows(env, config, site, TrafficQuery { span, from, to }).await?;
    let mut merged = TrafficStats::default();
    read.merged.0.values().for_each(|traffic| merged.merge(traffic));
    Ok(SiteRead { merged, shards: read.shards })
}

/// Reads the windows of a span.
pub(crate) async fn read_windows(
    env: &Env,
    config: &Config,
    site: &str,
    query: TrafficQuery,
) -> Result<SiteRead<TrafficWindows>, HandlerError> {
    // A failed flush is no reason to show nothing.
    if let Err(failure) = flush_site(env, site).await {
        worker::console_error!("statistics of {site} lack those of this isolate: {failure:?}");
    }
    read_all(env, config, site, query).await
}

/// Returns the shard to which this isolate sends its sums.
pub(crate) fn shard_of_this_isolate(config: &Config, site: &str) -> u32 {
    with_buffer(|buffer| config.shards_of(site).shard_of_isolate(buffer.isolate()))
}

/// Sends the batch that may not have arrived, then the rest, due or not: a read includes this isolate's responses.
async fn flush_site(env: &Env, site: &str) -> Result<(), HandlerError> {
    let config = Config::load(env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
    while let Some(batch) = with_buffer(|buffer| buffer.next_batch(site, now())) {
        let number = batch.header.number;
        let shard = config.shards_of(site).shard_of_isolate(&batch.header.isolate);
        let request = AddTraffic { header: batch.header, traffic: batch.traffic };
        let due_at = report(env, site, shard, request).await?;
        with_buffer(|buffer| buffer.acknowledge(site, number, due_at));
    }
    Ok(())
}

fn with_buffer<T>(action: impl FnOnce(&mut TrafficBuffer) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        action(buffer.get_or_insert_with(|| TrafficBuffer::new(random_isolate_id())))
    })
}

/// Returns 104 random bits in hexadecimal digits.
fn random_isolate_id() -> String {
    let half = || (Math::random() * 2f64.powi(52)) as u64;
    format!("{:013x}{:013x}", half(), half())
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static BUFFER: RefCell<Option<TrafficBuffer>> = const { RefCell::new(None) };
}
