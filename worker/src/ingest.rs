//! `POST /v1/vitals`: from a body to journal rows. The shim reads the body and calls [`ingest`] once; it gets the rows by
//! object, and the response for when they are stored. Invalid beacons never reach an object.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use evidence::{EvidenceDefect, PageClaim, TokenCheck, network_bucket};
use ledger::{
    ClientInfo, JournalRow, MetricLimits, NetworkLimiter, UNKNOWN_WEIGHT, ViewRecord, quota_retry_after,
};
use report::beacon_verdicts::{limits_for, within_budget_json};
use sites::{EvidencePolicy, SiteSettings};
use wire::browser::{Browser, BrowserHeaders, OperatingSystem};
use wire::routes::Right;
use wire::web_vitals::WebVitalsReport;
use wire::{ApiError, Beacon, ClientNetwork, NetworkClass, UnixMillis, beacon};
use worker::js_sys::Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Url};

use crate::config::{Config, RATE_LIMIT_PERIOD_SECONDS};
use crate::response::{self, HandlerError};
use crate::{admission, budgets, rejection_counter};

/// A request, as read by the shim.
#[derive(Debug)]
struct BeaconRequest<'a> {
    body: &'a [u8],
    query: Option<&'a str>,
    /// The origin of the Worker.
    own_origin: &'a str,
    origin: Option<&'a str>,
    browser_headers: BrowserHeaders<'a>,
    mobile_hint: Option<&'a str>,
    country: Option<&'a str>,
    authorization: &'a str,
    /// The address of the sender, of which the bucket of its network is kept.
    address: Option<&'a str>,
    /// The client network of the rate limit.
    network: &'a str,
    /// True if the sender requests the verdicts of its values.
    wants_verdicts: bool,
    now: UnixMillis,
}

/// The rows to store, and the response.
struct IngestOutcome {
    site: String,
    /// Rows by shard.
    rows: BTreeMap<u32, Vec<String>>,
    /// The verdicts, if requested.
    response_body: Option<String>,
}

/// Parses a body. Returns a `Response` that rejects it, or an array of the response body, the origin that may read it,
/// the site, a shard's share of the site's daily quota, and then pairs of the name of an object and its rows.
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
    brands: Option<String>,
    platform: Option<String>,
    country: Option<String>,
    authorization: &str,
    address: Option<String>,
    network: &str,
    wants_verdicts: bool,
    now: f64,
) -> JsValue {
    let now = UnixMillis(now as u64);
    let (query, origin) = (query.as_deref(), origin.as_deref());
    let (mobile_hint, country) = (mobile_hint.as_deref(), country.as_deref());
    let address = address.as_deref();
    let browser_headers =
        BrowserHeaders { user_agent, brands: brands.as_deref(), platform: platform.as_deref() };
    let beacon_request = BeaconRequest {
        body,
        query,
        own_origin,
        origin,
        browser_headers,
        mobile_hint,
        country,
        authorization,
        address,
        network,
        wants_verdicts,
        now,
    };
    let config = match Config::load(env) {
        Ok(config) => config,
        Err(mistake) => return response::into_js(response::misconfigured(&mistake)),
    };
    let mut site = None;
    match beacon_request.process(&config, &mut site) {
        Ok(IngestOutcome { site, rows, response_body }) => {
            let allowed = beacon_request.origin.filter(|origin| config.any_site_allows(origin));
            let day_share = config.day_share(&site).map(NonZeroU32::get);
            let list =
                Array::of4(&response_body.into(), &allowed.into(), &site.as_str().into(), &day_share.into());
            for (shard, rows) in rows {
                let rows = rows.into_iter().map(JsValue::from).collect::<Array>();
                list.push(&Array::of2(&config.shard_address(&site, shard).into(), &rows));
            }
            list.into()
        }
        Err(failure) => {
            if let HandlerError::Rejected(refusal) = &failure {
                let site = site.filter(|site| config.sites.contains_key(site));
                let reason = match refusal {
                    // Only the limit of a network judges here.
                    ApiError::TooManyRequests { .. } => NetworkClass::of(network).rejection_reason(),
                    _ => refusal.code(),
                };
                rejection_counter::count(site.as_deref(), reason);
            }
            response::into_js(response::finish(Err(failure), &config, beacon_request.origin))
        }
    }
}

