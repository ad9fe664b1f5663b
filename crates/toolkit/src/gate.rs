//! The gate report: counts of the edge judged by the local budgets, with lab results. The local budgets may be
//! newer than those in force at the edge; counts against another limit are no evidence.

use std::collections::BTreeMap;

use budget::{
    BudgetRule, BudgetTally, Budgets, GateCell, GateOutcome, Limit, ReleaseComparison, Severity, Stratum,
    evaluate_gate, find_regressions, gate_readiness,
};
use serde::Serialize;
use wire::budget_report::{BudgetCell, BudgetReport, Regression};
use wire::summary::NavigationSummary;
use wire::{Device, LimitCounts, Metric, ShardCoverage};

use crate::lighthouse_ci::{CheckedAssertion, LabGateRow, LhciVerification};

/// The report of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateReport {
    /// The version of this document.
    pub v: u8,
    /// `pass`, `violated` or `insufficient`, over field, comparison and lab.
    pub answer: &'static str,
    /// The exit code.
    pub code: u8,
    /// The site; null without field data.
    pub site: Option<String>,
    /// The judged release; null for all.
    pub release: Option<String>,
    /// The release of the comparison.
    pub against: Option<String>,
    /// The other filters by their parameters: the views that are judged.
    pub filters: BTreeMap<String, String>,
    /// Navigations within documents, which are not judged.
    pub navigations: Vec<NavigationSummary>,
    /// The start of the window, in milliseconds since 1970.
    pub from: u64,
    /// The end of the window, exclusive.
    pub to: u64,
    /// Number of views.
    pub views: u64,
    /// The readiness of a waiting gate.
    pub waiting: ReadinessReport,
    /// One row for each budgeted cell: violated ones first, then in the order of the edge.
    pub rows: Vec<GateRow>,
    /// The comparison with the release `against`.
    pub regressions: Vec<RegressionRow>,
    /// Lab results.
    pub lab: Vec<LabGateRow>,
    /// The error of a newer budgets.json that the edge rejected.
    pub refused: Option<String>,
    /// The shards of the edge that answered; null if all did. Without all of them no budget is proven met, and the
    /// gate does not pass.
    pub shards: Option<ShardCoverage>,
}

/// The readiness of a waiting gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadinessReport {
    /// Cells with enough visits.
    pub ready: usize,
    /// Cells that the gate waits for.
    #[serde(rename = "of")]
    pub total: usize,
    /// True if waiting is pointless.
    #[serde(rename = "certain")]
    pub certainly_violated: bool,
}

/// One budget of one route and device class.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateRow {
    /// The path pattern of the budget.
    pub pattern: String,
    /// The route template; null for all routes of the pattern.
    pub route: Option<String>,
    /// The device class; null for all.
    pub device: Option<&'static str>,
    /// The metric's name.
    pub metric: &'static str,
    /// The limit, in the unit of the metric.
    pub max: f64,
    /// The percentage of visits that must be within budget.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: &'static str,
    /// The line of budgets.json.
    pub line: u32,
    /// Views judged by this limit.
    pub n: u64,
    /// Views within the limit.
    pub within: u64,
    /// The value at the budget's percentile.
    pub value: Option<f64>,
    /// The 95 % confidence interval of the value.
    pub interval: Option<[f64; 2]>,
    /// The verdict, corrected for the number of cells.
    pub verdict: &'static str,
    /// True if another row judges this budget over all its routes.
    #[serde(rename = "part")]
    pub is_subset: bool,
    /// The limit in force at the edge, if it differs.
    pub counted_against: Option<f64>,
    /// The time from which the edge counts against this limit, if later than the start of the window.
    pub counting_since: Option<u64>,
    /// The reason why a violation is not proven, if it rests on few networks.
    pub unproven: Option<String>,
    /// The worst lab result of the same metric.
    pub lab: Option<LabComparison>,
}

/// The lab result next to a field row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabComparison {
    /// The audit, possibly a proxy.
    pub audit: String,
    /// The median of the runs.
    pub actual: Option<f64>,
    /// The bound.
    pub max: f64,
    /// `kept`, `broken`, `not-measured` or `not-asserted`.
    pub outcome: &'static str,
}

