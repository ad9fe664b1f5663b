//! Watching: which cells there are to look at, and what a look brings. Every shard counts, the first one
//! remembers. When an alarm is raised is the budget's to decide.

use std::collections::BTreeMap;

use budget::{BudgetRule, BudgetTally, Budgets, SequentialTest, TestObservation};
use ledger::{HourlyLimitCounts, LimitHistory};
use serde::{Deserialize, Serialize};
use wire::{ApiError, Device, Metric, OTHER_LABEL, UnixMillis};
use worker::{Env, Error};

use crate::config::Config;
use crate::response::HandlerError;
use crate::shard;

/// What is watched: a budget on a route, or on the whole site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct WatchKey {
    /// None for the whole site.
    pub(crate) route: Option<String>,
    pub(crate) device: Device,
    /// By its name.
    pub(crate) metric: String,
    /// The pattern of a budget of the whole site; empty on a route.
    pub(crate) pattern: String,
}

/// A cell with its views of the last days.
#[derive(Clone, Debug)]
pub(crate) struct WatchInput<'a> {
    pub(crate) rule: BudgetRule<'a>,
    pub(crate) history: LimitHistory,
}

/// A cell after a look.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WatchOutcome {
    #[serde(rename = "name")]
    pub(crate) key: WatchKey,
    #[serde(rename = "watched")]
    pub(crate) test: SequentialTest,
    pub(crate) evidence: BudgetTally,
}

/// Looks at a site: what its shards have counted, and what that brings.
pub(crate) async fn watch_site(
    env: &Env,
    config: &Config,
    site: &str,
) -> Result<(HourlyLimitCounts, BTreeMap<WatchKey, WatchOutcome>), HandlerError> {
    let counts = shard::limit_counts(env, config, site).await?;
    let seen: Vec<WatchOutcome> =
        serde_json::from_slice(&shard::evaluate_watches(env, site, counts.clone().encode()).await?)
            .map_err(|_| ApiError::Unavailable { component: "ledger" })?;
    Ok((counts, seen.into_iter().map(|seen| (seen.key.clone(), seen)).collect()))
}

/// The cells that have views, by the budgets that rule.
pub(crate) fn watch_inputs<'a>(
    budgets: &'a Budgets,
    counts: &HourlyLimitCounts,
) -> BTreeMap<WatchKey, WatchInput<'a>> {
    let mut all: BTreeMap<WatchKey, WatchInput<'a>> = BTreeMap::new();
    for ((page, metric, limit), track) in &counts.histories {
        let Some(kind) = Metric::from_name(metric) else { continue };
        let Some(rule) = rule_for(budgets, &page.route, page.device, kind) else { continue };
        if rule.limit.max != *limit {
            continue;
        }
        let mut add = |route: Option<&String>, pattern: &str| {
            let (route, metric, pattern) = (route.cloned(), metric.clone(), pattern.to_owned());
            let name = WatchKey { route, device: page.device, metric, pattern };
            all.entry(name)
                .or_insert_with(|| WatchInput { rule, history: LimitHistory::default() })
                .history
                .merge(track);
        };
        if page.route != OTHER_LABEL {
            add(Some(&page.route), "");
        }
        if rule.is_sitewide() {
            add(None, rule.pattern);
        }
    }
    all
}

/// The budget of a route. Views whose route found no place belong to the whole site's.
pub(crate) fn rule_for<'a>(
    budgets: &'a Budgets,
    route: &str,
    device: Device,
    metric: Metric,
) -> Option<BudgetRule<'a>> {
    if route != OTHER_LABEL {
        return budgets.rule(route, device, metric);
    }
    let is_for =
        |rule: &BudgetRule<'_>| rule.metric == metric && rule.device.is_none_or(|only| only == device);
    budgets.rules().filter(|rule| rule.is_sitewide() && is_for(rule)).last()
}

/// The look itself: what was remembered of each cell, and what is to be remembered now.
pub(crate) fn evaluate(
    previous: &BTreeMap<WatchKey, SequentialTest>,
    inputs: BTreeMap<WatchKey, WatchInput<'_>>,
    now: UnixMillis,
    is_new_release: bool,
) -> Vec<WatchOutcome> {
    let mut all: Vec<(u64, WatchKey, WatchInput<'_>)> =
        inputs.into_iter().map(|(name, met)| (met.history.since(UnixMillis(0)).n, name, met)).collect();
    // Whoever posts random routes must not push a visited one out of sight.
    all.sort_by(|(a, ours, _), (b, theirs, _)| b.cmp(a).then(ours.cmp(theirs)));
    all.truncate(MAX_WATCHED);
    let seen = |(_, name, met): (u64, WatchKey, WatchInput<'_>)| {
        let hours =
            met.history.hours.iter().map(|(hour, kept)| (*hour, budget::BudgetTally::from(*kept))).collect();
        let look = TestObservation { now, limit: met.rule.limit, hours: &hours };
        let before = previous.get(&name).copied();
        let before = before.map(|watched| if is_new_release { watched.restart(now) } else { watched });
        let (watched, evidence) = before.unwrap_or_else(|| SequentialTest::start(&look)).observe(&look);
        WatchOutcome { key: name, test: watched, evidence }
    };
    all.into_iter().map(seen).collect()
}

impl WatchKey {
    /// The key under which it is remembered.
    pub(crate) fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::from)
    }
}

const MAX_WATCHED: usize = 2000;
