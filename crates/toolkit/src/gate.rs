//! The gate's table: how a site stands at the edge, judged by the budgets at hand, with what the lab
//! found beside it. The budgets may be newer than those in force at the edge; what was counted against
//! another limit proves nothing of this one.

use std::collections::BTreeMap;

use budget::{
    Answer, Budgets, Cell, Comparison, Limit, Rule, Severity, Stratum, Tally, gate, regressions, waiting,
};
use serde::{Deserialize, Serialize};
use wire::standing::{Cell as Counted, Kept, Regression, Standing};
use wire::{Device, Metric};

use crate::lab::{LabFound, Shown};

/// The judgement of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub waiting: Waits,
    /// One for each budgeted cell: violated ones first, then as the edge lists them.
    pub rows: Vec<GateRow>,
    /// How the release compares.
    pub regressions: Vec<Worse>,
    /// What the lab found.
    pub lab: Vec<LabRow>,
    /// Why a newer budgets.json does not rule at the edge.
    pub refused: Option<String>,
}

/// Whether it is time to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Waits {
    /// Cells that have enough visits for a look.
    pub ready: usize,
    /// Cells that are waited for.
    pub of: usize,
    /// Whether waiting is of no use.
    pub certain: bool,
}

/// One budget of one route on one class of device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
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
    pub part: bool,
    /// The limit in force at the edge, where it is another one.
    pub counted_against: Option<f64>,
    /// Since when the edge counts against this limit, where that is later than the window.
    pub counting_since: Option<u64>,
    /// What the lab measured of the same, at worst.
    pub lab: Option<Beside>,
}

/// What the lab measured beside a row of the field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
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
pub struct Worse {
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
pub struct LabRow {
    /// The class of device.
    pub device: Device,
    /// The assertion.
    #[serde(flatten)]
    pub shown: Shown,
}

/// The gate's judgement. Without budgets at hand, those in force at the edge are meant.
#[must_use]
pub fn gated(budgets: Option<&Budgets>, standing: &Standing, labs: &[LabFound]) -> GateReport {
    let judged = judged(budgets, standing);
    let cells: Vec<Cell> = judged.iter().map(|one| one.cell).collect();
    let (verdicts, field) = gate(&cells);
    let (worse, comparison) = compared(budgets, standing);
    let lab = labs.iter().map(LabFound::answer).max().unwrap_or(Answer::Pass);
    let answer = field.max(comparison).max(lab);
    let waits = waiting(&cells);

    let mut rows: Vec<GateRow> =
        judged.into_iter().zip(verdicts).map(|(one, verdict)| one.row(verdict.name(), labs)).collect();
    rows.sort_by_key(|row| row.verdict != "violated");
    GateReport {
        v: 1,
        answer: answer.name(),
        code: answer.code(),
        site: Some(standing.site.clone()),
        release: standing.release.clone(),
        against: standing.against.clone(),
        from: standing.from.0,
        to: standing.to.0,
        views: standing.views,
        waiting: Waits { ready: waits.ready, of: waits.of, certain: waits.certain },
        rows,
        regressions: worse,
        lab: labs.iter().flat_map(LabFound::rows).collect(),
        refused: standing.budgets.refused.as_ref().map(|refused| refused.why.clone()),
    }
}

/// The judgement where nobody asked the field.
#[must_use]
pub fn lab_gated(labs: &[LabFound]) -> GateReport {
    let answer = labs.iter().map(LabFound::answer).max().unwrap_or(Answer::Insufficient);
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
        waiting: Waits { ready: 0, of: 0, certain: false },
        rows: Vec::new(),
        regressions: Vec::new(),
        lab: labs.iter().flat_map(LabFound::rows).collect(),
        refused: None,
    }
}

/// A budget with what was counted of it.
struct Judged<'a> {
    counted: Option<&'a Counted>,
    pattern: &'a str,
    device: Option<Device>,
    metric: Metric,
    cell: Cell,
}

fn judged<'a>(budgets: Option<&'a Budgets>, standing: &'a Standing) -> Vec<Judged<'a>> {
    // Which budgets some cell judges over all their routes.
    let whole: Vec<_> = (standing.cells.iter())
        .filter(|cell| cell.route.is_none())
        .map(|cell| (&cell.pattern, cell.device, &cell.metric))
        .collect();
    let counted = standing.cells.iter().filter_map(|counted| {
        let metric = Metric::named(&counted.metric)?;
        let limit = match budgets {
            Some(budgets) => limit(budgets, counted, metric)?,
            None => limit_at_edge(counted, metric),
        };
        let part =
            counted.route.is_some() && whole.contains(&(&counted.pattern, counted.device, &counted.metric));
        let tally = if units(counted.max, metric) == limit.max {
            Tally::of(counted.n, counted.k)
        } else {
            Tally::default()
        };
        let cell = Cell { limit, tally, part };
        Some(Judged {
            counted: Some(counted),
            pattern: &counted.pattern,
            device: counted.device,
            metric,
            cell,
        })
    });
    let mut all: Vec<Judged<'_>> = counted.collect();
    // A budget that the edge does not know yet is a row too: silence is never green.
    let unheard = budgets.into_iter().flat_map(Budgets::rules).filter(|rule| {
        !all.iter().any(|one| {
            (one.metric, one.cell.limit.line) == (rule.metric, rule.limit.line)
                || (one.pattern, one.metric) == (rule.pattern, rule.metric) && one.device == rule.device
        })
    });
    let unheard: Vec<Judged<'_>> = unheard
        .map(|rule| {
            let cell = Cell { limit: rule.limit, tally: Tally::default(), part: false };
            Judged { counted: None, pattern: rule.pattern, device: rule.device, metric: rule.metric, cell }
        })
        .collect();
    all.extend(unheard);
    all
}

