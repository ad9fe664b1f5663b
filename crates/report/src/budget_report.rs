//! The document of `GET /api/budgets`: each budgeted cell with its verdict, sequential test and burn rate, the
//! comparison with another release, and the scores. `budget` judges; this file selects and lays out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use budget::{
    BudgetError, BudgetRule, Budgets, BurnWindows, FieldScore, FormFactor, MetricScore, ReleaseComparison,
    Verdict,
};
use ledger::{
    BudgetHistory, Cell, Dimension, HourlyLimitCounts, LimitHistory, MetricCell, NetworkCounts,
    NetworkHistory, QueryResult, SeriesQuery,
};
use wire::budget_report::{
    self, BudgetReport, BudgetReportScore, BurnRates, DeviceStratum, Regression, ScorePart,
    SequentialTestReport, VERSION,
};
use wire::{Device, Metric, OTHER_LABEL, ShardCoverage, UnixMillis};

use crate::budget_watch::{self, WatchKey, WatchName, WatchOutcome};
use crate::burn_counts::BurnCounts;
use crate::network_evidence::{network_share, tally_with_networks};
use crate::partial_read::verdict_on_shards;
use crate::query_parameters::CellSelection;
use crate::query_response::navigations_within_documents;
use crate::stats_format::{display_unit, display_value, percentile_with_interval};
use wire::sorting::{CollectOrdered, SortSlice};

/// The counts and budgets that a report is made of.
#[derive(Clone, Debug)]
pub struct BudgetReportInputs<'a> {
    /// The site.
    pub site: String,
    /// The query, grouped by route and device.
    pub query: &'a SeriesQuery,
    /// Its result.
    pub groups: &'a QueryResult,
    /// The same views by navigation.
    pub navigations: &'a QueryResult,
    /// The release to compare with, and its views.
    pub baseline: Option<(String, QueryResult)>,
    /// The budgets in force.
    pub budgets: &'a Budgets,
    /// The views of the last days, by hour.
    pub counts: &'a HourlyLimitCounts,
    /// The sequential tests.
    pub watches: &'a BTreeMap<WatchKey, WatchOutcome>,
    /// The time of the report.
    pub now: UnixMillis,
    /// The cells to list.
    pub selection: CellSelection,
    /// The shards that answered, unless all did.
    pub shards: Option<&'a ShardCoverage>,
}

/// A judged cell, before it is selected for the report.
struct CellAssessment<'a> {
    rule: BudgetRule<'a>,
    route: Option<&'a str>,
    device: Option<Device>,
    tally: Option<Cow<'a, MetricCell>>,
    networks: Cow<'a, NetworkCounts>,
    limit_tally: budget::BudgetTally,
    verdict: Verdict,
}

/// The views of a budget over all its pages on one device class.
struct SiteTally<'a> {
    rule: BudgetRule<'a>,
    tally: Option<MetricCell>,
    networks: NetworkCounts,
}

