//! Exported metrics: scraped at `GET /metrics`, or sent by the cron. `export` writes each format.

use export::prometheus::{self, ExpositionFormat};
use export::{Gauge, otlp};
use wire::ApiError;
use wire::routes::Right;
use worker::{Env, Error, Request};

use crate::admission::Admission;
use crate::clock::now;
use crate::config::Config;
use crate::response::{self, HandlerError, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::ReadTotals;
use crate::{health, outbound};

/// `GET /metrics`: all sites that the request may read, or the one that it names.
pub(crate) async fn metrics(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let Admission { site, names_site, caller, .. } = admission;
    let is_selected = |name: &&String| !names_site || *name == site;
    let may_read = |name: &&String| {
        caller.may(Right::Read, name) || config.sites.get(*name).is_some_and(|site| site.public)
    };
    let sites: Vec<&String> = config.sites.keys().filter(is_selected).filter(may_read).collect();
    if sites.is_empty() {
        return Err(ApiError::Unauthorized { right: Right::Read }.into());
    }
    let mut all = Vec::new();
    for site in sites {
        all.push((call_coordinator(env, site, ReadTotals).await?, gauges(env, config, site).await?));
    }
    let accept = request.headers().get("accept")?.unwrap_or_default();
    let format = ExpositionFormat::from_accept(&accept);
    let page = prometheus::render(all.iter().map(|(totals, gauges)| (totals, gauges.as_slice())), format);
    response::conditional(request, format.content_type(), "no-store", page.into_bytes())
}

/// Sends a site's totals to the configured OpenTelemetry collector. They are cumulative, so the next export makes up
/// for a failed one.
pub(crate) async fn export_otlp(env: &Env, config: &Config, site: &str) -> Result<(), HandlerError> {
    let Some(outlet) = &config.exports.otlp else { return Ok(()) };
    let (totals, gauges) = (call_coordinator(env, site, ReadTotals).await?, gauges(env, config, site).await?);
    let body = otlp::body(&totals, &gauges, env!("CARGO_PKG_VERSION"), now()).to_string();
    let own = outlet.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> = own.chain([("content-type", "application/json")]).collect();
    match outbound::post(&outlet.metrics_url, &fields, body.into(), EXPORT_TIMEOUT_MS).await?.status {
        200..=299 => Ok(()),
        status => {
            Err(Error::RustError(format!("OpenTelemetry collector returned {status} to metrics")).into())
        }
    }
}

/// Reads the current values of a site.
async fn gauges(env: &Env, config: &Config, site: &str) -> Result<Vec<Gauge>, HandlerError> {
    let report = health::snapshot(env, config, site).await?;
    let mut gauges = vec![Gauge::Health(report.score)];
    if let Some(operations) = &report.operations {
        gauges.push(Gauge::Backlog(operations.queues.push));
        gauges.push(Gauge::Memory(operations.memory.bytes));
    }
    let last_beacon_at = report.details.as_ref().and_then(|details| details.last_beacon_at);
    gauges.extend(last_beacon_at.map(Gauge::LastBeaconAt));
    Ok(gauges)
}

const EXPORT_TIMEOUT_MS: u32 = 10_000;
