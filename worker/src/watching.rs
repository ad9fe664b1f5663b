//! Watching: which cells there are to look at, and what a look brings. Every shard counts, the first one
//! remembers. When an alarm is raised is the budget's to decide.

use std::collections::BTreeMap;

use budget::{Budgets, Look, Rule, Tally, Watched};
use ledger::{Counts, Kept, OTHER, Track};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric, Refusal, UnixMillis};
use worker::{Env, Error};

use crate::answer::Failure;
use crate::config::Config;
use crate::shard;

/// What is watched: a budget on a route, or on the whole site.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Name {
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
pub(crate) struct Met<'a> {
    pub(crate) rule: Rule<'a>,
    pub(crate) track: Track,
}

/// A cell after a look.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) name: Name,
    pub(crate) watched: Watched,
    pub(crate) evidence: Tally,
}

/// Looks at a site: what its shards have counted, and what that brings.
pub(crate) async fn look(
    env: &Env,
    config: &Config,
    site: &str,
) -> Result<(Counts, BTreeMap<Name, Seen>), Failure> {
    let counts = shard::counts(env, config, site).await?;
    let seen: Vec<Seen> = serde_json::from_slice(&shard::look(env, site, counts.clone().encode()).await?)
        .map_err(|_| Refusal::Unavailable { part: "ledger" })?;
    Ok((counts, seen.into_iter().map(|seen| (seen.name.clone(), seen)).collect()))
}

/// The cells that have views, by the budgets that rule.
pub(crate) fn met<'a>(budgets: &'a Budgets, counts: &Counts) -> BTreeMap<Name, Met<'a>> {
    let mut all: BTreeMap<Name, Met<'a>> = BTreeMap::new();
    for ((page, metric, limit), track) in &counts.tracks {
        let Some(kind) = Metric::named(metric) else { continue };
        let Some(rule) = ruling(budgets, &page.route, page.device, kind) else { continue };
        if rule.limit.max != *limit {
            continue;
        }
        let mut add = |route: Option<&String>, pattern: &str| {
            let (route, metric, pattern) = (route.cloned(), metric.clone(), pattern.to_owned());
            let name = Name { route, device: page.device, metric, pattern };
            all.entry(name).or_insert_with(|| Met { rule, track: Track::default() }).track.merge(track);
        };
        if page.route != OTHER {
            add(Some(&page.route), "");
        }
        if rule.is_sitewide() {
            add(None, rule.pattern);
        }
    }
    all
}

/// The budget of a route. Views whose route found no place belong to the whole site's.
pub(crate) fn ruling<'a>(
    budgets: &'a Budgets,
    route: &str,
    device: Device,
    metric: Metric,
) -> Option<Rule<'a>> {
    if route != OTHER {
        return budgets.rule(route, device, metric);
    }
    let is_for = |rule: &Rule<'_>| rule.metric == metric && rule.device.is_none_or(|only| only == device);
    budgets.rules().filter(|rule| rule.is_sitewide() && is_for(rule)).last()
}

/// The look itself: what was remembered of each cell, and what is to be remembered now.
pub(crate) fn looked(
    known: &BTreeMap<Name, Watched>,
    met: BTreeMap<Name, Met<'_>>,
    now: UnixMillis,
    is_new_release: bool,
) -> Vec<Seen> {
    let mut all: Vec<(u64, Name, Met<'_>)> =
        met.into_iter().map(|(name, met)| (met.track.since(UnixMillis(0)).n, name, met)).collect();
    // Whoever posts random routes must not push a visited one out of sight.
    all.sort_by(|(a, ours, _), (b, theirs, _)| b.cmp(a).then(ours.cmp(theirs)));
    all.truncate(MOST_WATCHED);
    let seen = |(_, name, met): (u64, Name, Met<'_>)| {
        let hours = met.track.hours.iter().map(|(hour, kept)| (*hour, tally(*kept))).collect();
        let look = Look { now, limit: met.rule.limit, hours: &hours };
        let before = known.get(&name).copied();
        let before = before.map(|watched| if is_new_release { watched.anew(now) } else { watched });
        let (watched, evidence) = before.unwrap_or_else(|| Watched::first(&look)).after(&look);
        Seen { name, watched, evidence }
    };
    all.into_iter().map(seen).collect()
}

pub(crate) const fn tally(kept: Kept) -> Tally {
    Tally::of(kept.n, kept.k)
}

impl Name {
    /// The key under which it is remembered.
    pub(crate) fn text(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(Error::from)
    }
}

const MOST_WATCHED: usize = 2000;
