//! From counts to a health document: the cells, requests and queues that health is judged by, collected for
//! `health` to judge and for `health_document` to show.

use std::collections::{BTreeMap, BTreeSet};

use budget::{BudgetRule, Budgets};
use ledger::{BotFilter, Cell, HourlyLimitCounts, MetricCell, NavigationFilter, QueryResult, SeriesQuery};
use serde::{Deserialize, Serialize};
use traffic::{OriginStats, RouteStats, TrafficStats, TrafficWindows};
use wire::{Device, Metric, OTHER_LABEL, ShardCoverage, UnixMillis, Window, WindowSpan};

use crate::health::{self, Availability, BudgetedCell, CacheHealth, Health, OriginHealth, RequestHealth};
use crate::health_document::{BeaconCounts, HealthDetails, HealthReport, VitalReport};
use crate::network_evidence::judged_tally;
use crate::operations::Operations;
use crate::origin_evidence::{OriginEvidence, OriginState, latest_requests, with_check};
use crate::query_parameters::BY_PAGE;
use crate::request_report::{CacheUsage, RequestReport};
use crate::signal_score::MIN_EVENTS;
use crate::uptime::UptimeReport;
use wire::sorting::CollectOrdered;

/// The state that a site's coordinator adds to the counts of the shards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoordinatorStatus {
    /// Queues, backends, origin and alerts.
    pub operations: Operations,
    /// The arrival of the last beacon; the journal forgets it earlier.
    #[serde(rename = "heard_at")]
    pub last_beacon_at: Option<UnixMillis>,
    /// The views expected since then.
    #[serde(rename = "missed")]
    pub missed_views: f64,
    /// The uptime; absent from a coordinator of an earlier release.
    #[serde(default)]
    pub uptime: Option<UptimeReport>,
}

/// The counts that the health of a site is evaluated from.
#[derive(Clone, Debug)]
pub struct SiteCounts<'a> {
    /// The query of [`last_day_query`].
    pub query: &'a SeriesQuery,
    /// Its result.
    pub groups: &'a QueryResult,
    /// The views of the last days, by hour.
    pub limit_counts: &'a HourlyLimitCounts,
    /// The budgets in force.
    pub budgets: &'a Budgets,
    /// The responses of the edge.
    pub traffic: &'a RecentTraffic,
    /// The shards that answered, unless all did.
    pub shards: Option<&'a ShardCoverage>,
}

/// The responses of the edge in the last hour, and those that the status is judged by.
#[derive(Clone, Debug, Default)]
pub struct RecentTraffic {
    /// The responses of the last hour.
    hour: TrafficStats,
    /// Those of all routes in the last hour; in the last day, if these were few.
    judged: RouteStats,
    /// The latest requests to each origin.
    origin_requests: BTreeMap<String, OriginStats>,
}

impl RecentTraffic {
    /// Starts with the minutes of the last hour.
    #[must_use]
    pub fn of_hour(minutes: &TrafficWindows, now: UnixMillis) -> Self {
        let mut hour = TrafficStats::default();
        minutes.0.values().for_each(|minute| hour.merge(minute));
        Self { judged: hour.total(), hour, origin_requests: latest_requests(minutes, now) }
    }

    /// Returns true if the hour has too few responses to be judged by.
    #[must_use]
    pub fn needs_day(&self) -> bool {
        self.judged.n() < MIN_EVENTS
    }

    /// Adds the windows of the last day, the last hour included.
    pub fn add_day(&mut self, day: &TrafficWindows) {
        let mut judged = RouteStats::default();
        day.0.values().for_each(|window| judged.merge(&window.total()));
        self.judged = judged;
    }
}

/// Returns the query for the last day, by page.
#[must_use]
pub fn last_day_query(now: UnixMillis) -> SeriesQuery {
    SeriesQuery {
        from: Window::containing(WindowSpan::Minute, now.saturating_sub(WindowSpan::Day.millis())).start,
        to: now.saturating_add(WindowSpan::Minute.millis()),
        bots: BotFilter::default(),
        navigations: NavigationFilter::default(),
        only: Vec::new(),
        by: BY_PAGE.to_vec(),
        step: None,
    }
}

