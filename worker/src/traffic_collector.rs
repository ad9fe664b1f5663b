//! Statistics of responses on their way from this isolate to the coordinator of their site, and reads of them there.
//! The isolate sums them up, and one request at a time sends them.

use std::cell::RefCell;

use traffic::TrafficBuffer;
use traffic::{ResponseClass, ResponseRecord, TrafficStats};
use wire::{UnixMillis, Window, WindowSpan};
use worker::Env;
use worker::js_sys::Math;
use worker::wasm_bindgen::prelude::wasm_bindgen;

use crate::clock::now;
use crate::response::HandlerError;
use crate::shard_client::{COORDINATOR, call};
use crate::shard_protocol::{AddTraffic, TrafficQuery};
use crate::trace_export;

/// Counts a response.
pub(crate) fn record(site: &str, record: &ResponseRecord<'_>) {
    with_buffer(|buffer| buffer.sums_mut(site).add(record));
}

/// Adds the bytes of a body whose response was counted before it was complete.
pub(crate) fn add_bytes(site: &str, route: &str, class: &ResponseClass, bytes: u64) {
    with_buffer(|buffer| buffer.sums_mut(site).add_bytes(route, class, bytes));
}

/// Sends everything that is not stored yet. Returns true if there is more already.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn flush_traffic(env: Env) -> bool {
    for site in with_buffer(|buffer| buffer.site_names()) {
        if let Err(failure) = flush_site(&env, &site).await {
            worker::console_error!("statistics of {site} not stored, they are sent again: {failure:?}");
        }
    }
    trace_export::flush().await;
    with_buffer(|buffer| buffer.has_pending())
}

/// Reads the sum between two times, this isolate's responses included.
pub(crate) async fn read_total(
    env: &Env,
    site: &str,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<TrafficStats, HandlerError> {
    let windows = read_windows(env, site, WindowSpan::Day, from, to).await?;
    let mut all = TrafficStats::default();
    windows.iter().for_each(|(_, traffic)| all.merge(traffic));
    Ok(all)
}

/// Reads windows of a span; where only longer ones are kept, those. A window that overlaps the range is included.
pub(crate) async fn read_windows(
    env: &Env,
    site: &str,
    span: WindowSpan,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<(Window, TrafficStats)>, HandlerError> {
    // A failed flush is no reason to show nothing.
    if let Err(failure) = flush_site(env, site).await {
        worker::console_error!("statistics of {site} lack those of this isolate: {failure:?}");
    }
    let windows = call(env, site, COORDINATOR, TrafficQuery { span, from, to }).await?;
    Ok(windows.0.into_iter().collect())
}

/// Sends the batch that may not have arrived, then the rest.
async fn flush_site(env: &Env, site: &str) -> Result<(), HandlerError> {
    while let Some(batch) = with_buffer(|buffer| buffer.next_batch(site, now())) {
        let number = batch.header.number;
        call(env, site, COORDINATOR, AddTraffic { header: batch.header, traffic: batch.traffic }).await?;
        with_buffer(|buffer| buffer.acknowledge(site, number));
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
