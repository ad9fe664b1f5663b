//! The documents about budgets: the report with its selection, order, comparison and scores; the summary; the
//! badge; and the differences of two results.

#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::{BTreeMap, BTreeSet};

use budget::{BudgetTally, Budgets, SequentialTest, TestObservation, TopViews};
use ledger::{
    BudgetHistory, BudgetSource, Cell, Dimension, Group, HourlyLimitCounts, LimitHistory, MetricCell,
    PageLabels, QueryResult, SeriesQuery,
};
use report::budget_badge::badge_svg;
use report::budget_report::{BudgetReportInputs, burn_windows};
use report::budget_watch::{WatchKey, WatchOutcome};
use report::query_parameters::CellSelection;
use report::query_response::{differences, metric_tallies, query_lines, summary, totals};
use sketch::Sketch;
use wire::budget_report::{BudgetCell, BudgetReport};
use wire::{Device, LimitCounts, Metric, OTHER_LABEL, ShardCoverage, UnixMillis};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const HOUR_MS: u64 = 3_600_000;
const FILE: &str = r#"[
  { "timings": [{ "metric": "largest-contentful-paint", "budget": 2500 }] },
  { "path": "/shop/*", "timings": [{ "metric": "largest-contentful-paint", "budget": 1000 }] },
  { "path": "/checkout", "timings": [{ "metric": "interaction-to-next-paint", "budget": 200 }] }
]"#;

/// A page's LCP: so many views within its limit, and so many over.
fn lcp(limit: u32, within: u64, over: u64) -> Cell {
    let mut sketch = Sketch::new(Metric::Lcp);
    (0..within).for_each(|_| sketch.insert(limit / 2, 1));
    (0..over).for_each(|_| sketch.insert(limit * 2, 1));
    let n = within + over;
    let tally = MetricCell { n, limit_counts: [(limit, LimitCounts { n, k: within })].into(), sketch };
    Cell {
        views: n,
        visits: n,
        sent: n,
        received: n,
        lost: BTreeMap::new(),
        metrics: [(Metric::Lcp, tally)].into(),
        ..Cell::default()
    }
}

fn pages(all: &[(&str, Device, Cell)]) -> QueryResult {
    let mut groups = QueryResult::default();
    for (route, device, cell) in all {
        groups.add(Group { values: vec![Some((*route).into()), Some(device.name().into())], at: None }, cell);
    }
    groups
}

fn visited_pages() -> QueryResult {
    pages(&[
        ("/", Device::Phone, lcp(2500, 190, 10)),
        ("/", Device::Desktop, lcp(2500, 9, 0)),
        ("/about", Device::Phone, lcp(2500, 150, 150)),
        ("/shop/:id", Device::Phone, lcp(1000, 20, 380)),
        (OTHER_LABEL, Device::Phone, lcp(2500, 100, 0)),
    ])
}

fn query(only: &[(Dimension, &str)]) -> SeriesQuery {
    SeriesQuery {
        from: NOW.saturating_sub(24 * HOUR_MS),
        to: NOW,
        bots: Default::default(),
        navigations: Default::default(),
        only: only.iter().map(|(dimension, value)| (dimension.clone(), (*value).to_owned())).collect(),
        by: vec![Dimension::Route, Dimension::Device],
        step: None,
    }
}

#[derive(Default)]
struct Inputs {
    only: Vec<(Dimension, &'static str)>,
    groups: QueryResult,
    baseline: Option<(String, QueryResult)>,
    counts: HourlyLimitCounts,
    watches: BTreeMap<WatchKey, WatchOutcome>,
    selection: CellSelection,
    shards: Option<ShardCoverage>,
}

impl Inputs {
    fn new() -> Self {
        Self { groups: visited_pages(), ..Self::default() }
    }

    fn report(&self) -> BudgetReport {
        let budgets = Budgets::parse(FILE).unwrap();
        let query = query(&self.only);
        let inputs = BudgetReportInputs {
            site: "shop".into(),
            query: &query,
            groups: &self.groups,
            navigations: &QueryResult::default(),
            baseline: self.baseline.clone(),
            budgets: &budgets,
            counts: &self.counts,
            watches: &self.watches,
            now: NOW,
            selection: self.selection.clone(),
            shards: self.shards.as_ref(),
        };
        inputs.report().unwrap()
    }
}

type CellName<'a> = (&'a str, Option<&'a str>, Option<Device>, &'a str);