/// What the budgets at hand say of that cell; none where they no longer say anything.
fn limit(budgets: &Budgets, counted: &Counted, metric: Metric) -> Option<Limit> {
    match (&counted.route, counted.device) {
        (Some(route), Some(device)) => budgets.limit(route, device, metric),
        _ => {
            let says = |rule: &Rule<'_>| {
                (rule.pattern, rule.metric) == (counted.pattern.as_str(), metric)
                    && rule.device.is_none_or(|only| counted.device == Some(only))
            };
            Some(budgets.rules().filter(says).last()?.limit)
        }
    }
}

fn limit_at_edge(counted: &Counted, metric: Metric) -> Limit {
    Limit {
        max: units(counted.max, metric),
        percentile: counted.percentile.clamp(1, 99),
        severity: if counted.severity == Severity::Warn.name() { Severity::Warn } else { Severity::Error },
        min_samples: counted.min_samples,
        line: counted.line,
    }
}

impl Judged<'_> {
    fn row(self, verdict: &'static str, labs: &[LabFound]) -> GateRow {
        let Self { counted, pattern, device, metric, cell: Cell { limit, tally, part } } = self;
        let route = counted.and_then(|counted| counted.route.clone());
        let other = counted.filter(|counted| units(counted.max, metric) != limit.max);
        let beside = labs.iter().flat_map(|lab| lab.of(device, route.as_deref(), metric));
        let beside = beside.max_by(|a, b| gravity(a).total_cmp(&gravity(b)));
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
            part,
            counted_against: other.map(|counted| counted.max),
            counting_since: counted.and_then(|counted| counted.counting_since).map(|at| at.0),
            lab: beside.map(|shown| Beside {
                audit: shown.asked.audit.clone(),
                actual: shown.actual,
                max: shown.asked.max,
                outcome: shown.outcome.name(),
            }),
            route,
        }
    }
}

/// How far over its limit; what was not found is worse than anything that was.
fn gravity(shown: &Shown) -> f64 {
    shown.actual.map_or(f64::INFINITY, |actual| actual / shown.asked.max.max(f64::MIN_POSITIVE))
}

fn compared(budgets: Option<&Budgets>, standing: &Standing) -> (Vec<Worse>, Answer) {
    if standing.against.is_none() {
        return (Vec::new(), Answer::Pass);
    }
    let known = standing.regressions.iter().filter_map(|found| {
        let metric = Metric::named(&found.metric)?;
        let (severity, line) = severest(budgets, standing, found, metric)?;
        Some((found, metric, severity, line))
    });
    let known: Vec<_> = known.collect();
    let comparisons: Vec<_> =
        known.iter().map(|(found, _, severity, _)| (*severity, comparison(found))).collect();
    let (worse, answer) = regressions(&comparisons);
    let rows = known.into_iter().zip(comparisons).zip(worse).map(
        |(((found, metric, severity, line), (_, comparison)), regression)| Worse {
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
fn comparison(found: &Regression) -> Comparison {
    let tally = |Kept { n, k }: Kept| Tally::of(n, k);
    let strata: Vec<Stratum> = (found.strata.iter())
        .map(|one| Stratum { before: tally(one.before), after: tally(one.after) })
        .collect();
    let told = Comparison { points_worse: found.points_worse, p_value: found.p_value };
    Comparison::of(&strata).unwrap_or(told)
}

/// The severest budget of that metric there, and its line.
fn severest(
    budgets: Option<&Budgets>,
    standing: &Standing,
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
            standing.cells.iter().filter(of_it).map(|cell| limit_at_edge(cell, metric)).collect()
        }
    };
    let by_line: BTreeMap<bool, u32> =
        limits.iter().rev().map(|limit| (limit.severity == Severity::Error, limit.line)).collect();
    let (is_error, line) = by_line.last_key_value()?;
    Some((if *is_error { Severity::Error } else { Severity::Warn }, *line))
}

fn units(max: f64, metric: Metric) -> u32 {
    (max * metric.wire_scale()).round() as u32
}