impl BudgetReportInputs<'_> {
    /// Builds the document.
    ///
    /// # Errors
    /// Fails on a stored budgets.json that this version cannot parse.
    pub fn report(&self) -> Result<BudgetReport, BudgetError> {
        let mut found = self.assessed_cells();
        let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
        for cell in &found {
            *verdicts.entry(cell.verdict.name().to_owned()).or_default() += 1;
        }
        let watches = self.watches_by_name();
        if self.selection.worst_first {
            found.sort_by_cached_key(|cell| attention_rank(cell, &watches));
        }
        let end = self.selection.limit.map(|limit| self.selection.offset.saturating_add(limit));
        let next = end.filter(|end| *end < found.len());
        let selected: Vec<CellAssessment<'_>> = found
            .into_iter()
            .skip(self.selection.offset)
            .take(self.selection.limit.unwrap_or(usize::MAX))
            .collect();
        let routes: Option<BTreeSet<&str>> =
            self.selection.limit.map(|_| selected.iter().filter_map(|cell| cell.route).collect_set());
        let is_selected = |route: &str| routes.as_ref().is_none_or(|routes| routes.contains(route));
        let history = &self.groups.budget_history;
        let in_force = history.in_force();
        let refused = history.rejected().map(|refused| budget_report::BudgetsRejection {
            at: refused.at,
            source: refused.source.name().to_owned(),
            reason: refused.reason.clone(),
        });
        Ok(BudgetReport {
            v: VERSION,
            site: self.site.clone(),
            from: self.query.from,
            to: self.query.to,
            last_beacon_at: self.groups.last_beacon_at,
            release: self.filter_value(&Dimension::Release).map(str::to_owned),
            against: self.baseline.as_ref().map(|(release, _)| release.clone()),
            filters: self.query.filters_without(&Dimension::Release),
            navigations: navigations_within_documents(self.navigations),
            views: self.groups.cells.values().fold(0, |sum, cell| sum.saturating_add(cell.views)),
            budgets: budget_report::BudgetsInForce {
                since: in_force.map(|version| version.since).unwrap_or_default(),
                source: in_force.map_or("asset", |version| version.source.name()).to_owned(),
                refused,
            },
            verdicts,
            cells: self.report_cells(&selected, is_selected, &watches, history)?,
            regressions: self.regressions(is_selected),
            scores: self.scores(is_selected),
            next,
            shards: self.shards.cloned(),
        })
    }

    fn filter_value(&self, dimension: &Dimension) -> Option<&str> {
        self.query.only.iter().find(|(other, _)| other == dimension).map(|(_, value)| value.as_str())
    }

    fn page_cells(&self) -> impl Iterator<Item = (&str, Device, &Cell)> {
        let page = |(group, cell)| {
            let (route, device) = ledger::Group::page(group, &self.query.by)?;
            Some((route, device, cell))
        };
        self.groups.cells.iter().filter_map(page)
    }

    /// Judges every cell: site-wide ones first, then in the order of the file.
    fn assessed_cells(&self) -> Vec<CellAssessment<'_>> {
        let metrics = || {
            Metric::ALL.into_iter().filter(|metric| self.selection.metric.is_none_or(|only| only == *metric))
        };
        let mut found = Vec::new();
        let mut sites: BTreeMap<(usize, Device), SiteTally<'_>> = BTreeMap::new();
        let mut ruled = BTreeSet::new();
        let mut pages: Vec<(&str, Device, &Cell)> = self.page_cells().collect();
        pages.order_by_key(|(route, device, _)| (*route, *device));
        for (route, device, cell) in pages {
            for metric in metrics() {
                let Some(rule) = budget_watch::rule_for(self.budgets, route, device, metric) else {
                    continue;
                };
                let tally = cell.metrics.get(&metric);
                ruled.insert(rule.position);
                if rule.is_sitewide() {
                    let site = sites.entry((rule.position, device)).or_insert_with(|| SiteTally {
                        rule,
                        tally: None,
                        networks: NetworkCounts::default(),
                    });
                    merge_tally(&mut site.tally, tally);
                    site.networks.merge(&cell.networks);
                }
                if route != OTHER_LABEL {
                    let (tally, networks) = (tally.map(Cow::Borrowed), Cow::Borrowed(&cell.networks));
                    found.push(self.assess(rule, Some(route), Some(device), tally, networks));
                }
            }
        }
        if self.filter_value(&Dimension::Route).is_none() {
            for ((_, device), SiteTally { rule, tally, networks }) in sites {
                let networks = Cow::Owned(networks);
                found.push(self.assess(rule, None, Some(device), tally.map(Cow::Owned), networks));
            }
            let device = self.filter_value(&Dimension::Device).and_then(Device::from_name);
            let is_asked = |rule: &BudgetRule<'_>| {
                device.is_none_or(|device| rule.device.is_none_or(|own| own == device))
                    && self.selection.metric.is_none_or(|only| only == rule.metric)
            };
            for rule in self.budgets.rules().filter(|rule| !ruled.contains(&rule.position) && is_asked(rule))
            {
                found.push(self.assess(rule, None, rule.device, None, Cow::default()));
            }
        }
        // The sort is stable, and the pages are in order already.
        found.order_by_key(|cell| (cell.rule.position, cell.route.is_some()));
        found
    }

    fn assess<'a>(
        &self,
        rule: BudgetRule<'a>,
        route: Option<&'a str>,
        device: Option<Device>,
        tally: Option<Cow<'a, MetricCell>>,
        networks: Cow<'a, NetworkCounts>,
    ) -> CellAssessment<'a> {
        let counts = tally.as_ref().map(|tally| tally.counts_for_limit(rule.limit.max)).unwrap_or_default();
        let limit_tally = tally_with_networks(counts, &networks);
        let verdict = verdict_on_shards(rule.limit.verdict(limit_tally), self.shards);
        CellAssessment { rule, route, device, tally, networks, limit_tally, verdict }
    }

    fn watches_by_name(&self) -> WatchesByName<'_> {
        self.watches.iter().map(|(key, outcome)| (WatchName::from(key), outcome)).collect_map()
    }

    fn report_cells(
        &self,
        selected: &[CellAssessment<'_>],
        is_selected: impl Fn(&str) -> bool,
        watches: &WatchesByName<'_>,
        history: &BudgetHistory,
    ) -> Result<Vec<budget_report::BudgetCell>, BudgetError> {
        let history = ParsedBudgetHistory::parse(history)?;
        let burns = self.burn_counts(is_selected);
        Ok(selected.iter().map(|cell| self.report_cell(cell, watches, &burns, &history)).collect())
    }

    /// Counts the recent views of the selected routes and of the site.
    fn burn_counts(&self, is_selected: impl Fn(&str) -> bool) -> BTreeMap<WatchName<'_>, BurnCounts> {
        let mut routes = Vec::new();
        let mut sites: BTreeMap<WatchName<'_>, BurnCounts> = BTreeMap::new();
        for (page, rule, history) in budget_watch::histories_in_force(self.budgets, self.counts) {
            let is_listed = page.route != OTHER_LABEL && is_selected(&page.route);
            if !is_listed && !rule.is_sitewide() {
                continue;
            }
            let counts = BurnCounts::of(history, self.counts.networks.get(page), self.now);
            let (device, metric) = (page.device, rule.metric.name());
            if is_listed {
                let name = WatchName { route: Some(&page.route), device, metric, pattern: "" };
                routes.push((name, counts.clone()));
            }
            if rule.is_sitewide() {
                let name = WatchName { route: None, device, metric, pattern: rule.pattern };
                sites.entry(name).or_default().add(&counts);
            }
        }
        sites.into_iter().chain(routes).collect_map()
    }

    fn report_cell(
        &self,
        found: &CellAssessment<'_>,
        watches: &WatchesByName<'_>,
        burns: &BTreeMap<WatchName<'_>, BurnCounts>,
        history: &ParsedBudgetHistory,
    ) -> budget_report::BudgetCell {
        let CellAssessment { rule, tally, networks, limit_tally: judged, .. } = found;
        let BudgetRule { pattern, metric, limit, .. } = *rule;
        let (value, interval) = percentile_with_interval(metric, tally.as_deref(), limit.percentile);
        let name = found.watch_name();
        let since = found.device.and_then(|device| history.in_force_since(rule, found.route, device));
        let seen = name.and_then(|name| watches.get(&name));
        let burn = name.and_then(|name| burns.get(&name));
        budget_report::BudgetCell {
            pattern: pattern.to_owned(),
            route: found.route.map(str::to_owned),
            device: found.device,
            metric: metric.name().to_owned(),
            unit: display_unit(metric).to_owned(),
            max: display_value(metric, limit.max),
            percentile: limit.percentile,
            severity: limit.severity.name().to_owned(),
            min_samples: limit.min_samples,
            line: limit.line,
            n: judged.n(),
            k: judged.within,
            verdict: found.verdict.name().to_owned(),
            p_value: judged.p_value(limit.percentile),
            value,
            interval,
            counting_since: since.filter(|since| *since > self.query.from),
            networks: network_share(networks, &limit, *judged, tally.as_deref()),
            watch: seen.map(|seen| SequentialTestReport {
                e_value: seen.evidence.e_value(limit.percentile).min(1e9),
                alarm: seen.test.alarm == budget::AlarmState::Raised,
                changed_at: seen.test.changed_at,
                since: seen.test.since,
                n: seen.evidence.n(),
                k: seen.evidence.within,
            }),
            burn: burn.map(|counts| burn_rates(counts.windows(), limit.percentile)),
        }
    }

    fn regressions(&self, is_selected: impl Fn(&str) -> bool) -> Vec<Regression> {
        let Some((_, before)) = &self.baseline else { return Vec::new() };
        let mut routes: BTreeMap<(Metric, &str), Vec<DeviceStratum>> = BTreeMap::new();
        for (group, cell) in &self.groups.cells {
            let Some((route, device)) = group.page(&self.query.by) else { continue };
            let before = before.cells.get(group);
            for metric in cell.metrics.keys() {
                if self.selection.metric.is_some_and(|only| only != *metric) {
                    continue;
                }
                let Some(rule) = budget_watch::rule_for(self.budgets, route, device, *metric) else {
                    continue;
                };
                let counts = |cell: &Cell| cell.limit_counts(*metric, rule.limit.max);
                let stratum = DeviceStratum {
                    device,
                    before: before.map(counts).unwrap_or_default(),
                    after: counts(cell),
                    before_top: before.map(|cell| cell.networks.top_views()).unwrap_or_default(),
                    after_top: cell.networks.top_views(),
                };
                routes.entry((*metric, route)).or_default().push(stratum);
            }
        }
        routes.values_mut().for_each(|strata| strata.order_by_key(|stratum| stratum.device));
        let mut all = Vec::new();
        for metric in Metric::ALL {
            let of_metric = routes.iter().filter(|((other, _), _)| *other == metric);
            let site: Vec<DeviceStratum> =
                of_metric.clone().flat_map(|(_, strata)| strata).copied().collect();
            if self.filter_value(&Dimension::Route).is_none() {
                all.extend(
                    regression(None, metric, &site).map(|whole| Regression { strata: Vec::new(), ..whole }),
                );
            }
            let told = of_metric.filter(|((_, route), _)| is_selected(route));
            all.extend(told.filter_map(|((_, route), strata)| regression(Some(route), metric, strata)));
        }
        all
    }

    fn scores(&self, is_selected: impl Fn(&str) -> bool) -> Vec<BudgetReportScore> {
        let mut site: BTreeMap<Device, Cell> = BTreeMap::new();
        let mut routes: BTreeMap<&str, Vec<(Device, &Cell)>> = BTreeMap::new();
        for (route, device, cell) in self.page_cells() {
            site.entry(device).or_default().merge(cell);
            if is_selected(route) {
                routes.entry(route).or_default().push((device, cell));
            }
        }
        let site: Vec<(Device, &Cell)> = site.iter().map(|(device, cell)| (*device, cell)).collect();
        let whole = self.filter_value(&Dimension::Route).is_none().then(|| scores_by_device(None, &site));
        let routes = routes.iter().flat_map(|(route, cells)| scores_by_device(Some(route), cells));
        whole.into_iter().flatten().chain(routes).collect()
    }
}

