//! `GET /api/audit`, and the record of each management call in the coordinator of its site. A call that cannot be
//! recorded is not undone, and logged.

use auth::ALL_SITES;
use auth::audit::{AuditEntry, AuditFormat, AuditPage};
use wire::routes::{Endpoint, SITE_PLACE};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::clock::now;
use crate::query_api::{parameter, query_pairs};
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::{ReadAudit, RecordAudit};

/// `GET /api/audit`: a page of the log.
pub(crate) async fn list(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let pairs = query_pairs(request)?;
    let page = AuditPage::from_parameters(|name| parameter(&pairs, name))?;
    let question = ReadAudit { before: page.before, limit: page.limit.saturating_add(1) };
    let calls = call_coordinator(env, &admission.site, question).await?;
    let report = page.report(admission.site.clone(), calls);
    match page.format {
        AuditFormat::Json => response::document(&report),
        AuditFormat::Ndjson => {
            response::export("application/x-ndjson", report.to_ndjson().map_err(worker::Error::from)?)
        }
        AuditFormat::Csv => response::export("text/csv; charset=utf-8", report.to_csv()),
    }
}

/// Records a call once its outcome is known.
pub(crate) async fn record(env: &Env, endpoint: Endpoint, admission: &Admission, outcome: &HandlerResult) {
    let status = match outcome {
        Ok(response) => response.status_code(),
        Err(HandlerError::Rejected(refusal)) => refusal.status(),
        Err(HandlerError::Internal(_)) => 503,
    };
    let by = admission.caller.name.as_deref().unwrap_or_default();
    let detail = admission.detail.take();
    let call = endpoint.path().replace(SITE_PLACE, &admission.site);
    let entry = AuditEntry::new(now(), by, &call, &detail, &admission.network, status);
    // The log of an erased site would be erased with it.
    let site = if endpoint.access().is_for_operators() { ALL_SITES } else { &admission.site };
    store(env, site, entry).await;
}

/// Records a call of the cache, which is of the whole deployment.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen, wasm_bindgen_futures = worker::wasm_bindgen_futures)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub async fn record_cache_call(
    env: Env,
    by: String,
    call: String,
    detail: String,
    address: String,
    status: u16,
) {
    let network = wire::client_network(&address);
    store(&env, ALL_SITES, AuditEntry::new(now(), &by, &call, &detail, &network, status)).await;
}

async fn store(env: &Env, site: &str, entry: AuditEntry) {
    if let Err(failure) = call_coordinator(env, site, RecordAudit(entry)).await {
        worker::console_error!("a management call of {site} is missing in its audit log: {failure:?}");
    }
}
