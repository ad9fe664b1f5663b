//! `POST /v1/vitals`: parse, reduce, hand to the shard, and acknowledge only what it has stored.
//! Parsing happens here, before the object, so that malformed floods never reach a single thread.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use ledger::{Limits, Told, Visitor, report_key, view_key};
use serde::Serialize;
use serde_json::value::RawValue;
use wire::report::{self, Report};
use wire::{Beacon, Refusal, beacon};
use worker::{Context, Date, Env, Request, Url};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::{budgets, refusals, shard};

pub(crate) async fn take(mut request: Request, env: &Env, config: &Config, context: &Context) -> Outcome {
    let mut site = None;
    let outcome = taken(&mut request, env, config, &mut site).await;
    if let Err(Failure::Refused(refusal)) = &outcome {
        let site = site.filter(|site| config.sites.contains_key(site));
        refusals::note(context, env, site, refusal.reason());
    }
    outcome
}

/// Takes what is sent, and notes as soon as it is known for which site it was meant.
async fn taken(request: &mut Request, env: &Env, config: &Config, meant: &mut Option<String>) -> Outcome {
    let address = request.headers().get("cf-connecting-ip")?.unwrap_or_default();
    within_rate(env, "INGEST_RATE", network(&address)).await?;
    let url = request.url()?;
    match url.query() {
        // What web-vitals' callbacks hand over names no site; the address does.
        Some(query) => {
            let named = Named::of(&url, query);
            *meant = Some(named.site.clone());
            let body = body(request, report::MAX_BYTES).await?;
            let reports = Report::parse(&body, &named.path)?;
            reported(request, &url, env, config, &named.site, reports).await
        }
        None => {
            let body = body(request, beacon::MAX_BYTES).await?;
            let beacon = Beacon::parse(&body).inspect_err(|_| *meant = beacon::site(&body))?;
            *meant = Some(beacon.site.clone());
            told(request, &url, env, config, &beacon).await
        }
    }
}

async fn told(request: &Request, url: &Url, env: &Env, config: &Config, beacon: &Beacon) -> Outcome {
    may_send(request, url, env, config, &beacon.site).await?;
    let (agent, mobile_hint) = visitor(request)?;
    let told = Told::of(beacon, Visitor { agent: &agent, mobile_hint: mobile_hint.as_deref() });
    let start = Date::now().as_millis().saturating_sub(beacon.age.into());
    let row = row(view_key(beacon), beacon.seq, start, beacon.age, &told)?;
    shard::tell(env, &beacon.site, shard::of(&beacon.id, config.shards), row).await?;
    stored(env, &[told]).await
}

/// The answer to what is stored, and stays acknowledged when the budgets cannot be read.
async fn stored(env: &Env, all: &[Told]) -> Outcome {
    let kept = match budgets::in_force(env).await {
        Ok(budgets) => within(all.iter().map(|told| (told, budgets::limits(&budgets, &told.labels)))),
        Err(error) => {
            worker::console_error!("{error}; what was sent is stored, and not judged");
            within([])
        }
    };
    Ok(answer::json(kept)?)
}

async fn reported(
    request: &Request,
    url: &Url,
    env: &Env,
    config: &Config,
    site: &str,
    reports: Vec<Report>,
) -> Outcome {
    may_send(request, url, env, config, site).await?;
    let (agent, mobile_hint) = visitor(request)?;
    let now = Date::now().as_millis();
    let mut rows: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut all = Vec::new();
    for report in reports {
        let told = Told::of_report(&report, Visitor { agent: &agent, mobile_hint: mobile_hint.as_deref() });
        let shard = shard::of(&report.id, config.shards);
        rows.entry(shard).or_default().push(row(report_key(&report), 0, now, 0, &told)?);
        all.push(told);
    }
    for (shard, rows) in rows {
        // Should a later one fail, all are sent again; those that are stored already count once.
        shard::tell(env, site, shard, rows.join(",")).await?;
    }
    stored(env, &all).await
}

/// What the query of an address says of the reports in its body.
struct Named {
    site: String,
    path: String,
}

impl Named {
    fn of(url: &Url, query: &str) -> Self {
        let named =
            |name| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let site = if query.is_empty() { None } else { named("site") };
        Self { site: site.unwrap_or_default(), path: named("path").unwrap_or_default() }
    }
}

/// Whether that site takes what comes from this page, and has not had too much.
async fn may_send(
    request: &Request,
    url: &Url,
    env: &Env,
    config: &Config,
    name: &str,
) -> Result<(), Failure> {
    let Some(site) = config.sites.get(name) else {
        return Err(Refusal::UnknownSite { site: name.to_owned() }.into());
    };
    if let Some(origin) = request.headers().get("origin")?
        && !site.allows(&origin)
        && url.origin().ascii_serialization() != origin
    {
        return Err(Refusal::ForeignOrigin { origin }.into());
    }
    within_rate(env, "SITE_RATE", name.to_owned()).await
}

fn visitor(request: &Request) -> worker::Result<(String, Option<String>)> {
    let headers = request.headers();
    Ok((headers.get("user-agent")?.unwrap_or_default(), headers.get("sec-ch-ua-mobile")?))
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

/// Which of the visit's values kept their budgets.
fn within<'a>(all: impl IntoIterator<Item = (&'a Told, Limits)>) -> String {
    let kept = |(told, limits): (&'a Told, Limits)| {
        let kept = told.values.iter().filter_map(move |(metric, value)| {
            Some(format!(r#""{}":{}"#, metric.name(), value <= limits.0.get(metric)?))
        });
        kept.collect::<Vec<_>>()
    };
    let all: Vec<String> = all.into_iter().flat_map(kept).collect();
    format!(r#"{{"within":{{{}}}}}"#, all.join(","))
}

/// The body, read no further than it may be long, whatever Content-Length claims.
async fn body(request: &mut Request, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut stream = request.stream()?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend(chunk?);
        if body.len() > limit {
            return Err(Refusal::TooLarge { limit }.into());
        }
    }
    Ok(body)
}

/// One more under that key. The client's address serves as such a key, and for nothing else.
async fn within_rate(env: &Env, binding: &str, key: String) -> Result<(), Failure> {
    let Ok(limiter) = env.rate_limiter(binding) else { return Ok(()) };
    match limiter.limit(key).await {
        Ok(outcome) if !outcome.success => Err(Refusal::TooMany { retry_after: PERIOD }.into()),
        // A limiter that fails must not cost a visit.
        _ => Ok(()),
    }
}

/// The network of an address: an IPv6 client has 2^64 addresses of its own.
fn network(address: &str) -> String {
    match address.contains(':') {
        true => address.split(':').take(4).collect::<Vec<_>>().join(":"),
        false => address.to_owned(),
    }
}

/// The seconds in which wrangler.toml counts.
const PERIOD: u32 = 60;
