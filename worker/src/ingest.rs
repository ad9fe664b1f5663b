//! `POST /v1/vitals`: what a body comes to. The shim reads it and asks here, in one call; what comes
//! back says which rows go to which objects, and what is answered once they are stored. Parsing happens
//! before the object, so that malformed floods never reach a single thread.

use std::collections::BTreeMap;

use ledger::{Limits, Told, Visitor, report_key, view_key};
use serde::Serialize;
use serde_json::value::RawValue;
use wire::report::Report;
use wire::{Beacon, Refusal, beacon};
use worker::js_sys::Array;
use worker::wasm_bindgen::JsValue;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{Env, Url};

use crate::answer::{self, Failure};
use crate::config::{Config, Site};
use crate::{budgets, refusals, shard};

/// A request as the shim has read it.
#[derive(Debug)]
struct Heard<'a> {
    body: &'a [u8],
    query: Option<&'a str>,
    /// The Worker's own origin.
    own: &'a str,
    origin: Option<&'a str>,
    agent: &'a str,
    mobile_hint: Option<&'a str>,
    country: Option<&'a str>,
    /// Whether the sender asks which values kept their budgets.
    is_asked: bool,
    now: u64,
}

/// What is to be stored, and then answered.
struct Taken {
    site: String,
    /// Rows, by the shard that they go to.
    rows: BTreeMap<u32, Vec<String>>,
    /// What the sender asks for, if it asks.
    answer: Option<String>,
}

/// What comes of a body: a response that refuses it; or a list of the answer, if it was asked for, the origin that may read
/// it, the site, and then the name of each object and its rows.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(clippy::too_many_arguments, reason = "one crossing for all that the shim knows")]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn hear(
    env: &Env,
    body: &[u8],
    query: Option<String>,
    own: &str,
    origin: Option<String>,
    agent: &str,
    mobile_hint: Option<String>,
    country: Option<String>,
    is_asked: bool,
    now: f64,
) -> JsValue {
    let now = now as u64;
    let (query, origin) = (query.as_deref(), origin.as_deref());
    let (mobile_hint, country) = (mobile_hint.as_deref(), country.as_deref());
    let heard = Heard { body, query, own, origin, agent, mobile_hint, country, is_asked, now };
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(mistake) => return answer::shown(answer::misconfigured(&mistake)),
    };
    let mut site = None;
    match heard.take(&config, &mut site) {
        Ok(Taken { site, rows, answer }) => {
            let allowed = heard.origin.filter(|origin| config.knows(origin));
            let list = Array::of3(&answer.into(), &allowed.into(), &site.as_str().into());
            for (shard, rows) in rows {
                list.push(&shard::name(&site, shard).into());
                list.push(&rows.join(",").into());
            }
            list.into()
        }
        Err(failure) => {
            if let Failure::Refused(refusal) = &failure {
                let site = site.filter(|site| config.sites.contains_key(site));
                refusals::note(site, refusal.reason());
            }
            answer::shown(answer::finish(Err(failure), &config, heard.origin))
        }
    }
}

/// Refuses what the shim could not bring here, for the reason of that name.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn refuse(env: &Env, reason: &str, site: Option<String>, origin: Option<String>) -> JsValue {
    let refusal = match reason {
        "too-large" => Refusal::TooLarge { limit: beacon::MAX_BYTES },
        "too-many" => Refusal::TooMany { retry_after: PERIOD },
        _ => Refusal::Unavailable { part: "journal" },
    };
    refusals::note(site, refusal.reason());
    match Config::of(env) {
        Ok(config) => {
            answer::shown(answer::finish(Err(Failure::Refused(refusal)), &config, origin.as_deref()))
        }
        Err(mistake) => answer::shown(answer::misconfigured(&mistake)),
    }
}

/// The key under which a client's address is limited: its network, for an IPv6 client has 2^64
/// addresses of its own. The address serves for nothing else.
#[wasm_bindgen(wasm_bindgen = worker::wasm_bindgen)]
#[expect(unreachable_pub, reason = "wasm-bindgen exports what is pub")]
#[must_use]
pub fn network(address: &str) -> String {
    match address.contains(':') {
        true => address.split(':').take(4).collect::<Vec<_>>().join(":"),
        false => address.to_owned(),
    }
}

