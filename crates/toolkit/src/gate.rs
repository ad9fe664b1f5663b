//! The gate's table: how a site stands at the edge, judged by the budgets at hand, with what the lab
//! found beside it. The budgets may be newer than those in force at the edge; what was counted against
//! another limit proves nothing of this one.

use std::collections::BTreeMap;

use budget::{
    BudgetRule, BudgetTally, Budgets, GateCell, GateOutcome, Limit, ReleaseComparison, Severity, Stratum,
    evaluate_gate, find_regressions, gate_readiness,
};
use serde::{Deserialize, Serialize};
use wire::budget_report::{BudgetCell as Counted, BudgetReport, LimitCounts, Regression};
use wire::{Device, Metric};

use crate::lighthouse_ci::{CheckedAssertion, LhciVerification};

/// The judgement of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateReport {
    /// The version of this document.
    pub v: u8,
    /// `pass`, `violated` or `insufficient`: of the field, the comparison and the lab together.
    pub answer: &'static str,
    /// The exit code.
    pub code: u8,
    /// The site; null where the field was not asked.
    pub site: Option<String>,
    /// The release that was judged; null for all.
    pub release: Option<String>,
    /// The release that it was compared with.
    pub against: Option<String>,
    /// The first moment that was counted, in milliseconds since 1970.
    pub from: u64,
    /// The moment before which all of it lies.
    pub to: u64,
    /// Views, each once.
    pub views: u64,
    /// Whether it is time to look.
    pub waiting: ReadinessReport,
    /// One for each budgeted cell: violated ones first, then as the edge lists them.
    pub rows: Vec<GateRow>,
    /// How the release compares.
    pub regressions: Vec<RegressionRow>,
    /// What the lab found.
    pub lab: Vec<LabGateRow>,
    /// Why a newer budgets.json does not rule at the edge.
    pub refused: Option<String>,
}

/// Whether it is time to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadinessReport {
    /// Cells that have enough visits for a look.
    pub ready: usize,
    /// Cells that are waited for.
    #[serde(rename = "of")]
    pub total: usize,
    /// Whether waiting is of no use.
    #[serde(rename = "certain")]
    pub certainly_violated: bool,
}

/// One budget of one route on one class of device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GateRow {
    /// The path of the budget.
    pub pattern: String,
    /// The route template; null for all that the budget rules.
    pub route: Option<String>,
    /// The class of device; null for all.
    pub device: Option<&'static str>,
    /// The metric's name.
    pub metric: &'static str,
    /// The budget, in the unit that people use.
    pub max: f64,
    /// Of a hundred visits, so many must be within.
    pub percentile: u8,
    /// `error` or `warn`.
    pub severity: &'static str,
    /// The line of budgets.json that says so.
    pub line: u32,
    /// Views that were judged by this limit.
    pub n: u64,
    /// Those within it.
    pub within: u64,
    /// The value at the budget's percentile.
    pub value: Option<f64>,
    /// Between which the true one lies, 95 times in 100.
    pub interval: Option<[f64; 2]>,
    /// What the counts prove, among all the cells.
    pub verdict: &'static str,
    /// Whether another row judges this budget over all its routes.
    #[serde(rename = "part")]
    pub is_subset: bool,
    /// The limit in force at the edge, where it is another one.
    pub counted_against: Option<f64>,
    /// Since when the edge counts against this limit, where that is later than the window.
    pub counting_since: Option<u64>,
    /// What the lab measured of the same, at worst.
    pub lab: Option<LabComparison>,
}

/// What the lab measured beside a row of the field.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabComparison {
    /// The audit, which may be a proxy.
    pub audit: String,
    /// The median of the runs.
    pub actual: Option<f64>,
    /// The most that it may be.
    pub max: f64,
    /// `kept`, `broken`, `not-measured` or `not-asserted`.
    pub outcome: &'static str,
}

/// How a release differs from the one before, for one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegressionRow {
    /// The route template; null for the whole site.
    pub route: Option<String>,
    /// The metric's name.
    pub metric: &'static str,
    /// So many more of a hundred views are over budget.
    pub points_worse: f64,
    /// How likely as large a difference is by chance.
    pub p_value: f64,
    /// Whether it is certain among all, and enough to matter.
    pub regression: bool,
    /// `error` or `warn`: the severest of its budgets.
    pub severity: &'static str,
    /// The line of that budget.
    pub line: u32,
}

/// What came of one assertion in the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LabGateRow {
    /// The class of device.
    pub device: Device,
    /// The assertion.
    #[serde(flatten)]
    pub assertion: CheckedAssertion,
}

