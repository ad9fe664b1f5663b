//! The gate's table: the Worker's summary, judged by the budgets at hand. These may be newer than
//! those in force at the edge; what was counted against another limit proves nothing of this one.

use budget::{Budgets, Cell, Tally, gate};
use serde::Serialize;
use wire::Metric;
use wire::summary::{Line, Summary};

/// The judgement of a gate.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateReport {
    /// `pass`, `violated` or `insufficient`.
    pub answer: &'static str,
    /// The exit code.
    pub code: u8,
    /// One for each budgeted cell, in the order of the summary.
    pub rows: Vec<GateRow>,
}

/// One budget of one route on one class of device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateRow {
    /// The route template.
    pub route: String,
    /// The class of device.
    pub device: &'static str,
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
    /// The 75th percentile over visits.
    pub p75: Option<f64>,
    /// Between which the true one lies, 95 times in 100.
    pub p75_interval: Option<[f64; 2]>,
    /// What the counts prove, among all the cells.
    pub verdict: &'static str,
    /// The limit in force at the edge, where it is another one.
    pub counted_against: Option<f64>,
}

/// The gate's judgement of a summary.
#[must_use]
pub fn gated(budgets: &Budgets, summary: &Summary) -> GateReport {
    let budgeted = summary.cells.iter().filter_map(|line| {
        let metric = Metric::named(&line.metric)?;
        let limit = budgets.limit(&line.route, line.device, metric)?;
        Some((line, metric, Cell { limit, tally: tally(line, metric, limit.max) }))
    });
    let budgeted: Vec<(&Line, Metric, Cell)> = budgeted.collect();
    let (verdicts, answer) = gate(&budgeted.iter().map(|(_, _, cell)| *cell).collect::<Vec<_>>());
    let rows = budgeted.into_iter().zip(verdicts).map(|((line, metric, Cell { limit, tally }), verdict)| {
        let other = line.budget.as_ref().filter(|budget| units(budget.max, metric) != limit.max);
        GateRow {
            route: line.route.clone(),
            device: line.device.name(),
            metric: metric.name(),
            max: f64::from(limit.max) / metric.wire_scale(),
            percentile: limit.percentile,
            severity: limit.severity.name(),
            line: limit.line,
            n: tally.n(),
            within: tally.within,
            p75: line.p75,
            p75_interval: line.p75_interval,
            verdict: verdict.name(),
            counted_against: other.map(|budget| budget.max),
        }
    });
    GateReport { answer: answer.name(), code: answer.code(), rows: rows.collect() }
}

fn tally(line: &Line, metric: Metric, max: u32) -> Tally {
    match &line.budget {
        Some(budget) if units(budget.max, metric) == max => Tally::of(budget.n, budget.k),
        _ => Tally::default(),
    }
}

fn units(max: f64, metric: Metric) -> u32 {
    (max * metric.wire_scale()).round() as u32
}
