//! `POST /v1/vitals`: parse, reduce, hand to the shard, and acknowledge only what it has stored.
//! Parsing happens here, before the object, so that malformed floods never reach a single thread.

use futures_util::StreamExt;
use ledger::{Told, Visitor, view_key};
use serde::Serialize;
use serde_json::value::RawValue;
use wire::beacon::MAX_BYTES;
use wire::{Beacon, Refusal};
use worker::{Date, Env, Request};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::{budgets, shard};

pub(crate) async fn take(mut request: Request, env: &Env, config: &Config) -> Outcome {
    let now = Date::now().as_millis();
    within_rate(&request, env).await?;
    let body = body(&mut request).await?;
    let beacon = Beacon::parse(&body)?;
    let site = config.sites.get(&beacon.site);
    let Some(site) = site else { return Err(Refusal::UnknownSite { site: beacon.site }.into()) };
    let headers = request.headers();
    if let Some(origin) = headers.get("origin")?
        && !site.allows(&origin)
        && !is_own(&request, &origin)
    {
        return Err(Refusal::ForeignOrigin { origin }.into());
    }
    let agent = headers.get("user-agent")?.unwrap_or_default();
    let mobile_hint = headers.get("sec-ch-ua-mobile")?;
    let told = Told::of(&beacon, Visitor { agent: &agent, mobile_hint: mobile_hint.as_deref() });

    shard::tell(env, config, &beacon, row(&beacon, &told, now)?).await?;
    let budgets = budgets::in_force(env).await?;
    Ok(answer::json(within(&told, &budgets::limits(&budgets, &told.labels)))?)
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

fn row(beacon: &Beacon, told: &Told, now: u64) -> Result<String, Failure> {
    let broken = |error: serde_json::Error| Failure::Broken(worker::Error::RustError(error.to_string()));
    let told = RawValue::from_string(told.text()).map_err(broken)?;
    let start = now.saturating_sub(beacon.age.into());
    let row = Row { k: view_key(beacon), q: beacon.seq, s: start, a: beacon.age, t: &told };
    serde_json::to_string(&row).map_err(broken)
}

/// Which of the visit's values kept their budgets.
fn within(told: &Told, limits: &ledger::Limits) -> String {
    let kept: Vec<String> = told
        .values
        .iter()
        .filter_map(|(metric, value)| {
            Some(format!(r#""{}":{}"#, metric.name(), value <= limits.0.get(metric)?))
        })
        .collect();
    format!(r#"{{"within":{{{}}}}}"#, kept.join(","))
}

/// The body, read no further than a beacon may be long, whatever Content-Length claims.
async fn body(request: &mut Request) -> Result<Vec<u8>, Failure> {
    let mut stream = request.stream()?;
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend(chunk?);
        if body.len() > MAX_BYTES {
            return Err(Refusal::TooLarge { limit: MAX_BYTES }.into());
        }
    }
    Ok(body)
}

/// The client's address serves as the key of the limit, and for nothing else.
async fn within_rate(request: &Request, env: &Env) -> Result<(), Failure> {
    let Ok(limiter) = env.rate_limiter("INGEST_RATE") else { return Ok(()) };
    let address = request.headers().get("cf-connecting-ip")?.unwrap_or_default();
    match limiter.limit(network(&address)).await {
        Ok(outcome) if !outcome.success => Err(Refusal::TooMany { retry_after: 60 }.into()),
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

/// Whether the page was served by this Worker itself.
fn is_own(request: &Request, origin: &str) -> bool {
    request.url().is_ok_and(|url| url.origin().ascii_serialization() == origin)
}
