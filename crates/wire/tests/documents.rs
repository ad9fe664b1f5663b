//! Golden documents, which clients of other versions read: parsed and written unchanged.

use serde_json::Value;
use wire::Device;
use wire::LimitCounts;
use wire::budget_report::BudgetReport;

#[test]
fn a_version_1_budget_report_round_trips() {
    let text = include_str!("v1/standing.json");
    let report: BudgetReport = serde_json::from_str(text).unwrap();
    assert_eq!((report.v, report.views, report.cells.len()), (1, 5321, 3));
    let [site, product, checkout] = report.cells.as_slice() else { unreachable!() };
    assert_eq!((site.route.as_deref(), site.device, site.n, site.k), (None, Some(Device::Phone), 5000, 3801));
    assert_eq!((product.watch.unwrap().alarm, product.severity.as_str()), (true, "warn"));
    assert_eq!((checkout.device, checkout.verdict.as_str(), checkout.value), (None, "unknown", None));
    assert_eq!(report.regressions[1].strata[0].before, LimitCounts { n: 400, k: 304 });
    let written: Value = serde_json::to_value(&report).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
}