/// The difference between two releases for one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegressionRow {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The metric's name.
    pub metric: &'static str,
    /// The increase of views over budget, in percentage points.
    pub points_worse: f64,
    /// The p-value of the difference.
    pub p_value: f64,
    /// True for a significant and relevant increase, corrected for the number of comparisons.
    pub regression: bool,
    /// The highest severity of its budgets: `error` or `warn`.
    pub severity: &'static str,
    /// The line of that budget.
    pub line: u32,
}

/// Evaluates the gate, by the limits in force at the edge if there are no local budgets.
#[must_use]
pub fn gate_report(
    budgets: Option<&Budgets>,
    budget_report: &BudgetReport,
    labs: &[LhciVerification],
) -> GateReport {
    let judged = judge_cells(budgets, budget_report);
    let cells: Vec<GateCell> = judged.iter().map(|one| one.cell).collect();
    let (verdicts, field) = evaluate_gate(&cells);
    let (worse, comparison) = compare_release(budgets, budget_report);
    let lab = labs.iter().map(LhciVerification::gate_outcome).max().unwrap_or(GateOutcome::Pass);
    let shards = budget_report.shards.as_ref();
    // The views that are missing might be those that violate a budget.
    let missing = if shards.is_some() { GateOutcome::Insufficient } else { GateOutcome::Pass };
    let answer = field.max(comparison).max(lab).max(missing);
    let waits = gate_readiness(&cells);

    let verdicts = verdicts.into_iter().map(|verdict| match shards {
        Some(_) => verdict.on_partial_data(),
        None => verdict,
    });
    let mut rows: Vec<GateRow> =
        judged.into_iter().zip(verdicts).map(|(one, verdict)| one.into_row(verdict.name(), labs)).collect();
    rows.sort_by_key(|row| row.verdict != "violated");
    GateReport {
        v: 1,
        answer: answer.name(),
        code: answer.code(),
        site: Some(budget_report.site.clone()),
        release: budget_report.release.clone(),
        against: budget_report.against.clone(),
        filters: budget_report.filters.clone(),
        navigations: budget_report.navigations.clone(),
        from: budget_report.from.0,
        to: budget_report.to.0,
        views: budget_report.views,
        waiting: ReadinessReport {
            // A judgement waits for all shards.
            ready: if shards.is_some() { 0 } else { waits.ready },
            total: waits.total,
            certainly_violated: waits.certainly_violated,
        },
        rows,
        regressions: worse,
        lab: labs.iter().flat_map(LhciVerification::gate_rows).collect(),
        refused: budget_report.budgets.refused.as_ref().map(|refused| refused.reason.clone()),
        shards: shards.cloned(),
    }
}

/// Evaluates the gate by lab results alone.
#[must_use]
pub fn lab_gate_report(labs: &[LhciVerification]) -> GateReport {
    let answer = labs.iter().map(LhciVerification::gate_outcome).max().unwrap_or(GateOutcome::Insufficient);
    GateReport {
        v: 1,
        answer: answer.name(),
        code: answer.code(),
        site: None,
        release: None,
        against: None,
        filters: BTreeMap::new(),
        navigations: Vec::new(),
        from: 0,
        to: 0,
        views: 0,
        waiting: ReadinessReport { ready: 0, total: 0, certainly_violated: false },
        rows: Vec::new(),
        regressions: Vec::new(),
        lab: labs.iter().flat_map(LhciVerification::gate_rows).collect(),
        refused: None,
        shards: None,
    }
}

/// A budget with its counts.
struct JudgedCell<'a> {
    edge_cell: Option<&'a BudgetCell>,
    pattern: &'a str,
    device: Option<Device>,
    metric: Metric,
    cell: GateCell,
}