fn names(report: &BudgetReport) -> Vec<CellName<'_>> {
    let mut all = Vec::new();
    for BudgetCell { pattern, route, device, verdict, .. } in &report.cells {
        all.push((pattern.as_str(), route.as_deref(), *device, verdict.as_str()));
    }
    all
}

#[test]
fn every_budget_is_listed_in_the_order_of_the_file_and_a_silent_one_is_unknown() {
    let report = Inputs::new().report();
    let (phone, desktop) = (Some(Device::Phone), Some(Device::Desktop));
    assert_eq!(
        names(&report),
        [
            ("/", None, phone, "insufficient"),
            ("/", None, desktop, "insufficient"),
            ("/", Some("/"), phone, "met"),
            ("/", Some("/"), desktop, "insufficient"),
            ("/", Some("/about"), phone, "violated"),
            ("/shop/*", Some("/shop/:id"), phone, "violated"),
            ("/checkout", None, None, "unknown"),
        ]
    );
    assert_eq!(report.verdicts.values().sum::<u64>(), 7);
    // Views beyond the cardinality limit count for the site.
    let site = report.cells.iter().find(|cell| cell.route.is_none() && cell.device == phone).unwrap();
    assert_eq!((site.n, site.k), (600, 440));
    assert_eq!((report.views, report.next), (1009, None));
}

#[test]
fn a_selection_pages_through_the_cells_and_keeps_the_totals() {
    let mut inputs = Inputs::new();
    let whole = inputs.report();
    let mut listed = Vec::new();
    let mut offset = Some(0);
    while let Some(at) = offset {
        inputs.selection = CellSelection { limit: Some(2), offset: at, ..CellSelection::default() };
        let page = inputs.report();
        assert_eq!(page.verdicts, whole.verdicts);
        // Scores and comparisons are those of the listed routes and of the site.
        let routes: Vec<Option<&str>> = page.cells.iter().map(|cell| cell.route.as_deref()).collect();
        assert!(
            page.scores.iter().all(|score| score.route.is_none() || routes.contains(&score.route.as_deref()))
        );
        listed.extend(page.cells);
        offset = page.next;
    }
    assert_eq!(listed, whole.cells);
}

#[test]
fn the_worst_cells_come_first_after_those_of_the_site() {
    let mut inputs = Inputs::new();
    inputs.selection.worst_first = true;
    let report = inputs.report();
    let routes: Vec<Option<&str>> = report.cells.iter().map(|cell| cell.route.as_deref()).collect();
    assert_eq!(routes, [None, None, None, Some("/shop/:id"), Some("/about"), Some("/"), Some("/")]);
}

/// An alarm that is raised ranks a page whose verdict is still open before one that is fine.
#[test]
fn a_raised_alarm_is_reported_and_ranks_its_page_with_the_violated_ones() {
    let mut inputs = Inputs::new();
    let budgets = Budgets::parse(FILE).unwrap();
    let rule = budgets.rule("/", Device::Desktop, Metric::Lcp).unwrap();
    let hours = BTreeMap::from([(NOW.saturating_sub(HOUR_MS), BudgetTally::new(200, 20))]);
    let observation =
        TestObservation { now: NOW, limit: rule.limit, hours: &hours, top_views: &TopViews::default() };
    let (test, evidence) = SequentialTest::start(&observation).observe(&observation);
    let key = WatchKey {
        route: Some("/".into()),
        device: Device::Desktop,
        metric: "LCP".into(),
        pattern: String::new(),
    };
    inputs.watches = [(key.clone(), WatchOutcome { key, test, evidence })].into();
    inputs.selection = CellSelection { worst_first: true, ..CellSelection::default() };
    let report = inputs.report();
    let place = |route, device| {
        report
            .cells
            .iter()
            .position(|cell| cell.route.as_deref() == Some(route) && cell.device == Some(device))
    };
    assert!(place("/", Device::Desktop) < place("/", Device::Phone));
    let watch = report.cells.iter().find_map(|cell| cell.watch.as_ref()).unwrap();
    assert!(watch.alarm && watch.e_value >= 20.0 && (watch.n, watch.k) == (200, 20));
}