impl Heard<'_> {
    /// Takes what was sent, and notes as soon as it is known for which site it was meant.
    fn take(&self, config: &Config, meant: &mut Option<String>) -> Result<Taken, Failure> {
        match self.query {
            // What web-vitals' callbacks hand over names no site; the address does.
            Some(query) => {
                let Named { site, path } = Named::of(query);
                *meant = Some(site.clone());
                let reports = Report::parse(self.body, &path)?;
                let settings = self.accepted(config, &site)?;
                self.reports(config, settings, site, &reports)
            }
            None => {
                let beacon = Beacon::parse(self.body).inspect_err(|_| *meant = beacon::site(self.body))?;
                *meant = Some(beacon.site.clone());
                let settings = self.accepted(config, &beacon.site)?;
                self.beacon(config, settings, beacon)
            }
        }
    }

    fn beacon(&self, config: &Config, settings: &Site, beacon: Beacon) -> Result<Taken, Failure> {
        let told = Told::of(&beacon, self.visitor(settings), &settings.routes);
        let told = match told.reasons.is_empty() {
            true => told,
            false => {
                let limits = limits(&told);
                told.with_reasons_of_slow(&limits)
            }
        };
        let start = self.now.saturating_sub(beacon.age.into());
        let row = row(view_key(&beacon), beacon.seq, start, beacon.age, &told)?;
        let rows = BTreeMap::from([(shard::of(&beacon.id, config.shards.at(start)), vec![row])]);
        Ok(Taken { site: beacon.site, rows, answer: self.is_asked.then(|| within([&told])) })
    }

    fn reports(
        &self,
        config: &Config,
        settings: &Site,
        site: String,
        reports: &[Report],
    ) -> Result<Taken, Failure> {
        let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        let mut all = Vec::new();
        for report in reports {
            let told = Told::of_report(report, self.visitor(settings), &settings.routes);
            let row = row(report_key(report), 0, self.now, 0, &told)?;
            rows.entry(shard::of(&report.id, config.shards.at(self.now))).or_default().push(row);
            all.push(told);
        }
        Ok(Taken { site, rows, answer: self.is_asked.then(|| within(&all)) })
    }

    /// The visitor, as far as that site wants to know.
    const fn visitor(&self, settings: &Site) -> Visitor<'_> {
        let country = if settings.countries { self.country } else { None };
        Visitor { agent: self.agent, mobile_hint: self.mobile_hint, country }
    }

    /// The site, if it takes what comes from this page.
    fn accepted<'c>(&self, config: &'c Config, name: &str) -> Result<&'c Site, Refusal> {
        let site = config.sites.get(name);
        let site = site.ok_or_else(|| Refusal::UnknownSite { site: name.to_owned() })?;
        match self.origin {
            Some(origin) if origin != self.own && !site.allows(origin) => {
                Err(Refusal::ForeignOrigin { origin: origin.to_owned() })
            }
            _ => Ok(site),
        }
    }
}

/// What the query of an address says of the reports in its body.
struct Named {
    site: String,
    path: String,
}

impl Named {
    fn of(query: &str) -> Self {
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
struct Row<'a> {
    /// The view.
    k: String,
    /// The number of the send.
    q: u16,
    /// When the view began.
    s: u64,
    /// How long ago that was.
    a: u32,
    /// What it told.
    t: &'a RawValue,
}

fn row(key: String, seq: u16, start: u64, age: u32, told: &Told) -> Result<String, Failure> {
    let broken = |error: serde_json::Error| Failure::Broken(worker::Error::RustError(error.to_string()));
    let told = RawValue::from_string(told.text()).map_err(broken)?;
    serde_json::to_string(&Row { k: key, q: seq, s: start, a: age, t: &told }).map_err(broken)
}

/// The limits of a visit, by the budgets as they were last known.
fn limits(told: &Told) -> Limits {
    budgets::last_known().map(|budgets| budgets::limits(&budgets, &told.labels)).unwrap_or_default()
}

/// Which of the visit's values kept their budgets.
fn within<'a>(all: impl IntoIterator<Item = &'a Told>) -> String {
    let kept = |told: &'a Told| {
        let Limits(limits) = limits(told);
        let kept = told.values.iter().filter_map(move |(metric, value)| {
            Some(format!(r#""{}":{}"#, metric.name(), value <= limits.get(metric)?))
        });
        kept.collect::<Vec<_>>()
    };
    let all: Vec<String> = all.into_iter().flat_map(kept).collect();
    format!(r#"{{"within":{{{}}}}}"#, all.join(","))
}

/// The seconds in which wrangler.toml counts.
const PERIOD: u32 = 60;
