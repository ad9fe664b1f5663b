//! The Worker: a pump. It translates requests, asks the cores, and performs what they say. Every
//! decision about vitals, windows, budgets and verdicts is made in a crate that knows no Worker. What
//! workerd calls is shim.js, which brings beacons to [`ingest`] and everything else to [`fetch`].

mod alerts;
mod auth;
mod badge;
mod budgets;
mod causes;
mod clock;
mod config;
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
mod trace_export;
mod traffic_collector;

use wire::ApiError;
use worker::{Context, Env, Method, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use crate::config::Config;
use crate::response::HandlerError;
use crate::shard_client::{COORDINATOR, call};
use crate::shard_protocol::Wake;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let origin = request.headers().get("origin")?;
    let path = request.path();
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    let config = match Config::load(&env) {
        Ok(_) if is_read && path == "/api/health" => return response::liveness(edge::has_valid_config(&env)),
        Err(_) if is_read && path == "/api/health" => return response::liveness(false),
        Ok(config) => config,
        Err(mistake) => return response::misconfigured(&mistake),
    };
    let outcome = match (request.method(), path.as_str()) {
        (Method::Options, "/v1/vitals") => return response::preflight(&config, origin.as_deref()),
        (Method::Get | Method::Head, "/api/vitals/summary") => {
            query_api::summary(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/series") => {
            query_api::series(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/routes") => {
            query_api::routes(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/distribution") => {
            query_api::distribution(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/compare") => {
            query_api::compare(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/causes") => causes::causes(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/budgets") => {
            query_api::budget_report(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/budgets/limits") => query_api::path_limits(&request, &env).await,
        (Method::Get | Method::Head, "/api/lab") => lab::list(&request, &env, &config).await,
        (Method::Post, "/api/lab") => lab::upload(&request, &env, &config).await,
        (_, "/api/lab") => Err(ApiError::MethodNotAllowed { allow: "GET, HEAD, POST" }.into()),
        (Method::Get, "/api/live") => live::listen(&request, &env, &config).await,
        (Method::Get | Method::Head, "/badge.svg") => badge::badge(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/health/advanced") => {
            health::advanced(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/health/history") => {
            history::history(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/dashboard") => {
            performance::dashboard(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/metrics") => {
            performance::metrics(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/queries") => {
            performance::queries(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/bottlenecks") => {
            performance::bottlenecks(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/recommendations") => {
            performance::recommendations(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/performance/analytics") => {
            performance::analytics(&request, &env, &config).await
        }
        (Method::Post, "/api/performance/monitoring/start") => {
            performance::set_monitoring(&request, &env, &config, true).await
        }
        (Method::Post, "/api/performance/monitoring/stop") => {
            performance::set_monitoring(&request, &env, &config, false).await
        }
        (Method::Get | Method::Head, "/metrics") => export::metrics(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/push") => push::status(&request, &env, &config).await,
        (Method::Post, "/api/push/retry") => push::retry(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/alerts") => alerts::list(&request, &env, &config).await,
        (Method::Post, "/api/alerts/ack") => alerts::acknowledge(&request, &env, &config).await,
        (Method::Post, "/api/alerts/silence") => alerts::silence(&request, &env, &config).await,
        (Method::Post, "/api/alerts/unsilence") => alerts::unsilence(&request, &env, &config).await,
        (_, "/v1/vitals") => Err(ApiError::MethodNotAllowed { allow: "POST, OPTIONS" }.into()),
        (_, "/api/live") => Err(ApiError::MethodNotAllowed { allow: "GET" }.into()),
        (_, path) if POST_PATHS.contains(&path) => Err(ApiError::MethodNotAllowed { allow: "POST" }.into()),
        (_, path) if READ_PATHS.contains(&path) => {
            Err(ApiError::MethodNotAllowed { allow: "GET, HEAD" }.into())
        }
        // Everything else is a file, or nothing.
        _ => match env.assets("ASSETS") {
            Ok(assets) => return assets.fetch_request(request).await,
            Err(_) => Err(ApiError::NotFound.into()),
        },
    };
    if let Err(HandlerError::Internal(error)) = &outcome
        && sample_export::queue_error("Broken", error.to_string(), known_path(&path))
    {
        context.wait_until(sample_export::send_errors(env.clone()));
    }
    response::finish(outcome, &config, origin.as_deref())
}

/// The cron pokes every shard, so that an alarm that was lost with a crash is armed again and old
/// windows are rolled up on a site that nobody visits; and looks at every site, so that what raises an
/// alarm is seen though nobody asks.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    let config = match Config::load(&env) {
        Ok(config) => config,
        Err(mistake) => return worker::console_error!("{mistake}"),
    };
    // What could not be carried when it was refused.
    rejection_counter::carry_refusals(env.clone()).await;
    traffic_collector::carry_traffic(env.clone()).await;
    for site in config.sites.keys() {
        for shard in config.shards.indices() {
            let coordinated_site = (shard == COORDINATOR).then(|| site.clone());
            if let Err(failure) = call(&env, site, shard, Wake { coordinated_site }).await {
                worker::console_error!(
                    "shard {shard} of {site} not woken, the next cron does it: {failure:?}"
                );
            }
        }
        if let Err(failure) = export::export_otlp(&env, &config, site).await {
            worker::console_error!(
                "the totals of {site} were not exported, the next export has them: {failure:?}"
            );
        }
    }
}

/// The path as an error may name it: one of ours, or none.
fn known_path(path: &str) -> &str {
    let known = READ_PATHS.iter().chain(POST_PATHS).find(|known| **known == path);
    known.copied().unwrap_or("other")
}

/// What can be read, and not written.
const READ_PATHS: &[&str] = &[
    "/api/vitals/summary",
    "/api/vitals/series",
    "/api/vitals/routes",
    "/api/vitals/distribution",
    "/api/vitals/compare",
    "/api/vitals/causes",
    "/api/budgets",
    "/api/budgets/limits",
    "/api/health",
    "/api/health/advanced",
    "/api/health/history",
    "/api/push",
    "/api/alerts",
    "/metrics",
    "/api/performance/dashboard",
    "/api/performance/metrics",
    "/api/performance/queries",
    "/api/performance/bottlenecks",
    "/api/performance/recommendations",
    "/api/performance/analytics",
    "/badge.svg",
];

/// What is called, to change something.
const POST_PATHS: &[&str] = &[
    "/api/push/retry",
    "/api/alerts/ack",
    "/api/alerts/silence",
    "/api/alerts/unsilence",
    "/api/performance/monitoring/start",
    "/api/performance/monitoring/stop",
];