#[test]
fn a_filter_of_routes_or_devices_hides_the_cells_of_the_site() {
    let mut inputs = Inputs::new();
    inputs.only = vec![(Dimension::Route, "/about")];
    inputs.groups = pages(&[("/about", Device::Phone, lcp(2500, 150, 150))]);
    assert_eq!(names(&inputs.report()), [("/", Some("/about"), Some(Device::Phone), "violated")]);
    inputs.only = vec![(Dimension::Device, "desktop"), (Dimension::Release, "2")];
    inputs.groups = pages(&[("/", Device::Desktop, lcp(2500, 9, 0))]);
    let report = inputs.report();
    assert_eq!(report.release.as_deref(), Some("2"));
    assert_eq!(
        names(&report).len(),
        4,
        "the site, its page, and two budgets without views: {:?}",
        names(&report)
    );
    inputs.selection.metric = Some(Metric::Inp);
    assert_eq!(names(&inputs.report()), [("/checkout", None, None, "unknown")]);
}

#[test]
fn a_release_is_compared_by_route_and_device_and_as_a_whole() {
    let mut inputs = Inputs::new();
    let before = pages(&[
        ("/", Device::Phone, lcp(2500, 190, 10)),
        ("/", Device::Desktop, lcp(2500, 9, 0)),
        ("/about", Device::Phone, lcp(2500, 290, 10)),
    ]);
    inputs.baseline = Some(("1".into(), before));
    let report = inputs.report();
    assert_eq!(report.against.as_deref(), Some("1"));
    let found: Vec<(Option<&str>, usize, bool)> = report
        .regressions
        .iter()
        .map(|found| (found.route.as_deref(), found.strata.len(), found.regression))
        .collect();
    assert_eq!(found, [(None, 0, true), (Some("/"), 2, false), (Some("/about"), 1, true)]);
    let devices: Vec<Device> = report.regressions[1].strata.iter().map(|stratum| stratum.device).collect();
    assert!(devices.is_sorted() && devices.len() == 2);
    assert!(Inputs::new().report().regressions.is_empty());
}

#[test]
fn burn_rates_and_the_start_of_counting_stand_beside_a_cell() {
    let mut inputs = Inputs::new();
    let page = PageLabels { route: "/about".into(), device: Device::Phone };
    let over = LimitCounts { n: 300, k: 100 };
    let history = LimitHistory { half_hour: over, hours: [(NOW.saturating_sub(HOUR_MS), over)].into() };
    inputs.counts.histories.insert((page, "LCP".into(), 2500), history);
    let since = NOW.saturating_sub(2 * HOUR_MS);
    let mut budgets = BudgetHistory::default();
    budgets.accept("[]", BudgetSource::Asset, NOW.saturating_sub(48 * HOUR_MS));
    budgets.accept(FILE, BudgetSource::Kv, since);
    budgets.reject("line 1: a typing error", BudgetSource::Kv, NOW);
    inputs.groups.budget_history = budgets;
    let report = inputs.report();
    let cell = report.cells.iter().find(|cell| cell.route.as_deref() == Some("/about")).unwrap();
    let burn = cell.burn.as_ref().unwrap();
    assert!(burn.half_hour.unwrap() > 2.0 && burn.three_days.unwrap() > 2.0);
    assert_eq!(burn.urgency.as_deref(), Some("page"));
    assert_eq!(cell.counting_since, Some(since));
    let refused = report.budgets.refused.unwrap();
    assert_eq!((report.budgets.since, report.budgets.source.as_str()), (since, "kv"));
    assert_eq!((refused.source.as_str(), refused.reason.as_str()), ("kv", "line 1: a typing error"));
}

