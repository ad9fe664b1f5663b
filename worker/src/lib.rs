//! The Worker: a pump. It translates requests, asks the cores, and performs what they say. Every
//! decision about vitals, windows, budgets and verdicts is made in a crate that knows no Worker. What
//! workerd calls is shim.js, which brings beacons to [`ingest`] and everything else to [`fetch`].

mod alarm;
mod alerts;
mod answer;
mod badge;
mod budgets;
mod causes;
mod config;
mod edge;
mod export;
mod health;
mod history;
mod hours;
mod ingest;
mod lab;
mod leave;
mod live;
mod performance;
mod post;
mod push;
mod read;
mod refusals;
mod sampled;
mod shard;
mod standing;
mod traces;
mod traffic;
mod verdicts;
mod watching;

use wire::Refusal;
use worker::{Context, Env, Method, Request, Response, Result, ScheduleContext, ScheduledEvent, event};

use crate::answer::Failure;
use crate::config::Config;

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let origin = request.headers().get("origin")?;
    let path = request.path();
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    let config = match Config::of(&env) {
        Ok(_) if is_read && path == "/api/health" => return answer::alive(edge::is_configured(&env)),
        Err(_) if is_read && path == "/api/health" => return answer::alive(false),
        Ok(config) => config,
        Err(mistake) => return answer::misconfigured(&mistake),
    };
    let outcome = match (request.method(), path.as_str()) {
        (Method::Options, "/v1/vitals") => return answer::preflight(&config, origin.as_deref()),
        (Method::Get | Method::Head, "/api/vitals/summary") => read::summary(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/vitals/series") => read::series(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/vitals/routes") => read::routes(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/vitals/distribution") => {
            read::distribution(&request, &env, &config).await
        }
        (Method::Get | Method::Head, "/api/vitals/compare") => read::compare(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/vitals/causes") => causes::causes(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/budgets") => read::standing(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/budgets/limits") => read::limits(&request, &env).await,
        (Method::Get | Method::Head, "/api/lab") => lab::shown(&request, &env, &config).await,
        (Method::Post, "/api/lab") => lab::take(&request, &env, &config).await,
        (_, "/api/lab") => Err(Refusal::WrongMethod { allow: "GET, HEAD, POST" }.into()),
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
            performance::monitor(&request, &env, &config, true).await
        }
        (Method::Post, "/api/performance/monitoring/stop") => {
            performance::monitor(&request, &env, &config, false).await
        }
        (Method::Get | Method::Head, "/metrics") => export::metrics(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/push") => push::shown(&request, &env, &config).await,
        (Method::Post, "/api/push/retry") => push::retry(&request, &env, &config).await,
        (Method::Get | Method::Head, "/api/alerts") => alerts::shown(&request, &env, &config).await,
        (Method::Post, "/api/alerts/ack") => alerts::ack(&request, &env, &config).await,
        (Method::Post, "/api/alerts/silence") => alerts::silence(&request, &env, &config).await,
        (Method::Post, "/api/alerts/unsilence") => alerts::unsilence(&request, &env, &config).await,
        (_, "/v1/vitals") => Err(Refusal::WrongMethod { allow: "POST, OPTIONS" }.into()),
        (_, "/api/live") => Err(Refusal::WrongMethod { allow: "GET" }.into()),
        (_, path) if CALLED.contains(&path) => Err(Refusal::WrongMethod { allow: "POST" }.into()),
        (_, path) if READ.contains(&path) => Err(Refusal::WrongMethod { allow: "GET, HEAD" }.into()),
        // Everything else is a file, or nothing.
        _ => match env.assets("ASSETS") {
            Ok(assets) => return assets.fetch_request(request).await,
            Err(_) => Err(Refusal::NotFound.into()),
        },
    };
    if let Err(Failure::Broken(error)) = &outcome
        && sampled::note("Broken", error.to_string(), named(&path))
    {
        context.wait_until(sampled::send_failures(env.clone()));
    }
    answer::finish(outcome, &config, origin.as_deref())
}

/// The cron pokes every shard, so that an alarm that was lost with a crash is armed again and old
/// windows are rolled up on a site that nobody visits; and looks at every site, so that what raises an
/// alarm is seen though nobody asks.
#[event(scheduled)]
async fn scheduled(_: ScheduledEvent, env: Env, _: ScheduleContext) {
    let config = match Config::of(&env) {
        Ok(config) => config,
        Err(mistake) => return worker::console_error!("{mistake}"),
    };
    // What could not be carried when it was refused.
    refusals::carry_refusals(env.clone()).await;
    traffic::carry_traffic(env.clone()).await;
    for site in config.sites.keys() {
        for shard in config.shards.all() {
            if let Err(error) = shard::poke(&env, site, shard).await {
                worker::console_error!("shard {shard} of {site} could not be woken: {error}");
            }
        }
        if let Err(failure) = export::send(&env, &config, site).await {
            worker::console_error!(
                "the totals of {site} were not exported, the next export has them: {failure:?}"
            );
        }
    }
}

/// The path as an error may name it: one of ours, or none.
fn named(path: &str) -> &str {
    let known = READ.iter().chain(CALLED).find(|known| **known == path);
    known.copied().unwrap_or("other")
}

/// What can be read, and not written.
const READ: &[&str] = &[
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
const CALLED: &[&str] = &[
    "/api/push/retry",
    "/api/alerts/ack",
    "/api/alerts/silence",
    "/api/alerts/unsilence",
    "/api/performance/monitoring/start",
    "/api/performance/monitoring/stop",
];