impl<'a> CellAssessment<'a> {
    /// The name of its sequential test. A budget that no view has met has one only if it names a device class.
    fn watch_name(&self) -> Option<WatchName<'a>> {
        Some(WatchName {
            route: self.route,
            device: self.device?,
            metric: self.rule.metric.name(),
            pattern: if self.route.is_some() { "" } else { self.rule.pattern },
        })
    }
}

type WatchesByName<'a> = BTreeMap<WatchName<'a>, &'a WatchOutcome>;

/// Ranks site-wide cells first, then violated, at-limit and alarming ones, each by views over the limit in
/// excess of what the percentile allows.
fn attention_rank(cell: &CellAssessment<'_>, watches: &WatchesByName<'_>) -> (u8, i64) {
    let beyond = -cell.limit_tally.excess_visits(cell.rule.limit.percentile).round() as i64;
    let is_troubled = matches!(cell.verdict, Verdict::Violated | Verdict::AtLimit)
        || cell
            .watch_name()
            .and_then(|name| watches.get(&name))
            .is_some_and(|seen| seen.test.alarm == budget::AlarmState::Raised);
    match cell.route {
        None => (0, 0),
        Some(_) if is_troubled => (1, beyond),
        Some(_) => (2, beyond),
    }
}

/// Every version of the budgets, with the start of its validity.
struct ParsedBudgetHistory(Vec<(UnixMillis, Budgets)>);