impl SiteCounts<'_> {
    /// Evaluates the health of the site: the document with all its details, for whoever may read all of it.
    /// `status` is `None` if the coordinator did not answer; then `shards` lacks it.
    #[must_use]
    pub fn evaluate(
        &self,
        site: &str,
        status: Option<CoordinatorStatus>,
        release_id: &'static str,
        now: UnixMillis,
    ) -> HealthReport {
        let Self { query, groups, limit_counts: counts, budgets, traffic, shards } = *self;
        let last_beacon_at =
            groups.last_beacon_at.max(status.as_ref().and_then(|status| status.last_beacon_at));
        let missed_views = status.as_ref().map_or(0.0, |status| status.missed_views);
        let (operations, uptime) =
            status.map_or((None, None), |status| (Some(status.operations), status.uptime));
        let check = operations.as_ref().and_then(|operations| operations.origin.as_ref());
        let origins = with_check(traffic.origin_requests.clone(), check);
        let cells = budgeted_cells(query, groups, budgets);
        let requests = RequestReport::from_traffic(&traffic.hour, WindowSpan::Hour.millis());
        let cache = CacheUsage::from_traffic(&traffic.hour);
        let mut health = Health::evaluate(
            &health::HealthInputs {
                vitals: cells.iter().map(|(cell, _)| cell.clone()).collect(),
                requests: match traffic.judged.n() {
                    0 => Availability::NotUsed,
                    _ => Availability::Known(RequestHealth::from_stats(&traffic.judged)),
                },
                cache: cache_health(&traffic.judged),
                origin: worst_origin(&origins),
                last_beacon_at,
                missed_views,
                shards: shards.cloned(),
            },
            now,
        );
        health.reasons.extend(unverified_sentence(&groups.rejections));
        let total = groups.total();
        let vital = |(cell, measured): &(BudgetedCell, Option<&MetricCell>)| {
            let page = ledger::PageLabels { route: cell.route.clone(), device: cell.device };
            let key = (page, cell.metric.name().to_owned(), cell.limit.max);
            let hours = counts.histories.get(&key).map(|history| &history.hours);
            VitalReport::new(
                cell,
                *measured,
                hours.and_then(|hours| hours.keys().next_back().copied()),
                shards,
            )
        };
        let (vitals, more_vitals) = VitalReport::worst_first(cells.iter().map(vital).collect());
        let mut report = HealthReport::new(site, &health, release_id, now);
        report.shards = shards.cloned();
        report.details = Some(HealthDetails {
            reasons: health.reasons.clone(),
            because: health.parts.iter().map(|part| (part.name, part.because.clone())).collect_map(),
            last_beacon_at,
            missed_views,
            losses: BeaconCounts {
                views: total.views,
                sent: total.sent,
                received: total.received,
                lost: total.lost,
                refused: groups.rejections.clone(),
            },
            vitals,
            more_vitals,
            origins: origins.iter().map(|(name, evidence)| evidence.report(name)).collect(),
            requests,
            cache,
            uptime,
        });
        report.operations = operations;
        report
    }
}

impl HealthReport {
    /// Leaves out the parts that a reader may not see.
    #[must_use]
    pub fn redacted(mut self, may_read_details: bool, may_read_operations: bool) -> Self {
        self.details = self.details.filter(|_| may_read_details);
        self.operations = self.operations.filter(|_| may_read_operations);
        self
    }
}

/// Tells of beacons without the evidence of a page; none if there are none.
fn unverified_sentence(rejections: &BTreeMap<String, u64>) -> Option<String> {
    let unverified = rejections.iter().filter(|(reason, _)| reason.starts_with("evidence-"));
    let n = unverified.fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
    (n > 0).then(|| format!("{n} beacons were unverified: they came without a valid page token."))
}

fn cache_health(traffic: &RouteStats) -> Availability<CacheHealth> {
    let outcomes = traffic.cache_outcomes();
    match outcomes.lookups() {
        0 => Availability::NotUsed,
        lookups => Availability::Known(CacheHealth { lookups, hits: outcomes.served_from_cache() }),
    }
}

/// Returns the origin that is worst off; an origin of which too little is known is left to the requests.
fn worst_origin(origins: &BTreeMap<String, OriginEvidence>) -> Availability<OriginHealth> {
    let known = origins.iter().map(|(name, evidence)| (evidence.state(), name, evidence));
    let worst =
        known.filter(|(state, ..)| *state != OriginState::Insufficient).max_by_key(|(state, ..)| *state);
    worst.map_or(Availability::NotUsed, |(state, name, evidence)| {
        Availability::Known(OriginHealth { name: name.clone(), state, message: evidence.message() })
    })
}