/// Rejects a request that the shim did not pass to [`ingest`], for the reason of that name. With a network, its limit
/// rejected the request; its body was not read, so the origin tells the site.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn reject(
    env: &Env,
    reason: &str,
    site: Option<String>,
    origin: Option<String>,
    network: Option<String>,
) -> JsValue {
    let refusal = match reason {
        "too-large" => ApiError::TooLarge { limit: beacon::MAX_BYTES },
        "over-quota" => ApiError::OverQuota {
            retry_after: quota_retry_after(UnixMillis(worker::js_sys::Date::now() as u64)),
        },
        "too-many" => ApiError::TooManyRequests { retry_after: RATE_LIMIT_PERIOD_SECONDS },
        _ => ApiError::Unavailable { component: "journal" },
    };
    let counted_as = network.map_or(refusal.code(), |network| NetworkClass::of(&network).rejection_reason());
    match Config::load(env) {
        Ok(config) => {
            let of_origin = || config.only_site_of_origin(origin.as_deref()?).map(str::to_owned);
            rejection_counter::count(site.or_else(of_origin).as_deref(), counted_as);
            response::into_js(response::finish(
                Err(HandlerError::Rejected(refusal)),
                &config,
                origin.as_deref(),
            ))
        }
        Err(mistake) => response::into_js(response::misconfigured(&mistake)),
    }
}

/// Returns the key for rate limits of a client address. The address is used for nothing else.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn client_network(address: &str) -> String {
    wire::client_network(address)
}

/// Counts a beacon that no rate limiter judged in time. It is accepted: a limiter that fails is no reason to lose
/// beacons.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
pub fn count_unlimited(site: Option<String>) {
    rejection_counter::count(site.as_deref(), UNLIMITED);
}