impl ParsedBudgetHistory {
    fn parse(history: &BudgetHistory) -> Result<Self, BudgetError> {
        let parse = |version: &ledger::BudgetVersion| Ok((version.since, Budgets::parse(&version.text)?));
        history.versions().iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the start of counting against a limit. A limit that was restored keeps its earlier counts.
    fn in_force_since(
        &self,
        rule: &BudgetRule<'_>,
        route: Option<&str>,
        device: Device,
    ) -> Option<UnixMillis> {
        let holds = |budgets: &Budgets| match route {
            Some(route) => {
                budgets.limit(route, device, rule.metric).is_some_and(|limit| limit.max == rule.limit.max)
            }
            None => budgets.rules().any(|other| {
                (other.pattern, other.metric, other.device, other.limit.max)
                    == (rule.pattern, rule.metric, rule.device, rule.limit.max)
            }),
        };
        self.0.iter().find(|(_, budgets)| holds(budgets)).map(|(since, _)| *since)
    }
}

fn merge_tally(sum: &mut Option<MetricCell>, tally: Option<&MetricCell>) {
    match (sum.as_mut(), tally) {
        (Some(sum), Some(tally)) => sum.merge(tally),
        (None, Some(tally)) => *sum = Some(tally.clone()),
        (_, None) => {}
    }
}

/// Returns the tallies of the spans that burn rates are computed over.
#[must_use]
pub fn burn_windows(
    history: &LimitHistory,
    networks: Option<&NetworkHistory>,
    now: UnixMillis,
) -> BurnWindows {
    BurnCounts::of(history, networks, now).windows()
}

fn burn_rates(windows: BurnWindows, percentile: u8) -> BurnRates {
    let rate = |tally: budget::BudgetTally| (tally.n() > 0).then(|| tally.burn_rate(percentile));
    BurnRates {
        half_hour: rate(windows.half_hour),
        six_hours: rate(windows.six_hours),
        three_days: rate(windows.three_days),
        urgency: windows.alert(percentile).map(|burn| burn.name().to_owned()),
    }
}

fn regression(route: Option<&str>, metric: Metric, strata: &[DeviceStratum]) -> Option<Regression> {
    let tally = |counts: wire::LimitCounts, top| budget::BudgetTally::from(counts).with_top(top);
    let all: Vec<budget::Stratum> = strata
        .iter()
        .map(|stratum| budget::Stratum {
            before: tally(stratum.before, stratum.before_top),
            after: tally(stratum.after, stratum.after_top),
        })
        .collect();
    let found = ReleaseComparison::from_strata(&all)?;
    Some(Regression {
        route: route.map(str::to_owned),
        metric: metric.name().to_owned(),
        strata: strata.to_vec(),
        points_worse: found.points_worse,
        p_value: found.p_value,
        regression: found.is_regression(),
    })
}

/// Scores all device classes together, then each one; the parts are listed for the whole site only.
fn scores_by_device(route: Option<&str>, cells: &[(Device, &Cell)]) -> Vec<BudgetReportScore> {
    let own = |(device, cell): &(Device, &Cell)| {
        let p75 = |(metric, tally): (&Metric, &MetricCell)| {
            Some((*metric, display_value(*metric, tally.sketch.percentile(75)?.midpoint())))
        };
        let scored = FieldScore::from_percentiles(
            cell.views,
            cell.metrics.iter().filter_map(p75),
            FormFactor::from_device(*device),
        )?;
        Some((*device, scored))
    };
    let (devices, classes): (Vec<Device>, Vec<FieldScore>) = cells.iter().filter_map(own).unzip();
    let told = |device, scored: &FieldScore| BudgetReportScore {
        route: route.map(str::to_owned),
        device,
        views: scored.views,
        score: scored.score,
        parts: if route.is_none() { score_parts(scored) } else { Vec::new() },
    };
    let all = FieldScore::combine(&classes).map(|all| told(None, &all));
    let each = devices.into_iter().zip(&classes).map(|(device, scored)| told(Some(device), scored));
    all.into_iter().chain(each).collect()
}

fn score_parts(scored: &FieldScore) -> Vec<ScorePart> {
    let part = |(part, weight): (&MetricScore, f64)| ScorePart {
        metric: part.metric.name().to_owned(),
        score: part.score,
        weight,
    };
    scored.parts_with_share().map(part).collect()
}