#[test]
fn the_site_burns_what_its_routes_burn_together_on_every_page_of_the_report() {
    let mut inputs = Inputs::new();
    let budgets = Budgets::parse(FILE).unwrap();
    let mut whole = LimitHistory::default();
    for (route, hours_ago, k) in [("/", 1, 90), ("/about", 7, 50), (OTHER_LABEL, 60, 70), ("/shop/:id", 1, 0)]
    {
        let limit = budgets.limit(route, Device::Phone, Metric::Lcp).unwrap().max;
        let counts = LimitCounts { n: 100, k };
        let hours = [(NOW.saturating_sub(hours_ago * HOUR_MS), counts)].into();
        let history = LimitHistory { half_hour: counts, hours };
        if limit == 2500 {
            whole.merge(&history);
        }
        let page = PageLabels { route: route.into(), device: Device::Phone };
        inputs.counts.histories.insert((page, "LCP".into(), limit), history);
    }
    let report = inputs.report();
    let burn = report.cells[0].burn.as_ref().unwrap();
    let expect = burn_windows(&whole, None, NOW);
    assert_eq!((report.cells[0].route.as_deref(), report.cells[0].device), (None, Some(Device::Phone)));
    assert_eq!(
        (burn.half_hour, burn.six_hours, burn.three_days),
        (
            Some(expect.half_hour.burn_rate(75)),
            Some(expect.six_hours.burn_rate(75)),
            Some(expect.three_days.burn_rate(75))
        )
    );
    for (offset, cell) in report.cells.iter().enumerate() {
        inputs.selection = CellSelection { limit: Some(1), offset, ..CellSelection::default() };
        assert_eq!(inputs.report().cells, std::slice::from_ref(cell));
    }
}

#[test]
fn the_sites_score_lists_its_parts_and_a_faster_page_scores_higher() {
    let report = Inputs::new().report();
    let score = |route, device| {
        let is_it = |score: &&wire::budget_report::BudgetReportScore| {
            score.route.as_deref() == route && score.device == device
        };
        report.scores.iter().find(is_it).unwrap()
    };
    let site = score(None, None);
    assert!(site.parts.iter().any(|part| part.metric == "LCP" && part.weight > 0.0));
    assert!(score(Some("/about"), None).parts.is_empty());
    assert!(score(Some("/"), None).score > score(Some("/about"), None).score);
    assert_eq!(score(Some("/"), None).views, 209);
}

#[test]
fn the_summary_has_a_line_for_each_measured_or_budgeted_metric() {
    let budgets = Budgets::parse(FILE).unwrap();
    let groups = pages(&[("/checkout", Device::Phone, lcp(2500, 150, 150))]);
    let summary = summary("shop".into(), &query(&[]), groups, &QueryResult::default(), &budgets, None);
    let lines: Vec<(&str, &str, u64)> =
        summary.cells.iter().map(|cell| (cell.metric.as_str(), cell.verdict.as_str(), cell.n)).collect();
    assert_eq!(lines, [("LCP", "violated", 300), ("INP", "unknown", 0)]);
    assert_eq!((summary.views, summary.visits, summary.sent, summary.received), (300, 300, 300, 300));
    let limit = summary.cells[0].budget.as_ref().unwrap();
    assert_eq!((limit.max, limit.percentile, limit.n, limit.k, limit.line), (2500.0, 75, 300, 150, 2));
    let unbudgeted = pages(&[("/checkout", Device::Phone, lcp(2500, 1, 0))]);
    let none = Budgets::parse("[]").unwrap();
    assert_eq!(
        report::query_response::summary(
            "shop".into(),
            &query(&[]),
            unbudgeted,
            &QueryResult::default(),
            &none,
            None
        )
        .cells[0]
            .verdict,
        "none"
    );
}

#[test]
fn lines_name_their_group_and_carry_buckets_on_request() {
    let (query, groups) = (query(&[]), visited_pages());
    let lines = query_lines(&query, &groups, None, true);
    assert_eq!(lines.len(), metric_tallies(&groups, None).count());
    let line = lines.iter().find(|line| line.group["route"].as_deref() == Some("/about")).unwrap();
    assert_eq!((line.group["device"].as_deref(), line.metric, line.stats.n), (Some("phone"), "LCP", 300));
    let buckets = line.buckets.as_ref().unwrap();
    assert_eq!(buckets.iter().map(|bucket| bucket.visits).sum::<u64>(), 300);
    assert!(buckets.iter().all(|bucket| bucket.low <= bucket.high));
    assert!(query_lines(&query, &groups, Some(Metric::Cls), false).is_empty());
    assert_eq!(totals(&query, &groups).views, 1009);
}

