//! Probes of the origin's health endpoint.

use std::cell::{Cell, RefCell};

use report::origin_check::OriginCheck;
use wire::UnixMillis;
use worker::{Method, web_sys};

use crate::clock::now;
use crate::outbound;

/// The origin's own health. One object of a site requests it, at most once in ten seconds, however many requests read
/// it.
#[derive(Debug, Default)]
pub(super) struct OriginHealthProbe {
    last: RefCell<Option<OriginCheck>>,
    /// The start of the request under way. One that was cut off ends by timeout.
    probing_since: Cell<Option<UnixMillis>>,
}

impl OriginHealthProbe {
    /// Requests the health, or returns the last response while it is fresh or a request is under way.
    pub(super) async fn probe(&self, url: &str) -> Option<OriginCheck> {
        let asked_at = now();
        let last = self.last.borrow().clone();
        let is_since = |moment: UnixMillis, span: u64| asked_at.0.abs_diff(moment.0) < span;
        let is_fresh = last.as_ref().is_some_and(|last| is_since(last.checked_at, PROBE_INTERVAL_MS));
        if is_fresh || self.probing_since.get().is_some_and(|since| is_since(since, PROBE_INTERVAL_MS)) {
            return last;
        }
        self.probing_since.set(Some(asked_at));
        let fields = [("accept", "application/health+json, application/json"), ("user-agent", "edge-vitals")];
        let (status, body) = match outbound::send(Method::Get, url, &fields, None, PROBE_TIMEOUT_MS).await {
            Ok(response) => {
                let status = response.status_code();
                let body =
                    outbound::read_bounded(web_sys::Response::from(response).body(), MAX_PROBE_BYTES).await;
                (Some(status), body.unwrap_or_default())
            }
            Err(_) => (None, Vec::new()),
        };
        let took = now().0.saturating_sub(asked_at.0) as f64;
        let health = OriginCheck::from_response(url, last.as_ref(), status, &body, took, asked_at);
        self.probing_since.set(None);
        *self.last.borrow_mut() = Some(health.clone());
        Some(health)
    }
}

const PROBE_INTERVAL_MS: u64 = 10_000;
const PROBE_TIMEOUT_MS: u32 = 5_000;
const MAX_PROBE_BYTES: usize = 65_536;
