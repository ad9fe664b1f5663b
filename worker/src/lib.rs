//! The Worker's entry points and router. workerd calls worker/js/shim.js, which hands beacons to [`ingest`], cached
//! pages and cache calls to [`edge`], and everything else to [`fetch`]. Decisions about vitals, windows,
//! budgets and verdicts are made in crates that do not depend on the platform.

mod alerts;
mod auth;
mod badge;
mod budgets;
mod causes;
mod clock;
mod config;
mod deadline;
mod edge;
mod export;
mod health;
mod history;
mod ingest;
mod lab;
mod live;
mod outbound;
mod performance;
mod push;
mod query_api;
mod rejection_counter;
mod response;
mod sample_export;
mod shard;
mod shard_client;
mod shard_protocol;
mod shard_reply;
mod sql;
mod trace_export;
mod traffic_collector;

use wire::ApiError;
use wire::routes::{self, Endpoint, Resolution};
use worker::{Context, Env, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use crate::config::Config;
use crate::response::{HandlerError, HandlerResult};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let origin = request.headers().get("origin")?;
    let path = request.path();
    let resolution = routes::resolve(request.method().as_ref(), &path);
    let config = match Config::load(&env) {
        Ok(config) => config,
        Err(_) if resolution == Resolution::Endpoint(Endpoint::Liveness) => return response::liveness(false),
        Err(mistake) => return response::misconfigured(&mistake),
    };
    let outcome = match resolution {
        Resolution::Endpoint(Endpoint::Liveness) => {
            return response::liveness(edge::has_valid_config(&env));
        }
        Resolution::Endpoint(Endpoint::IngestPreflight) => {
            return response::preflight(&config, origin.as_deref());
        }
        Resolution::Endpoint(endpoint) => call(endpoint, &request, &env, &config).await,
        Resolution::MethodNotAllowed { allow } => Err(ApiError::MethodNotAllowed { allow }.into()),
        Resolution::NotFound => match env.assets("ASSETS") {
            Ok(assets) => return assets.fetch_request(request).await,
            Err(_) => Err(ApiError::NotFound.into()),
        },
    };
    if let Err(HandlerError::Internal(error)) = &outcome
        && sample_export::queue_error(
            "Broken",
            error.to_string(),
            routes::known_path(&path).unwrap_or("other"),
        )
    {
        context.wait_until(sample_export::send_errors(env.clone()));
    }
    response::finish(outcome, &config, origin.as_deref())
}

/// Calls the handler of an endpoint.
async fn call(endpoint: Endpoint, request: &Request, env: &Env, config: &Config) -> HandlerResult {
    match endpoint {
        Endpoint::Summary => query_api::summary(request, env, config).await,
        Endpoint::Series => query_api::series(request, env, config).await,
        Endpoint::Routes => query_api::routes(request, env, config).await,
        Endpoint::Distribution => query_api::distribution(request, env, config).await,
        Endpoint::Compare => query_api::compare(request, env, config).await,
        Endpoint::Causes => causes::causes(request, env, config).await,
        Endpoint::LabReport => lab::list(request, env, config).await,
        Endpoint::LabUpload => lab::upload(request, env, config).await,
        Endpoint::Live => live::listen(request, env, config).await,
        Endpoint::BudgetReport => query_api::budget_report(request, env, config).await,
        Endpoint::PathLimits => query_api::path_limits(request, env).await,
        Endpoint::Badge => badge::badge(request, env, config).await,
        Endpoint::PerformanceDashboard => performance::dashboard(request, env, config).await,
        Endpoint::PerformanceMetrics => performance::metrics(request, env, config).await,
        Endpoint::PerformanceQueries => performance::queries(request, env, config).await,
        Endpoint::PerformanceBottlenecks => performance::bottlenecks(request, env, config).await,
        Endpoint::PerformanceRecommendations => performance::recommendations(request, env, config).await,
        Endpoint::PerformanceAnalytics => performance::analytics(request, env, config).await,
        Endpoint::MonitoringStart => performance::set_monitoring(request, env, config, true).await,
        Endpoint::MonitoringStop => performance::set_monitoring(request, env, config, false).await,
        Endpoint::Health => health::advanced(request, env, config).await,
        Endpoint::HealthHistory => history::history(request, env, config).await,
        Endpoint::Metrics => export::metrics(request, env, config).await,
        Endpoint::PushStatus => push::status(request, env, config).await,
        Endpoint::PushRetry => push::retry(request, env, config).await,
        Endpoint::Alerts => alerts::list(request, env, config).await,
        Endpoint::AlertAcknowledge => alerts::acknowledge(request, env, config).await,
        Endpoint::AlertSilence => alerts::silence(request, env, config).await,
        Endpoint::AlertUnsilence => alerts::unsilence(request, env, config).await,
        // `fetch` answers these without CORS and without a site.
        Endpoint::Liveness | Endpoint::IngestPreflight => Err(ApiError::NotFound.into()),
        // shim.js hands beacons to `ingest` and cache calls to worker/js/admin.js.
        Endpoint::Ingest
        | Endpoint::CachePurge
        | Endpoint::CacheWarm
        | Endpoint::CacheAnalytics
        | Endpoint::CacheExplain => Err(ApiError::NotFound.into()),
    }
}

/// Runs the cron: wakes every shard and exports the totals of every site. A wake re-arms an alarm that was
/// lost in a crash, rolls up old windows of a site without visits and evaluates its alerts.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    let config = match Config::load(&env) {
        Ok(config) => config,
        Err(mistake) => return worker::console_error!("{mistake}"),
    };
    // Counts that no earlier request could flush.
    rejection_counter::flush_rejections(env.clone()).await;
    traffic_collector::flush_traffic(env.clone()).await;
    for site in config.sites.keys() {
        for (shard, failure) in shard_client::wake_all(&env, &config, site).await {
            worker::console_error!(
                "waking shard {shard} of site {site} failed, the next cron run retries: {failure:?}"
            );
        }
        if let Err(failure) = export::export_otlp(&env, &config, site).await {
            worker::console_error!(
                "OTLP export of site {site} failed, the next export includes its totals: {failure:?}"
            );
        }
    }
}