#[test]
fn differences_are_judged_over_the_pages_that_both_have() {
    let by = [Dimension::Route, Dimension::Device];
    let budgets = Budgets::parse(FILE).unwrap();
    let before =
        pages(&[("/about", Device::Phone, lcp(2500, 290, 10)), ("/old", Device::Phone, lcp(2500, 5, 0))]);
    let lines = differences(&by, &before, &visited_pages(), &budgets);
    let [line] = lines.as_slice() else { panic!("one metric") };
    let found = line.budget.as_ref().unwrap();
    assert!(found.regression && found.points_worse > 40.0 && found.p_value < 1e-6);
    assert_eq!((line.a.n, line.b.n), (305, 1009));
    assert!(differences(&by, &QueryResult::default(), &QueryResult::default(), &budgets).is_empty());
}

#[track_caller]
fn check_badge(groups: &QueryResult, metric: Option<Metric>, label: &str) {
    check_badge_of(groups, metric, None, label);
}

#[track_caller]
fn check_badge_of(groups: &QueryResult, metric: Option<Metric>, shards: Option<ShardCoverage>, label: &str) {
    let by = [Dimension::Route, Dimension::Device];
    let svg = badge_svg(groups, &by, metric, &Budgets::parse(FILE).unwrap(), shards.as_ref());
    assert!(svg.contains(&format!("aria-label=\"{label}\"")), "{svg}");
}

#[test]
fn a_badge_is_green_only_when_every_budget_is_met() {
    let met = pages(&[("/", Device::Phone, lcp(2500, 290, 10))]);
    check_badge(&met, Some(Metric::Lcp), "LCP: 1244 ms, within budget");
    check_badge(&visited_pages(), None, "web vitals: over budget");
    check_badge(&QueryResult::default(), None, "web vitals: no data");
    check_badge(&pages(&[("/", Device::Phone, lcp(2500, 9, 0))]), None, "web vitals: too few to tell");
    // A page with a budget for INP and no measurement of it.
    check_badge(
        &pages(&[("/checkout", Device::Phone, lcp(2500, 290, 10))]),
        Some(Metric::Inp),
        "INP: no data",
    );
}

fn without_one_shard() -> Option<ShardCoverage> {
    ShardCoverage::new(64, BTreeSet::from([17]))
}

#[test]
fn a_report_of_a_part_of_the_shards_says_so_and_proves_no_budget_met() {
    let verdicts = |shards| {
        let report = Inputs { shards, ..Inputs::new() }.report();
        (report.verdicts.clone(), report.shards.map(|shards| (shards.answered, shards.of)))
    };
    let count = |counts: &[(&str, u64)]| counts.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
    let whole = count(&[("insufficient", 3), ("met", 1), ("unknown", 1), ("violated", 2)]);
    let partial = count(&[("insufficient", 4), ("unknown", 1), ("violated", 2)]);
    assert_eq!(verdicts(None), (whole, None));
    assert_eq!(verdicts(without_one_shard()), (partial, Some((63, 64))));
}

#[test]
fn a_summary_of_a_part_of_the_shards_says_so_and_shows_nothing_as_met() {
    let read = |shards| {
        let groups = pages(&[("/", Device::Phone, lcp(2500, 1000, 0))]);
        let summary = summary(
            "shop".into(),
            &query(&[]),
            groups,
            &QueryResult::default(),
            &Budgets::parse(FILE).unwrap(),
            shards,
        );
        (summary.cells[0].verdict.clone(), summary.shards)
    };
    assert_eq!(read(None), ("met".into(), None));
    assert_eq!(read(without_one_shard()), ("insufficient".into(), without_one_shard()));
}

#[test]
fn a_badge_of_a_part_of_the_shards_is_not_green() {
    let met = pages(&[("/", Device::Phone, lcp(2500, 290, 10))]);
    check_badge_of(&met, None, without_one_shard(), "web vitals: data incomplete");
    check_badge_of(&QueryResult::default(), None, without_one_shard(), "web vitals: data incomplete");
    check_badge_of(&visited_pages(), None, without_one_shard(), "web vitals: over budget");
}