impl BeaconRequest<'_> {
    /// Parses the body. `claimed_site` is set even if it is rejected, to attribute the rejection.
    fn process(
        &self,
        config: &Config,
        claimed_site: &mut Option<String>,
    ) -> Result<IngestOutcome, HandlerError> {
        match self.query {
            // Reports of web-vitals name no site; the URL does.
            Some(query) => {
                let ReportParams { site, path } = ReportParams::from_query(query);
                *claimed_site = Some(site.clone());
                let reports = WebVitalsReport::parse(self.body, &path)?;
                let settings = self.authorize_site(config, &site)?;
                if settings.reports_need_token {
                    self.authorize_report(config, &site)?;
                }
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

    /// Returns an error unless the sender may report for the site.
    fn authorize_report(&self, config: &Config, site: &str) -> Result<(), ApiError> {
        let token = admission::bearer_token(self.authorization).unwrap_or_default();
        let caller = admission::sign_in(config, token, self.network)?;
        let right = Right::IngestReport;
        if caller.may(right, site) { Ok(()) } else { Err(ApiError::Unauthorized { right }) }
    }

    fn ingest_beacon(
        &self,
        config: &Config,
        settings: &SiteSettings,
        mut beacon: Beacon,
    ) -> Result<IngestOutcome, HandlerError> {
        if settings.sampling.reduce_weight(&mut beacon) {
            rejection_counter::count(Some(&beacon.site), UNKNOWN_WEIGHT);
        }
        let visitor = self.visitor(config, settings, &beacon.site);
        let mut record = ViewRecord::from_beacon(&beacon, visitor, &settings.routes);
        let evidence = self.judge_page(config, settings, &beacon, &mut record);
        let record = match record.attribution.is_empty() {
            true => record,
            false => {
                let limits = limits_of(&record);
                record.with_slow_attribution(&limits)
            }
        };
        let row = JournalRow::from_beacon(&beacon, &record, self.now).map_err(worker::Error::from)?;
        // The page loads of one token have one shard, which sees that it is used for one of them.
        let token = evidence.map(|nonce| format!("{nonce:016x}"));
        let page_load = token.as_ref().unwrap_or(&beacon.id);
        let shard = config.shards_of(&beacon.site).shard_of(page_load, row.start().0);
        let rows = BTreeMap::from([(shard, vec![row.to_json().map_err(worker::Error::from)?])]);
        Ok(IngestOutcome {
            site: beacon.site,
            rows,
            response_body: self.wants_verdicts.then(|| verdicts_of(&[record])),
        })
    }

    fn ingest_reports(
        &self,
        config: &Config,
        settings: &SiteSettings,
        site: String,
        reports: &[WebVitalsReport],
    ) -> Result<IngestOutcome, HandlerError> {
        let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut all = Vec::new();
        for report in reports {
            let visitor = self.visitor(config, settings, &site);
            let mut record = ViewRecord::from_report(report, visitor, &settings.routes);
            if settings.evidence != EvidencePolicy::Off {
                rejection_counter::count(Some(&site), EvidenceDefect::Missing.name());
                record.labels.unverified = settings.evidence == EvidencePolicy::Required;
            }
            let row = JournalRow::from_report(report, &record, self.now).map_err(worker::Error::from)?;
            rows.entry(config.shards_of(&site).shard_of(&report.id, self.now.0))
                .or_default()
                .push(row.to_json().map_err(worker::Error::from)?);
            all.push(record);
        }
        Ok(IngestOutcome { site, rows, response_body: self.wants_verdicts.then(|| verdicts_of(&all)) })
    }

    /// Returns the client, as far as the site records it.
    fn visitor(&self, config: &Config, settings: &SiteSettings, site: &str) -> ClientInfo<'_> {
        let country = if settings.countries { self.country } else { None };
        let network = self.address.and_then(ClientNetwork::of_internet_address);
        let secret = config.evidence_secrets.signing();
        let network_bucket = network.and_then(|network| network_bucket(secret, site, network, self.now));
        let headers = self.browser_headers;
        ClientInfo {
            user_agent: headers.user_agent,
            mobile_hint: self.mobile_hint,
            country,
            browser: settings.browsers.then(|| Browser::from_headers(headers)),
            os: settings.browsers.then(|| OperatingSystem::from_headers(headers)),
            network_bucket,
        }
    }

    /// Judges the page token of a beacon, and marks the view as the site wishes. Returns the nonce of a genuine token,
    /// if the site requires one.
    fn judge_page(
        &self,
        config: &Config,
        settings: &SiteSettings,
        beacon: &Beacon,
        record: &mut ViewRecord,
    ) -> Option<u64> {
        if settings.evidence == EvidencePolicy::Off {
            return None;
        }
        let TokenCheck { nonce, defect } = config.evidence_secrets.judge(&PageClaim {
            site: &beacon.site,
            token: beacon.page_token.as_deref(),
            view: beacon.view,
            start: self.now.saturating_sub(beacon.age_ms.into()),
            now: self.now,
        });
        if let Some(defect) = defect {
            rejection_counter::count(Some(&beacon.site), defect.name());
        }
        if settings.evidence == EvidencePolicy::Counted {
            return None;
        }
        record.labels.unverified = defect.is_some();
        record.page_token = nonce.filter(|_| defect.is_none());
        nonce
    }

    /// Returns the settings of the site, if it accepts beacons from this origin.
    fn authorize_site<'c>(&self, config: &'c Config, name: &str) -> Result<&'c SiteSettings, ApiError> {
        let site = config.sites.get(name);
        let site = site.ok_or_else(|| ApiError::UnknownSite { site: name.to_owned() })?;
        match self.origin {
            Some(origin) if origin != self.own_origin && !site.allows_origin(origin) => {
                Err(ApiError::ForeignOrigin { origin: origin.to_owned() })
            }
            _ => self.limit_network(site, name).map(|()| site),
        }
    }

    /// Rejects the beacon if its network exceeds the limit of the site.
    fn limit_network(&self, settings: &SiteSettings, site: &str) -> Result<(), ApiError> {
        let Some(limit) = settings.network_limit else { return Ok(()) };
        let is_admitted =
            NETWORKS.with_borrow_mut(|networks| networks.admit(site, self.network, limit.get(), self.now.0));
        match is_admitted {
            true => Ok(()),
            false => Err(ApiError::TooManyRequests { retry_after: RATE_LIMIT_PERIOD_SECONDS }),
        }
    }
}

/// The query string of a URL that takes reports of web-vitals.
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

/// Returns the limits of a view, by the budgets of this isolate.
fn limits_of(record: &ViewRecord) -> MetricLimits {
    budgets::last_good().map(|budgets| limits_for(&budgets, &record.labels)).unwrap_or_default()
}

fn verdicts_of(records: &[ViewRecord]) -> String {
    within_budget_json(records, budgets::last_good().as_deref())
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static NETWORKS: RefCell<NetworkLimiter> = RefCell::default();
}

/// The reason under which beacons without a judgement of a rate limiter are counted, beside those of rejected ones.
const UNLIMITED: &str = "limiter-unavailable";
