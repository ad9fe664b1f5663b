//! `POST /v1/vitals`: what a body comes to. The shim reads it and asks here, in one call; what comes
//! back says which rows go to which objects, and what is answered once they are stored. Parsing happens
//! before the object, so that malformed floods never reach a single thread.

use std::collections::BTreeMap;

use ledger::{ClientInfo, MetricLimits, ViewRecord, report_key, view_key};
use serde::Serialize;
use serde_json::value::RawValue;
use wire::web_vitals::WebVitalsReport;
use wire::{ApiError, Beacon, beacon};
use worker::js_sys::Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Url};

use crate::config::{Config, SiteConfig};
use crate::response::{self, HandlerError};
use crate::{budgets, rejection_counter, shard};

/// A request as the shim has read it.
#[derive(Debug)]
struct BeaconRequest<'a> {
    body: &'a [u8],
    query: Option<&'a str>,
    /// The Worker's own origin.
    own_origin: &'a str,
    origin: Option<&'a str>,
    user_agent: &'a str,
    mobile_hint: Option<&'a str>,
    country: Option<&'a str>,
    /// Whether the sender asks which values kept their budgets.
    wants_verdicts: bool,
    now: u64,
}

/// What is to be stored, and then answered.
struct IngestOutcome {
    site: String,
    /// Rows, by the shard that they go to.
    rows: BTreeMap<u32, Vec<String>>,
    /// What the sender asks for, if it asks.
    response_body: Option<String>,
}

/// What comes of a body: a response that refuses it; or a list of the answer, if it was asked for, the origin that may read
/// it, the site, and then the name of each object and its rows.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(clippy::too_many_arguments, reason = "one crossing for all that the shim knows")]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn ingest(
    env: &Env,
    body: &[u8],
    query: Option<String>,
    own_origin: &str,
    origin: Option<String>,
    user_agent: &str,
    mobile_hint: Option<String>,
    country: Option<String>,
    wants_verdicts: bool,
    now: f64,
) -> JsValue {
    let now = now as u64;
    let (query, origin) = (query.as_deref(), origin.as_deref());
    let (mobile_hint, country) = (mobile_hint.as_deref(), country.as_deref());
    let beacon_request = BeaconRequest {
        body,
        query,
        own_origin,
        origin,
        user_agent,
        mobile_hint,
        country,
        wants_verdicts,
        now,
    };
    let config = match Config::load(env) {
        Ok(config) => config,
        Err(mistake) => return response::into_js(response::misconfigured(&mistake)),
    };
    let mut site = None;
    match beacon_request.process(&config, &mut site) {
        Ok(IngestOutcome { site, rows, response_body: answer }) => {
            let allowed = beacon_request.origin.filter(|origin| config.any_site_allows(origin));
            let list = Array::of3(&answer.into(), &allowed.into(), &site.as_str().into());
            for (shard, rows) in rows {
                list.push(&shard::object_name(&site, shard).into());
                list.push(&rows.join(",").into());
            }
            list.into()
        }
        Err(failure) => {
            if let HandlerError::Rejected(refusal) = &failure {
                let site = site.filter(|site| config.sites.contains_key(site));
                rejection_counter::count(site, refusal.code());
            }
            response::into_js(response::finish(Err(failure), &config, beacon_request.origin))
        }
    }
}

/// Refuses what the shim could not bring here, for the reason of that name.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn reject(env: &Env, reason: &str, site: Option<String>, origin: Option<String>) -> JsValue {
    let refusal = match reason {
        "too-large" => ApiError::TooLarge { limit: beacon::MAX_BYTES },
        "too-many" => ApiError::TooManyRequests { retry_after: RATE_LIMIT_PERIOD_SECONDS },
        _ => ApiError::Unavailable { component: "journal" },
    };
    rejection_counter::count(site, refusal.code());
    match Config::load(env) {
        Ok(config) => response::into_js(response::finish(
            Err(HandlerError::Rejected(refusal)),
            &config,
            origin.as_deref(),
        )),
        Err(mistake) => response::into_js(response::misconfigured(&mistake)),
    }
}

/// The key under which a client's address is limited: its network, for an IPv6 client has 2^64
/// addresses of its own. The address serves for nothing else.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn client_network(address: &str) -> String {
    match address.contains(':') {
        true => address.split(':').take(4).collect::<Vec<_>>().join(":"),
        false => address.to_owned(),
    }
}

