//! Documents, header fields and parameters that clients, origins and operators send.

use auth::TokenTable;
use auth::audit::AuditPage;
use budget::Budgets;
use export::trace::TraceContext;
use outbox::RetryAfter;
use report::origin_check::OriginCheck;
use report::query_parameters::{BY_PAGE, QueryParameters};
use wire::browser::{Browser, BrowserHeaders, OperatingSystem, browser_family};
use wire::cache_admin::PurgeBody;
use wire::lab::LabUpload;
use wire::live::{LiveDelta, offers_protocol, token_from_protocols};
use wire::web_vitals::WebVitalsReport;
use wire::{ApiError, Beacon, Device, client_network};

use crate::time::NOW;

pub(crate) fn beacon(bytes: &[u8]) {
    match Beacon::parse(bytes) {
        Ok(beacon) => {
            assert!(beacon.values.iter().all(|(_, value)| value <= 600_000));
            assert!(beacon.seq < 32 && beacon.dimensions.len() <= 5 && beacon.path.starts_with('/'));
        }
        Err(error) => check_error(&error, &[400, 413, 422]),
    }
    let _ = wire::beacon::extract_site(bytes);
}

pub(crate) fn report(bytes: &[u8]) {
    match WebVitalsReport::parse(bytes, "/") {
        Ok(reports) => assert!(reports.len() <= wire::web_vitals::MAX_REPORTS),
        Err(error) => check_error(&error, &[400, 413, 422]),
    }
}

/// A refusal is short, has one of the statuses, and names a field or none.
fn check_error(error: &ApiError, statuses: &[u16]) {
    assert!(statuses.contains(&error.status()), "{error}");
    assert!(error.problem_json().len() < 2048 && error.field().is_none_or(|field| !field.is_empty()));
}

/// The lines are the agent string, the brands and the platform.
pub(crate) fn browser_headers(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let user_agent = lines.next().unwrap_or_default();
    let headers = BrowserHeaders { user_agent, brands: lines.next(), platform: lines.next() };
    let label = Browser::from_headers(headers).label();
    assert!(label.len() <= 20 && label.starts_with(browser_family(&label)), "{label}");
    assert!(OperatingSystem::ALL.contains(&OperatingSystem::from_headers(headers)));
}

pub(crate) fn budgets(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Budgets::parse(text) {
        // A valid file answers for any path.
        Ok(budgets) => drop(budgets.limit(text.get(..64).unwrap_or("/"), Device::Phone, wire::Metric::Lcp)),
        Err(mistake) => assert!(!mistake.to_string().is_empty()),
    }
}

pub(crate) fn access_tokens(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(table) = TokenTable::parse(text) {
        // A hash that is listed is no token.
        assert!(table.identify(text, NOW).name.is_none());
    }
}

pub(crate) fn lab_upload(bytes: &[u8]) {
    if let Ok(upload) = serde_json::from_slice::<LabUpload>(bytes)
        && let Err(error) = upload.validate()
    {
        check_error(&error, &[400, 413, 422]);
    }
}

pub(crate) fn live_protocols(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(token) = token_from_protocols(&text) {
        assert!(2 * token.len() <= text.len());
    }
    let _ = offers_protocol(&text);
    // A frame, as another shard relays it.
    if let Ok(delta) = serde_json::from_slice::<LiveDelta>(bytes) {
        let mut merged = LiveDelta::default();
        merged.merge(&delta);
        assert!(merged.views == delta.views && merged.metrics.len() <= wire::Metric::ALL.len());
    }
    assert!(client_network(&text).len() <= 40);
}

pub(crate) fn origin_health(bytes: &[u8]) {
    for status in [None, Some(200), Some(503)] {
        let health = OriginCheck::from_response("https://shop.example/", None, status, bytes, 12.5, NOW);
        assert!(serde_json::to_vec(&health).is_ok());
    }
}

pub(crate) fn purge(bytes: &[u8]) {
    let _ = serde_json::from_slice::<PurgeBody>(bytes);
}

/// A query string without escapes: `name=value&…`.
pub(crate) fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let pairs: Vec<(String, String)> = text
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let _ = AuditPage::from_parameters(|name| {
        pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    });
    let parameters = QueryParameters::new(pairs, NOW);
    let query = parameters.dimensions().and_then(|by| parameters.query("", &by, parameters.step().ok()));
    match query {
        Ok(query) => {
            assert!(query.from <= query.to && query.by.len() <= 4);
            let _ = query.estimated_rows(&ledger::Retention::default(), NOW);
        }
        Err(error) => check_error(&error, &[400]),
    }
    let _ = (parameters.query("a.", BY_PAGE, None), parameters.pagination(), parameters.cell_selection());
}

pub(crate) fn retry_after(bytes: &[u8]) {
    let _ = RetryAfter::parse(&String::from_utf8_lossy(bytes));
}

pub(crate) fn traceparent(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let trace = TraceContext::from_traceparent(Some(&text), 1.0, [1, 2, 3]);
    // The origin gets a traceparent again, of the same trace.
    let sent = trace.traceparent();
    assert_eq!(sent.len(), 55);
    assert_eq!(
        TraceContext::from_traceparent(Some(&sent), 0.0, [4, 5, 6]).traceparent().get(..35),
        sent.get(..35)
    );
}
