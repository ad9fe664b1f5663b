//! `GET /api/performance/…`: where visitors lose time, what would help, where it is going; and the calls that
//! stop and start the monitoring of a site. It asks, and lays the answers side by side; what they mean is
//! `insight`'s to say.

use std::collections::BTreeMap;

use budget::Budgets;
use insight::advice::advise;
use insight::bottleneck::rank;
use insight::bulletin::{Cache, Requests};
use insight::figures::{natural, stats};
use insight::findings::{self, Findings};
use insight::queries::Queries;
use insight::release::{self, Page};
use insight::trend::{Day, Trend};
use ledger::{Dimension, Query, Span, Tally};
use serde_json::{Value, json};
use wire::Metric;
use worker::{Env, Error, Request, Result};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::read::{Asked, JSON, PAGE};
use crate::shard::{self, Shard, causes, now};
use crate::{budgets, health, leave, traffic, watching};

/// All at a glance: the health with its reasons, what costs most, and what would help.
pub(crate) async fn dashboard(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let known = health::whole_of(env, config, &asked.site).await?.bulletin;
    // What the machinery does is told to those who hold a token, here as there.
    let operations = if leave::reads(request, env)? { known.operations } else { None };
    let (query, found) = found(env, config, &asked).await?;
    let budgets = found.budgets;
    let places = found.findings.places(&budgets);
    let (mut bottlenecks, mut advice) = (rank(&places), advise(&places));
    bottlenecks.truncate(MOST_AT_A_GLANCE);
    advice.truncate(MOST_AT_A_GLANCE);
    let mut details = known.details;
    if let Some(details) = &mut details {
        details.vitals.truncate(MOST_AT_A_GLANCE);
    }
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "health": known.health,
        "score": known.score,
        "parts": known.parts,
        "details": details,
        "bottlenecks": bottlenecks,
        "recommendations": advice,
        "alerts": operations.map(|operations| operations.alerts),
    });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// The figures of the span: vitals, answers, the cache, queries.
pub(crate) async fn metrics(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let traffic = traffic::read(env, &asked.site, query.from, query.to).await?;
    let total = groups.total();
    let vitals: BTreeMap<&str, Value> = total
        .metrics
        .iter()
        .map(|(metric, tally)| Ok((metric.name(), serde_json::to_value(stats(*metric, Some(tally)))?)))
        .collect::<core::result::Result<_, serde_json::Error>>()
        .map_err(Error::from)?;
    let span = query.to.0.saturating_sub(query.from.0);
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "views": total.views,
        "vitals": vitals,
        "requests": Requests::of(&traffic, span),
        "cache": Cache::of(&traffic),
        "queries": Queries::of(&traffic, None).queries,
    });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// The queries behind a page, or all of them. The edge tells them apart by route and time alone.
pub(crate) async fn queries(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", &[], None)?;
    let page = query.only.iter().find_map(|(dimension, value)| match dimension {
        Dimension::Route => Some(value.as_str()),
        _ => None,
    });
    let traffic = traffic::read(env, &asked.site, query.from, query.to).await?;
    let Queries { found, routes, answers, asked: asked_for, origin_seconds, queries, more, elsewhere } =
        Queries::of(&traffic, page);
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "page": page,
        "found": found,
        "routes": routes,
        "answers": answers,
        "asked": asked_for,
        "origin_seconds": origin_seconds,
        "queries": queries,
        "more": more,
        "elsewhere": elsewhere,
    });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// Where visitors lose time, the dearest first.
