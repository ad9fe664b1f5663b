//! The Worker's entry points and router. workerd calls worker/js/shim.js, which hands beacons to [`ingest`], cached
//! pages and cache calls to [`edge`], and everything else to [`fetch`]. Decisions about vitals, windows,
//! budgets and verdicts are made in crates that do not depend on the platform.

mod access;
mod admission;
mod alerts;
mod audit;
mod backup;
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
#[cfg(test)]
mod messages_golden;
mod outbound;
mod performance;
mod public_answer;
mod push;
mod query_api;
mod registry;
mod rejection_counter;
mod response;
mod sample_export;
mod shard;
mod shard_client;
mod shard_protocol;
mod shard_reply;
mod site_admin;
mod sql;
mod trace_export;
mod traffic_collector;

use wire::ApiError;
use wire::routes::{self, Endpoint, Resolution};
use worker::{Context, Env, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use crate::admission::Admission;
use crate::config::Config;
use crate::response::{HandlerError, HandlerResult};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let origin = request.headers().get("origin")?;
    let path = request.path();
    let resolution = routes::resolve(request.method().as_ref(), &path);
    registry::refresh(&env).await;
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

/// Admits a request to its endpoint, answers it, and records it in the audit log if it changes something.
async fn call(endpoint: Endpoint, request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let endpoint = query_api::effective_endpoint(endpoint, request)?;
    let admission = admission::admit(endpoint, request, config).await?;
    let outcome = answer(endpoint, request, env, config, &admission).await;
    if endpoint.access().is_audited() && !admission.is_continuation.get() {
        audit::record(env, endpoint, &admission, &outcome).await;
    }
    outcome
}

/// Calls the handler of an endpoint.
async fn answer(
    endpoint: Endpoint,
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    match endpoint {
        Endpoint::Summary => query_api::summary(request, env, config, admission).await,
        Endpoint::Series => query_api::series(request, env, config, admission).await,
        Endpoint::Routes => query_api::routes(request, env, config, admission).await,
        Endpoint::Distribution => query_api::distribution(request, env, config, admission).await,
        Endpoint::Compare => query_api::compare(request, env, config, admission).await,
        Endpoint::Causes => causes::causes(request, env, config, admission).await,
        Endpoint::LabReport => lab::list(request, env, admission).await,
        Endpoint::LabUpload => lab::upload(request, env, admission).await,
        Endpoint::Live => live::listen(request, env, config, admission).await,
        Endpoint::BudgetReport => query_api::budget_report(request, env, config, admission).await,
        Endpoint::PathLimits => query_api::path_limits(request, env).await,
        Endpoint::Badge => badge::badge(request, env, config, admission).await,
        Endpoint::PerformanceDashboard => performance::dashboard(request, env, config, admission).await,
        Endpoint::PerformanceMetrics => performance::metrics(request, env, config, admission).await,
        Endpoint::PerformanceQueries => performance::queries(request, env, config, admission).await,
        Endpoint::PerformanceBottlenecks => performance::bottlenecks(request, env, config, admission).await,
        Endpoint::PerformanceRecommendations => {
            performance::recommendations(request, env, config, admission).await
        }
        Endpoint::PerformanceAnalytics => performance::analytics(request, env, config, admission).await,
        Endpoint::MonitoringStart => performance::set_monitoring(env, config, admission, true).await,
        Endpoint::MonitoringStop => performance::set_monitoring(env, config, admission, false).await,
        Endpoint::Health => health::advanced(request, env, config, admission).await,
        Endpoint::HealthHistory => history::history(request, env, config, admission).await,
        Endpoint::Metrics => export::metrics(request, env, config, admission).await,
        Endpoint::PushStatus => push::status(env, admission).await,
        Endpoint::PushRetry => push::retry(request, env, admission).await,
        Endpoint::Alerts => alerts::list(env, admission).await,
        Endpoint::AlertAcknowledge => alerts::acknowledge(request, env, admission).await,
        Endpoint::AlertSilence => alerts::silence(request, env, admission).await,
        Endpoint::AlertUnsilence => alerts::unsilence(request, env, admission).await,
        Endpoint::Audit => audit::list(request, env, admission).await,
        Endpoint::Sites => site_admin::list(env, config).await,
        Endpoint::SiteConfigure => site_admin::configure(request, env, config, admission).await,
        Endpoint::SiteErase => site_admin::erase(env, config, admission).await,
        Endpoint::SiteTokens => site_admin::tokens(env, config, admission).await,
        Endpoint::TokenCreate => site_admin::create_token(request, env, config, admission).await,
        Endpoint::TokenRevoke => site_admin::revoke_tokens(request, env, config, admission).await,
        Endpoint::SiteBackup => backup::backup(request, env, config, admission).await,
        Endpoint::SiteRestore => backup::restore(request, env, config, admission).await,
        // `fetch` answers these without CORS and without a site.
        Endpoint::Liveness | Endpoint::IngestPreflight => Err(ApiError::NotFound.into()),
        // shim.js hands beacons to `ingest` and cache calls to worker/js/admin.js.
        Endpoint::Ingest
        | Endpoint::CachePurge
        | Endpoint::CacheWarm
        | Endpoint::CacheAnalytics
        | Endpoint::CacheExplain
        | Endpoint::CacheValueRead
        | Endpoint::CacheValueStore
        | Endpoint::CachePurges => Err(ApiError::NotFound.into()),
    }
}

/// Runs the cron: wakes every shard and exports the totals of every site. A wake re-arms an alarm that was
/// lost in a crash, rolls up old windows of a site without visits and evaluates its alerts.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    registry::refresh(&env).await;
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