impl BeaconRequest<'_> {
    /// Takes what was sent, and notes as soon as it is known for which site it was meant.
    fn process(
        &self,
        config: &Config,
        claimed_site: &mut Option<String>,
    ) -> Result<IngestOutcome, HandlerError> {
        match self.query {
            // What web-vitals' callbacks hand over names no site; the address does.
            Some(query) => {
                let ReportParams { site, path } = ReportParams::from_query(query);
                *claimed_site = Some(site.clone());
                let reports = WebVitalsReport::parse(self.body, &path)?;
                let settings = self.authorize_site(config, &site)?;
                self.ingest_reports(config, settings, site, &reports)
            }
            None => {
                let beacon = Beacon::parse(self.body)
                    .inspect_err(|_| *claimed_site = beacon::extract_site(self.body))?;
                *claimed_site = Some(beacon.site.clone());
                let settings = self.authorize_site(config, &beacon.site)?;
                self.ingest_beacon(config, settings, beacon)
            }
        }
    }

    fn ingest_beacon(
        &self,
        config: &Config,
        settings: &SiteConfig,
        beacon: Beacon,
    ) -> Result<IngestOutcome, HandlerError> {
        let record = ViewRecord::from_beacon(&beacon, self.visitor(settings), &settings.routes);
        let record = match record.attribution.is_empty() {
            true => record,
            false => {
                let limits = limits_for(&record);
                record.with_slow_attribution(&limits)
            }
        };
        let start = self.now.saturating_sub(beacon.age_ms.into());
        let row = journal_row(view_key(&beacon), beacon.seq, start, beacon.age_ms, &record)?;
        let rows =
            BTreeMap::from([(shard::shard_index(&beacon.id, config.shards.count_at(start)), vec![row])]);
        Ok(IngestOutcome {
            site: beacon.site,
            rows,
            response_body: self.wants_verdicts.then(|| within_budget_json([&record])),
        })
    }

    fn ingest_reports(
        &self,
        config: &Config,
        settings: &SiteConfig,
        site: String,
        reports: &[WebVitalsReport],
    ) -> Result<IngestOutcome, HandlerError> {
        let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut all = Vec::new();
        for report in reports {
            let record = ViewRecord::from_report(report, self.visitor(settings), &settings.routes);
            let row = journal_row(report_key(report), 0, self.now, 0, &record)?;
            rows.entry(shard::shard_index(&report.id, config.shards.count_at(self.now)))
                .or_default()
                .push(row);
            all.push(record);
        }
        Ok(IngestOutcome { site, rows, response_body: self.wants_verdicts.then(|| within_budget_json(&all)) })
    }

    /// The visitor, as far as that site wants to know.
    const fn visitor(&self, settings: &SiteConfig) -> ClientInfo<'_> {
        let country = if settings.countries { self.country } else { None };
        ClientInfo { user_agent: self.user_agent, mobile_hint: self.mobile_hint, country }
    }

    /// The site, if it takes what comes from this page.
    fn authorize_site<'c>(&self, config: &'c Config, name: &str) -> Result<&'c SiteConfig, ApiError> {
        let site = config.sites.get(name);
        let site = site.ok_or_else(|| ApiError::UnknownSite { site: name.to_owned() })?;
        match self.origin {
            Some(origin) if origin != self.own_origin && !site.allows_origin(origin) => {
                Err(ApiError::ForeignOrigin { origin: origin.to_owned() })
            }
            _ => Ok(site),
        }
    }
}

/// What the query of an address says of the reports in its body.
struct ReportParams {
    site: String,
    path: String,
}

impl ReportParams {
    fn from_query(query: &str) -> Self {
        let url = Url::parse(&format!("https://query.invalid/?{query}")).ok();
        let named = |name| {
            let pair = url.as_ref()?.query_pairs().find(|(key, _)| key == name);
            pair.map(|(_, value)| value.into_owned())
        };
        Self { site: named("site").unwrap_or_default(), path: named("path").unwrap_or_default() }
    }
}

/// One journal row, as the shard stores it.
#[derive(Serialize)]
struct JournalRow<'a> {
    /// The view.
    #[serde(rename = "k")]
    view_key: String,
    /// The number of the send.
    #[serde(rename = "q")]
    seq: u16,
    /// When the view began.
    #[serde(rename = "s")]
    start_ms: u64,
    /// How long ago that was.
    #[serde(rename = "a")]
    age_ms: u32,
    /// What it told.
    #[serde(rename = "t")]
    record: &'a RawValue,
}

fn journal_row(
    key: String,
    seq: u16,
    start: u64,
    age: u32,
    record: &ViewRecord,
) -> Result<String, HandlerError> {
    let broken =
        |error: serde_json::Error| HandlerError::Internal(worker::Error::RustError(error.to_string()));
    let record_json = RawValue::from_string(record.to_json()).map_err(broken)?;
    serde_json::to_string(&JournalRow {
        view_key: key,
        seq,
        start_ms: start,
        age_ms: age,
        record: &record_json,
    })
    .map_err(broken)
}

/// The limits of a visit, by the budgets as they were last known.
fn limits_for(record: &ViewRecord) -> MetricLimits {
    budgets::last_good().map(|budgets| budgets::limits_for(&budgets, &record.labels)).unwrap_or_default()
}

/// Which of the visit's values kept their budgets.
fn within_budget_json<'a>(all: impl IntoIterator<Item = &'a ViewRecord>) -> String {
    let kept = |record: &'a ViewRecord| {
        let MetricLimits(limits) = limits_for(record);
        let kept = record.values.iter().filter_map(move |(metric, value)| {
            Some(format!(r#""{}":{}"#, metric.name(), value <= limits.get(metric)?))
        });
        kept.collect::<Vec<_>>()
    };
    let all: Vec<String> = all.into_iter().flat_map(kept).collect();
    format!(r#"{{"within":{{{}}}}}"#, all.join(","))
}

/// The seconds in which wrangler.toml counts.
const RATE_LIMIT_PERIOD_SECONDS: u32 = 60;
