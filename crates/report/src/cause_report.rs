//! The document of `GET /api/vitals/causes`: the causes of slow views, by page and metric.

use std::collections::BTreeMap;

use ledger::causes::CauseTotals;
use ledger::{Dimension, SeriesQuery};
use serde::{Deserialize, Serialize};
use wire::query_response::{CauseCount, CausesResponse, SlowViewCauses, SubpartDuration, VERSION};
use wire::sorting::SortSlice;
use wire::{Device, Metric, ShardCoverage, UnixMillis, Window, WindowSpan};

/// The days and pages whose causes are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseQuery {
    /// A moment of the first day.
    pub from: UnixMillis,
    /// The end, exclusive.
    pub to: UnixMillis,
    /// One route, or all.
    pub route: Option<String>,
    /// One device class, or all.
    pub device: Option<Device>,
}

/// The causes on one page, of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PageCauses {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: String,
    /// The causes.
    pub causes: CauseTotals,
}

impl CauseQuery {
    /// Takes span, route and device of a query over cells. Causes are kept by the day, so the span is extended
    /// to whole days.
    #[must_use]
    pub fn from_series(query: &SeriesQuery) -> Self {
        let value = |dimension: &Dimension| {
            query.only.iter().find(|(other, _)| other == dimension).map(|(_, value)| value.as_str())
        };
        Self {
            from: Window::containing(WindowSpan::Day, query.from).start,
            to: query.to,
            route: value(&Dimension::Route).map(str::to_owned),
            device: value(&Dimension::Device).and_then(Device::from_name),
        }
    }
}

/// Merges the causes of all shards into the document, of one metric or of all.
#[must_use]
pub fn causes_response(
    site: String,
    query: &CauseQuery,
    only: Option<Metric>,
    pages: Vec<PageCauses>,
    shards: Option<ShardCoverage>,
) -> CausesResponse {
    let mut all: BTreeMap<(Metric, String, Device), CauseTotals> = BTreeMap::new();
    for PageCauses { route, device, metric, causes } in pages {
        let Some(metric) =
            Metric::from_name(&metric).filter(|metric| only.is_none_or(|only| only == *metric))
        else {
            continue;
        };
        all.entry((metric, route, device)).or_default().merge(&causes);
    }
    let line = |((metric, route, device), causes): ((Metric, String, Device), CauseTotals)| SlowViewCauses {
        route,
        device,
        metric: metric.name(),
        n: causes.n,
        parts: causes
            .mean_parts(metric)
            .map(|(part, millis)| SubpartDuration { part, millis: millis.round() })
            .collect(),
        elements: ranked_causes(causes.elements),
        sources: ranked_causes(causes.sources),
    };
    let mut lines: Vec<SlowViewCauses> = all.into_iter().map(line).collect();
    lines.order_by_key(|line| std::cmp::Reverse(line.n));
    CausesResponse { v: VERSION, site, from: query.from, to: query.to, lines, shards }
}

/// Sorts by count, then by name.
fn ranked_causes(names: BTreeMap<String, u64>) -> Vec<CauseCount> {
    let mut all: Vec<CauseCount> = names.into_iter().map(|(name, n)| CauseCount { name, n }).collect();
    all.order_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(route: &str, metric: &str, n: u64, element: &str) -> PageCauses {
        let elements = BTreeMap::from([(element.to_owned(), n)]);
        let causes = CauseTotals { n, elements, ..CauseTotals::default() };
        PageCauses { route: route.into(), device: Device::Phone, metric: metric.into(), causes }
    }

    #[test]
    fn causes_of_all_shards_are_merged_and_ranked() {
        let query = CauseQuery { from: UnixMillis(0), to: UnixMillis(1), route: None, device: None };
        let pages = vec![
            page("/", "LCP", 2, "img.a"),
            page("/shop", "LCP", 3, "h1"),
            page("/", "LCP", 4, "img.b"),
            page("/", "INP", 9, "button"),
            page("/", "unknown", 99, "p"),
        ];
        let document = causes_response("shop".into(), &query, Some(Metric::Lcp), pages, None);
        let lines: Vec<_> = document.lines.iter().map(|line| (line.route.as_str(), line.n)).collect();
        assert_eq!(lines, [("/", 6), ("/shop", 3)]);
        let elements = document.lines.first().map(|line| line.elements.iter().map(|cause| cause.n).collect());
        assert_eq!(elements, Some(vec![4, 2]));
    }
}