/// The gate's judgement. Without budgets at hand, those in force at the edge are meant.
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
    let answer = field.max(comparison).max(lab);
    let waits = gate_readiness(&cells);

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
        from: budget_report.from.0,
        to: budget_report.to.0,
        views: budget_report.views,
        waiting: ReadinessReport {
            ready: waits.ready,
            total: waits.total,
            certainly_violated: waits.certainly_violated,
        },
        rows,
        regressions: worse,
        lab: labs.iter().flat_map(LhciVerification::gate_rows).collect(),
        refused: budget_report.budgets.refused.as_ref().map(|refused| refused.reason.clone()),
    }
}

/// The judgement where nobody asked the field.
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
        from: 0,
        to: 0,
        views: 0,
        waiting: ReadinessReport { ready: 0, total: 0, certainly_violated: false },
        rows: Vec::new(),
        regressions: Vec::new(),
        lab: labs.iter().flat_map(LhciVerification::gate_rows).collect(),
        refused: None,
    }
}

/// A budget with what was counted of it.
struct JudgedCell<'a> {
    edge_cell: Option<&'a Counted>,
    pattern: &'a str,
    device: Option<Device>,
    metric: Metric,
    cell: GateCell,
}

fn judge_cells<'a>(budgets: Option<&'a Budgets>, budget_report: &'a BudgetReport) -> Vec<JudgedCell<'a>> {
    // Which budgets some cell judges over all their routes.
    let whole: Vec<_> = (budget_report.cells.iter())
        .filter(|cell| cell.route.is_none())
        .map(|cell| (&cell.pattern, cell.device, &cell.metric))
        .collect();
    let counted = budget_report.cells.iter().filter_map(|counted| {
        let metric = Metric::from_name(&counted.metric)?;
        let limit = match budgets {
            Some(budgets) => current_limit(budgets, counted, metric)?,
            None => edge_limit(counted, metric),
        };
        let part =
            counted.route.is_some() && whole.contains(&(&counted.pattern, counted.device, &counted.metric));
        let tally = if to_wire_units(counted.max, metric) == limit.max {
            BudgetTally::new(counted.n, counted.k)
        } else {
            BudgetTally::default()
        };
        let cell = GateCell { limit, tally, is_subset: part };
        Some(JudgedCell {
            edge_cell: Some(counted),
            pattern: &counted.pattern,
            device: counted.device,
            metric,
            cell,
        })
    });
    let mut all: Vec<JudgedCell<'_>> = counted.collect();
    // A budget that the edge does not know yet is a row too: silence is never green.
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

/// What the budgets at hand say of that cell; none where they no longer say anything.
fn current_limit(budgets: &Budgets, edge_cell: &Counted, metric: Metric) -> Option<Limit> {
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

fn edge_limit(edge_cell: &Counted, metric: Metric) -> Limit {
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
        let Self {
            edge_cell: counted,
            pattern,
            device,
            metric,
            cell: GateCell { limit, tally, is_subset: part },
        } = self;
        let route = counted.and_then(|counted| counted.route.clone());
        let other = counted.filter(|counted| to_wire_units(counted.max, metric) != limit.max);
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
            value: counted.and_then(|counted| counted.value),
            interval: counted.and_then(|counted| counted.interval),
            verdict,
            is_subset: part,
            counted_against: other.map(|counted| counted.max),
            counting_since: counted.and_then(|counted| counted.counting_since).map(|at| at.0),
            lab: worst_lab_outcome.map(|shown| LabComparison {
                audit: shown.assertion.audit.clone(),
                actual: shown.actual,
                max: shown.assertion.max,
                outcome: shown.outcome.name(),
            }),
            route,
        }
    }
}

/// How far over its limit; what was not found is worse than anything that was.
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

/// The comparison by the counts themselves, where they are told.
fn compare_strata(found: &Regression) -> ReleaseComparison {
    let tally = |LimitCounts { n, k }: LimitCounts| BudgetTally::new(n, k);
    let strata: Vec<Stratum> = (found.strata.iter())
        .map(|one| Stratum { before: tally(one.before), after: tally(one.after) })
        .collect();
    let reported = ReleaseComparison { points_worse: found.points_worse, p_value: found.p_value };
    ReleaseComparison::from_strata(&strata).unwrap_or(reported)
}

/// The severest budget of that metric there, and its line.
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
                |cell: &&Counted| cell.metric == found.metric && (route.is_none() || cell.route == *route);
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