pub(crate) async fn bottlenecks(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let (query, found) = found(env, config, &asked).await?;
    let mut all = rank(&found.findings.places(&found.budgets));
    all.truncate(MOST_LINES);
    let document =
        json!({ "v": 1, "site": asked.site, "from": query.from, "to": query.to, "bottlenecks": all });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// What would help, with its evidence, the greatest gain first.
pub(crate) async fn recommendations(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let (query, found) = found(env, config, &asked).await?;
    let mut all = advise(&found.findings.places(&found.budgets));
    all.truncate(MOST_LINES);
    let document =
        json!({ "v": 1, "site": asked.site, "from": query.from, "to": query.to, "recommendations": all });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// Where each vital is going, day by day; and what a release did, where two are named.
pub(crate) async fn analytics(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", &[], Some(Span::Day))?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let mut days: BTreeMap<Metric, Vec<Day>> = BTreeMap::new();
    for (group, cell) in &groups.cells {
        let Some(at) = group.at else { continue };
        let index = u32::try_from(at.0 / Span::Day.millis()).unwrap_or(u32::MAX);
        for (metric, tally) in &cell.metrics {
            let Some(p75) = tally.sketch.percentile(75) else { continue };
            let value = natural(*metric, p75.middle());
            days.entry(*metric).or_default().push(Day { index, n: tally.n, value });
        }
    }
    let trends: BTreeMap<&str, Trend> =
        days.iter().map(|(metric, days)| (metric.name(), Trend::of(days))).collect();
    let release = match asked.parameters.against(&query)? {
        Some((against, _)) => {
            let pages = released(env, config, &asked, &query).await?;
            Some(json!({ "against": against, "differences": release::compare(&pages) }))
        }
        None => None,
    };
    let document = json!({
        "v": 1,
        "site": asked.site,
        "from": query.from,
        "to": query.to,
        "trends": trends,
        "release": release,
    });
    answer::read(request, JSON, asked.cache(&query), document.to_string().into_bytes())
}

/// `POST /api/performance/monitoring/stop` and `/start`: whether what is sent for a site is counted.
pub(crate) async fn monitor(request: &Request, env: &Env, config: &Config, is_on: bool) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    for shard in config.shards.all() {
        let body = if is_on { "start" } else { "stop" };
        shard::ask(env, &site, shard, "monitoring", Some(body.into())).await?;
    }
    let monitoring = if is_on { "on" } else { "stopped" };
    Ok(answer::json(json!({ "v": 1, "site": site, "monitoring": monitoring }).to_string())?)
}

struct Found {
    findings: Findings,
    budgets: Budgets,
}

async fn found(env: &Env, config: &Config, asked: &Asked) -> core::result::Result<(Query, Found), Failure> {
    let query = asked.parameters.query("", &findings::BY, None)?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let question = causes::Asked { from: query.from, to: query.to, route: None, device: None };
    let caused = shard::causes_of(env, config, &asked.site, &question).await?.into_iter();
    let reasons = caused
        .filter_map(|(route, device, metric, causes)| Some((route, device, Metric::named(&metric)?, causes)));
    let traffic = traffic::read(env, &asked.site, query.from, query.to).await?;
    let findings = Findings::of(&groups, reasons.collect(), &traffic);
    Ok((query, Found { findings, budgets: budgets::ruling(&groups.rulings)? }))
}

/// The visits of both releases against their budgets, page by page.
async fn released(
    env: &Env,
    config: &Config,
    asked: &Asked,
    query: &Query,
) -> core::result::Result<Vec<Page>, Failure> {
    let after = Query { by: PAGE.to_vec(), step: None, ..query.clone() };
    let Some((_, before)) = asked.parameters.against(&after)? else { return Ok(Vec::new()) };
    let before = shard::read(env, config, &asked.site, &before).await?;
    let now = shard::read(env, config, &asked.site, &after).await?;
    let budgets = budgets::ruling(&now.rulings)?;
    let mut pages = Vec::new();
    for (group, cell) in &now.cells {
        let Some((route, device)) = group.page(PAGE) else { continue };
        for (metric, tally) in &cell.metrics {
            let Some(limit) = budgets.limit(route, device, *metric) else { continue };
            let earlier = before.cells.get(group).and_then(|cell| cell.metrics.get(metric));
            let kept = |tally: Option<&Tally>| {
                watching::tally(tally.map(|tally| tally.against(limit.max)).unwrap_or_default())
            };
            let (before, after) = (kept(earlier), kept(Some(tally)));
            pages.push(Page { route: route.to_owned(), device, metric: *metric, before, after });
        }
    }
    Ok(pages)
}

impl Shard {
    /// Counts what is sent, or lets it go by. It is remembered, whatever becomes of the object.
    pub(crate) fn monitor(&self, is_on: bool) -> Result<()> {
        if is_on == self.is_monitored() {
            return Ok(());
        }
        self.keep("monitoring", &is_on)?;
        self.monitored.set(Some(is_on));
        // What was not counted meanwhile was not to be expected either.
        if is_on { self.heard_last(Some(now())).map(drop) } else { Ok(()) }
    }

    pub(crate) fn is_monitored(&self) -> bool {
        if let Some(known) = self.monitored.get() {
            return known;
        }
        // What cannot be read is no reason to lose a visit.
        let is_on = self.kept("monitoring").ok().flatten().unwrap_or(true);
        self.monitored.set(Some(is_on));
        is_on
    }
}

const MOST_AT_A_GLANCE: usize = 10;
const MOST_LINES: usize = 500;