fn judge_cells<'a>(budgets: Option<&'a Budgets>, budget_report: &'a BudgetReport) -> Vec<JudgedCell<'a>> {
    // Budgets with a cell over all their routes.
    let whole: Vec<_> = (budget_report.cells.iter())
        .filter(|cell| cell.route.is_none())
        .map(|cell| (&cell.pattern, cell.device, &cell.metric))
        .collect();
    let known_to_edge = budget_report.cells.iter().filter_map(|edge_cell| {
        let metric = Metric::from_name(&edge_cell.metric)?;
        let limit = match budgets {
            Some(budgets) => current_limit(budgets, edge_cell, metric)?,
            None => edge_limit(edge_cell, metric),
        };
        let is_subset = edge_cell.route.is_some()
            && whole.contains(&(&edge_cell.pattern, edge_cell.device, &edge_cell.metric));
        let tally = if to_wire_units(edge_cell.max, metric) == limit.max {
            let top = edge_cell.networks.as_ref().map(|networks| networks.top).unwrap_or_default();
            BudgetTally::new(edge_cell.n, edge_cell.k).with_top(top)
        } else {
            BudgetTally::default()
        };
        let cell = GateCell { limit, tally, is_subset };
        Some(JudgedCell {
            edge_cell: Some(edge_cell),
            pattern: &edge_cell.pattern,
            device: edge_cell.device,
            metric,
            cell,
        })
    });
    let mut all: Vec<JudgedCell<'_>> = known_to_edge.collect();
    // A budget that the edge does not know yet is an `unknown` row.
    let unknown_to_edge = budgets.into_iter().flat_map(Budgets::rules).filter(|rule| {
        !all.iter().any(|one| {
            (one.metric, one.cell.limit.line) == (rule.metric, rule.limit.line)
                || (one.pattern, one.metric) == (rule.pattern, rule.metric) && one.device == rule.device
        })
    });
    let unknown_to_edge: Vec<JudgedCell<'_>> = unknown_to_edge
        .map(|rule| {
            let cell = GateCell { limit: rule.limit, tally: BudgetTally::default(), is_subset: false };
            JudgedCell {
                edge_cell: None,
                pattern: rule.pattern,
                device: rule.device,
                metric: rule.metric,
                cell,
            }
        })
        .collect();
    all.extend(unknown_to_edge);
    all
}

/// Returns the limit of a cell by the local budgets; None if they no longer have one.
fn current_limit(budgets: &Budgets, edge_cell: &BudgetCell, metric: Metric) -> Option<Limit> {
    match (&edge_cell.route, edge_cell.device) {
        (Some(route), Some(device)) => budgets.limit(route, device, metric),
        _ => {
            let matches_cell = |rule: &BudgetRule<'_>| {
                (rule.pattern, rule.metric) == (edge_cell.pattern.as_str(), metric)
                    && rule.device.is_none_or(|only| edge_cell.device == Some(only))
            };
            Some(budgets.rules().filter(matches_cell).last()?.limit)
        }
    }
}

fn edge_limit(edge_cell: &BudgetCell, metric: Metric) -> Limit {
    Limit {
        max: to_wire_units(edge_cell.max, metric),
        percentile: edge_cell.percentile.clamp(1, 99),
        severity: if edge_cell.severity == Severity::Warn.name() { Severity::Warn } else { Severity::Error },
        min_samples: edge_cell.min_samples,
        line: edge_cell.line,
    }
}

impl JudgedCell<'_> {
    fn into_row(self, verdict: &'static str, labs: &[LhciVerification]) -> GateRow {
        let Self { edge_cell, pattern, device, metric, cell: GateCell { limit, tally, is_subset } } = self;
        let route = edge_cell.and_then(|edge_cell| edge_cell.route.clone());
        let differing = edge_cell.filter(|edge_cell| to_wire_units(edge_cell.max, metric) != limit.max);
        let lab_outcomes = labs.iter().flat_map(|lab| lab.outcomes_for(device, route.as_deref(), metric));
        let worst_lab_outcome = lab_outcomes.max_by(|a, b| overshoot(a).total_cmp(&overshoot(b)));
        GateRow {
            pattern: pattern.to_owned(),
            device: device.map(Device::name),
            metric: metric.name(),
            max: f64::from(limit.max) / metric.wire_scale(),
            percentile: limit.percentile,
            severity: limit.severity.name(),
            line: limit.line,
            n: tally.n(),
            within: tally.within,
            value: edge_cell.and_then(|edge_cell| edge_cell.value),
            interval: edge_cell.and_then(|edge_cell| edge_cell.interval),
            verdict,
            is_subset,
            counted_against: differing.map(|edge_cell| edge_cell.max),
            counting_since: edge_cell.and_then(|edge_cell| edge_cell.counting_since).map(|at| at.0),
            unproven: edge_cell
                .and_then(|edge_cell| edge_cell.networks.as_ref())
                .filter(|_| limit.rests_on_few_networks(tally))
                .map(|networks| networks.unproven_sentence(tally.n())),
            lab: worst_lab_outcome.map(|worst| LabComparison {
                audit: worst.assertion.audit.clone(),
                actual: worst.actual,
                max: worst.assertion.max,
                outcome: worst.outcome.name(),
            }),
            route,
        }
    }
}