/// Returns every budgeted cell with its measurements, and the budgets that no view has seen.
fn budgeted_cells<'a>(
    query: &SeriesQuery,
    groups: &'a QueryResult,
    budgets: &Budgets,
) -> Vec<(BudgetedCell, Option<&'a MetricCell>)> {
    let mut cells = Vec::new();
    let mut seen = BTreeSet::new();
    let pages = groups.cells.iter().filter_map(|(group, cell)| Some((group.page(&query.by)?, cell)));
    for ((route, device), cell) in pages.filter(|((route, _), _)| *route != OTHER_LABEL) {
        for metric in Metric::ALL {
            let Some(rule) = budgets.rule(route, device, metric) else { continue };
            seen.insert(rule.position);
            let measured = cell.metrics.get(&metric);
            cells.push((budgeted_cell(route, device, &rule, Some(cell)), measured));
        }
    }
    for rule in budgets.rules().filter(|rule| !seen.contains(&rule.position)) {
        cells.push((budgeted_cell(rule.pattern, rule.device.unwrap_or(Device::Phone), &rule, None), None));
    }
    cells
}

fn budgeted_cell(route: &str, device: Device, rule: &BudgetRule<'_>, cell: Option<&Cell>) -> BudgetedCell {
    let (route, metric, limit) = (route.to_owned(), rule.metric, rule.limit);
    let tally = cell.map(|cell| judged_tally(cell, metric, limit.max)).unwrap_or_default();
    BudgetedCell { route, device, metric, limit, tally }
}

#[cfg(test)]
mod tests {
    use ledger::Group;

    use super::*;
    use crate::health::HealthStatus;
    use crate::operations::{AlertCounts, MemoryUsage, QueueDepths};

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn status() -> CoordinatorStatus {
        let operations = Operations {
            monitoring: "on".into(),
            memory: MemoryUsage::default(),
            queues: QueueDepths::default(),
            push: Vec::new(),
            origin: None,
            alerts: AlertCounts::default(),
        };
        CoordinatorStatus { operations, last_beacon_at: Some(NOW), missed_views: 0.0, uptime: None }
    }

    fn evaluate(groups: &QueryResult) -> HealthReport {
        let file = r#"[{ "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] }]"#;
        let budgets = Budgets::parse(file).expect("a valid file");
        let counts = SiteCounts {
            query: &last_day_query(NOW),
            groups,
            limit_counts: &HourlyLimitCounts::default(),
            budgets: &budgets,
            traffic: &RecentTraffic::default(),
            shards: None,
        };
        counts.evaluate("shop", Some(status()), "1", NOW)
    }

    #[test]
    fn a_budget_without_views_is_listed_and_is_not_healthy() {
        let report = evaluate(&QueryResult::default());
        assert_ne!(report.health, HealthStatus::Healthy);
        let details = report.details.expect("details");
        let vitals: Vec<_> =
            details.vitals.iter().map(|vital| (vital.route.as_str(), vital.verdict)).collect();
        assert_eq!(vitals, [("/", "unknown")]);
        assert_eq!(details.last_beacon_at, Some(NOW));
    }

    #[test]
    fn routes_beyond_the_cardinality_limit_are_no_cells_of_their_own() {
        let mut groups = QueryResult::default();
        for route in [OTHER_LABEL, "/a"] {
            let values = vec![Some(route.to_owned()), Some("phone".to_owned())];
            groups.add(Group { at: None, values }, &Cell::default());
        }
        let details = evaluate(&groups).details.expect("details");
        let routes: Vec<_> = details.vitals.iter().map(|vital| vital.route.as_str()).collect();
        assert_eq!(routes, ["/a"]);
    }

    #[test]
    fn a_reader_without_a_token_sees_no_operations() {
        let report = evaluate(&QueryResult::default());
        let read = |details, operations| {
            let report = report.clone().redacted(details, operations);
            (report.details.is_some(), report.operations.is_some())
        };
        assert_eq!(
            [read(true, true), read(true, false), read(false, false)],
            [(true, true), (true, false), (false, false)]
        );
    }
}