/// The value relative to its bound; a missing value counts as worst.
fn overshoot(assertion: &CheckedAssertion) -> f64 {
    assertion.actual.map_or(f64::INFINITY, |actual| actual / assertion.assertion.max.max(f64::MIN_POSITIVE))
}

fn compare_release(
    budgets: Option<&Budgets>,
    budget_report: &BudgetReport,
) -> (Vec<RegressionRow>, GateOutcome) {
    if budget_report.against.is_none() {
        return (Vec::new(), GateOutcome::Pass);
    }
    let known = budget_report.regressions.iter().filter_map(|found| {
        let metric = Metric::from_name(&found.metric)?;
        let (severity, line) = severest_limit(budgets, budget_report, found, metric)?;
        Some((found, metric, severity, line))
    });
    let known: Vec<_> = known.collect();
    let comparisons: Vec<_> =
        known.iter().map(|(found, _, severity, _)| (*severity, compare_strata(found))).collect();
    let (worse, answer) = find_regressions(&comparisons);
    let rows = known.into_iter().zip(comparisons).zip(worse).map(
        |(((found, metric, severity, line), (_, comparison)), regression)| RegressionRow {
            route: found.route.clone(),
            metric: metric.name(),
            points_worse: comparison.points_worse,
            p_value: comparison.p_value,
            regression,
            severity: severity.name(),
            line,
        },
    );
    (rows.collect(), answer)
}

/// Compares by counts, or returns the edge's comparison if the document has none.
fn compare_strata(found: &Regression) -> ReleaseComparison {
    let tally = |counts: LimitCounts, top| BudgetTally::from(counts).with_top(top);
    let strata: Vec<Stratum> = (found.strata.iter())
        .map(|one| Stratum {
            before: tally(one.before, one.before_top),
            after: tally(one.after, one.after_top),
        })
        .collect();
    let reported = ReleaseComparison { points_worse: found.points_worse, p_value: found.p_value };
    ReleaseComparison::from_strata(&strata).unwrap_or(reported)
}

/// Returns the highest severity among the budgets of a metric, and its line.
fn severest_limit(
    budgets: Option<&Budgets>,
    budget_report: &BudgetReport,
    found: &Regression,
    metric: Metric,
) -> Option<(Severity, u32)> {
    let limits: Vec<Limit> = match (budgets, &found.route) {
        (Some(budgets), Some(route)) => {
            Device::ALL.into_iter().filter_map(|device| budgets.limit(route, device, metric)).collect()
        }
        (Some(budgets), None) => {
            budgets.rules().filter(|rule| rule.metric == metric).map(|rule| rule.limit).collect()
        }
        (None, route) => {
            let of_it =
                |cell: &&BudgetCell| cell.metric == found.metric && (route.is_none() || cell.route == *route);
            budget_report.cells.iter().filter(of_it).map(|cell| edge_limit(cell, metric)).collect()
        }
    };
    let by_line: BTreeMap<bool, u32> =
        limits.iter().rev().map(|limit| (limit.severity == Severity::Error, limit.line)).collect();
    let (is_error, line) = by_line.last_key_value()?;
    Some((if *is_error { Severity::Error } else { Severity::Warn }, *line))
}

fn to_wire_units(max: f64, metric: Metric) -> u32 {
    (max * metric.wire_scale()).round() as u32
}
