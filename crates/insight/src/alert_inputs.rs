//! From what the ledger knows to what the alerts read: the three readings of a budgeted cell, and what is
//! odd or missing by the hours of earlier weeks. Asking the ledger is the shell's.

use std::collections::BTreeMap;

use budget::{BudgetTally, BurnWindows, Limit};
use ledger::Cell;
use traffic::{LatencyHistogram, TrafficStats};
use wire::{Device, Metric, UnixMillis, WindowSpan};

use crate::alert::{AlertObservation, SampledValue, SignalReading};
use crate::anomaly::{Baseline, Noise};
use crate::stats_format::stats;

/// One budget of one page on one class of devices, over the spans that its alerts look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAlertInput {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits of the span that people see.
    pub verdict_tally: BudgetTally,
    /// The visits since the release, or since the alert on the evidence last cleared.
    pub since_release: BudgetTally,
    /// The visits of the last half hour, six hours and three days.
    pub windows: BurnWindows,
}

/// A series by the hour, in hours since the Unix epoch. An hour that is not there had nothing, unless it
/// was before the first that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HourlySeries(pub BTreeMap<u64, f64>);

impl BudgetAlertInput {
    /// What the alerts read of it.
    #[must_use]
    pub fn observations(&self) -> [AlertObservation; 3] {
        let verdict = self.limit.verdict(self.verdict_tally);
        let percentile = self.limit.percentile;
        [
            SignalReading::Verdict(verdict),
            SignalReading::Evidence { since: self.since_release, verdict, percentile },
            SignalReading::Burn { windows: self.windows, percentile },
        ]
        .map(|reading| AlertObservation {
            route: Some(self.route.clone()),
            device: Some(self.device),
            series: Some(self.metric.name().to_owned()),
            reading,
        })
    }
}

/// What the alerts read of what the edge has answered lately.
#[must_use]
pub fn traffic_observations(traffic: &TrafficStats) -> Vec<AlertObservation> {
    let whole = traffic.total();
    let outcomes = whole.cache_outcomes();
    let measured =
        |times: &LatencyHistogram| times.percentile(95).map(|value| SampledValue { n: times.n(), value });
    let mut all: Vec<AlertObservation> = Vec::new();
    all.extend(
        measured(&whole.edge_latency())
            .map(|p95| AlertObservation::for_site(SignalReading::ResponseTime(p95))),
    );
    all.extend(outcomes.hit_ratio().map(|ratio| {
        AlertObservation::for_site(SignalReading::HitRatio(SampledValue {
            n: outcomes.lookups(),
            value: 100.0 * ratio,
        }))
    }));
    if whole.n() > 0 {
        let (answers, errors) = (whole.n(), whole.server_errors());
        all.push(AlertObservation::for_site(SignalReading::ErrorRate { answers, errors }));
    }
    all.extend(whole.queries.iter().filter_map(|(name, stats)| {
        let (series, reading) = (Some(name.clone()), SignalReading::QueryTime(measured(&stats.latency)?));
        Some(AlertObservation { route: None, device: None, series, reading })
    }));
    all
}

/// An hour of visits, series by series: its name, how many events it is of, and its value.
#[must_use]
pub fn visit_series(hour: &Cell) -> Vec<(&'static str, u64, f64)> {
    let good = |(metric, tally): (&Metric, &ledger::MetricCell)| {
        (metric.name(), tally.n, stats(*metric, Some(tally)).good)
    };
    let mut all = vec![(VIEWS_SERIES, hour.views, hour.views as f64)];
    all.extend(hour.metrics.iter().map(good));
    all
}

/// An hour of answers, likewise; nothing of an hour in which nothing was answered.
#[must_use]
pub fn traffic_series(hour: &TrafficStats) -> Vec<(&'static str, u64, f64)> {
    let whole = hour.total();
    let (n, outcomes) = (whole.n(), whole.cache_outcomes());
    if n == 0 {
        return Vec::new();
    }
    let mut all =
        vec![(REQUESTS_SERIES, n, n as f64), ("errors", n, whole.server_errors() as f64 / n as f64)];
    all.extend(outcomes.hit_ratio().map(|ratio| ("hits", outcomes.lookups(), ratio)));
    all
}

/// What is not as it is at this hour, of series that are each known with how many events their last
/// complete hour is of.
#[must_use]
pub fn anomalies(hours: &BTreeMap<String, (HourlySeries, u64)>, now: UnixMillis) -> Vec<AlertObservation> {
    let anomaly_of_series = |(series, (hours, n)): (&String, &(HourlySeries, u64))| {
        let noise = match series.as_str() {
            VIEWS_SERIES | REQUESTS_SERIES => Noise::Count,
            _ => Noise::Share { n: *n },
        };
        hours.anomaly(series, *n, noise, now)
    };
    hours.iter().filter_map(anomaly_of_series).collect()
}

impl HourlySeries {
    /// What is usual at that hour, by as many earlier days as hours are kept.
    #[must_use]
    pub fn baseline(&self, hour: u64) -> Option<Baseline> {
        let (first, _) = self.0.first_key_value()?;
        let earlier: Vec<f64> = (1..=HISTORY_DAYS)
            .filter_map(|days| hour.checked_sub(24 * days))
            .take_while(|hour| hour >= first)
            .map(|hour| self.0.get(&hour).copied().unwrap_or(0.0))
            .collect();
        Baseline::from_history(&earlier)
    }

    /// How odd the last hour that is complete is, where that can be told. `n` is how many events its value
    /// is of; for a count, how many there usually are, since a series that is gone has none.
    #[must_use]
    pub fn anomaly(&self, series: &str, n: u64, noise: Noise, now: UnixMillis) -> Option<AlertObservation> {
        let hour = (now.0 / WindowSpan::Hour.millis()).checked_sub(1)?;
        let baseline = self.baseline(hour)?;
        let value = match noise {
            Noise::Count => self.0.get(&hour).copied().unwrap_or(0.0),
            // An hour without events has no share and no percentile.
            _ => *self.0.get(&hour)?,
        };
        let n = if noise == Noise::Count { baseline.median.max(0.0) as u64 } else { n };
        let reading = SignalReading::Anomaly(SampledValue { n, value: baseline.deviations(value, noise) });
        Some(AlertObservation { route: None, device: None, series: Some(series.to_owned()), reading })
    }

    /// How many events should have been heard of between these moments, by what is usual at each hour
    /// that lies between. Nothing is expected of hours of which nothing is known.
    #[must_use]
    pub fn expected_views(&self, since: UnixMillis, now: UnixMillis) -> f64 {
        let length = WindowSpan::Hour.millis();
        let (first, last) = (since.0 / length, now.0 / length);
        // Of a silence of weeks its last days say enough.
        let from = first.max(last.saturating_sub(24 * MAX_SILENCE_DAYS));
        (from..=last)
            .map(|hour| {
                let begins = (hour * length).max(since.0);
                let ends = (hour * length + length).min(now.0);
                let share = ends.saturating_sub(begins) as f64 / length as f64;
                self.baseline(hour).map_or(0.0, |usual| usual.median * share)
            })
            .sum()
    }
}

/// The series of a site's views.
pub const VIEWS_SERIES: &str = "views";
/// The series of what the edge answers.
const REQUESTS_SERIES: &str = "requests";
/// Hours are kept for 35 days.
const HISTORY_DAYS: u64 = 35;
const MAX_SILENCE_DAYS: u64 = 3;

#[cfg(test)]
mod tests {
    use budget::{Severity, Verdict};

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    /// A noon.
    const NOON_HOUR: u64 = 500_004;

    /// Sixty views an hour from eight to eight, none at night; up to the hour before noon.
    fn views(days: u64) -> HourlySeries {
        let hours = NOON_HOUR - 24 * days..NOON_HOUR;
        HourlySeries(hours.filter(|hour| (8..20).contains(&(hour % 24))).map(|hour| (hour, 60.0)).collect())
    }

    fn at(hour: u64, minutes: u64) -> UnixMillis {
        UnixMillis(hour * HOUR_MS + minutes * 60_000)
    }

    #[test]
    fn an_hour_yields_a_series_for_views_and_each_metric() {
        let mut sketch = sketch::Sketch::new(Metric::Lcp);
        [1000, 1000, 1000, 9000].into_iter().for_each(|value| sketch.insert(value, 1));
        let tally = ledger::MetricCell { n: 4, limit_counts: BTreeMap::new(), sketch };
        let hour = Cell { views: 5, visits: 5, metrics: [(Metric::Lcp, tally)].into(), ..Cell::default() };
        assert_eq!(visit_series(&hour), [("views", 5, 5.0), ("LCP", 4, 0.75)]);
        assert_eq!(visit_series(&Cell::default()), [("views", 0, 0.0)]);
        assert_eq!(traffic_series(&TrafficStats::default()), []);
    }

    #[test]
    fn a_budget_gives_three_observations() {
        let tally = BudgetTally::new(200, 130);
        let windows = BurnWindows { half_hour: tally, six_hours: tally, three_days: tally };
        let limit = Limit { max: 2500, percentile: 75, severity: Severity::Error, min_samples: 30, line: 1 };
        let (route, metric) = ("/".to_owned(), Metric::Lcp);
        let input = BudgetAlertInput {
            route,
            device: Device::Phone,
            metric,
            limit,
            verdict_tally: tally,
            since_release: BudgetTally::new(400, 260),
            windows,
        };
        let observations = input.observations();
        assert_eq!(
            observations.each_ref().map(|observation| observation.reading),
            [
                SignalReading::Verdict(Verdict::Violated),
                SignalReading::Evidence {
                    since: BudgetTally::new(400, 260),
                    verdict: Verdict::Violated,
                    percentile: 75
                },
                SignalReading::Burn { windows, percentile: 75 },
            ]
        );
        assert!(
            observations
                .iter()
                .all(|one| one.route.as_deref() == Some("/") && one.series.as_deref() == Some("LCP"))
        );
    }

    #[test]
    fn traffic_gives_time_hit_error_and_query_observations() {
        use traffic::{Method, ResponseClass, ResponseRecord, StatusClass};
        use wire::beacon::CacheStatus;
        assert_eq!(traffic_observations(&TrafficStats::default()), []);
        let mut traffic = TrafficStats::default();
        let queries = [("users".to_owned(), 300.0)];
        for (count, status, cache) in [
            (70, 200, CacheStatus::Hit),
            (5, 200, CacheStatus::Stale),
            (24, 200, CacheStatus::Miss),
            (1, 502, CacheStatus::Miss),
            (9, 200, CacheStatus::Bypass),
        ] {
            let answer = ResponseClass {
                method: Method::Get,
                status_class: StatusClass::from_status(status),
                cache,
                detail: String::new(),
            };
            let record = ResponseRecord {
                route: "/",
                class: answer,
                bytes: 1,
                edge_ms: 100,
                origin_ms: None,
                queries: &queries,
            };
            (0..count).for_each(|_| traffic.add(&record));
        }
        let found: Vec<SignalReading> =
            traffic_observations(&traffic).iter().map(|one| one.reading).collect();
        let [
            SignalReading::ResponseTime(response_time),
            SignalReading::HitRatio(ratio),
            errors,
            SignalReading::QueryTime(query),
        ] = found[..]
        else {
            unreachable!("{found:?}")
        };
        assert_eq!((response_time.n, ratio, query.n), (109, SampledValue { n: 100, value: 75.0 }, 109));
        assert!(
            (response_time.value / 100.0 - 1.0).abs() < 0.016 && (query.value / 300.0 - 1.0).abs() < 0.016
        );
        assert_eq!(errors, SignalReading::ErrorRate { answers: 109, errors: 1 });
    }

    #[test]
    fn expected_views_follow_the_hourly_baseline() {
        let views = views(30);
        assert!((views.expected_views(at(NOON_HOUR, 0), at(NOON_HOUR, 15)) - 15.0).abs() < 1e-9);
        assert!((views.expected_views(at(NOON_HOUR, 30), at(NOON_HOUR + 1, 30)) - 60.0).abs() < 1e-9);
        // From two before closing time to the morning after.
        assert!((views.expected_views(at(NOON_HOUR - 18, 58), at(NOON_HOUR - 4, 0)) - 62.0).abs() < 1e-9);
        assert_eq!(
            views.expected_views(at(NOON_HOUR + 9, 0), at(NOON_HOUR + 18, 0)),
            0.0,
            "nights are silent"
        );
        assert_eq!(views.expected_views(at(NOON_HOUR, 15), at(NOON_HOUR, 0)), 0.0, "a clock that ran back");
        assert!(views.expected_views(UnixMillis(0), at(NOON_HOUR, 0)) <= 4.0 * 12.0 * 60.0);
    }

    #[test]
    fn a_new_site_has_no_expected_views() {
        assert_eq!(HourlySeries::default().expected_views(at(NOON_HOUR, 0), at(NOON_HOUR + 5, 0)), 0.0);
        assert_eq!(views(6).expected_views(at(NOON_HOUR, 0), at(NOON_HOUR + 5, 0)), 0.0);
        assert_eq!(views(6).anomaly("views", 0, Noise::Count, at(NOON_HOUR, 0)), None);
    }

    #[test]
    fn a_missing_hour_is_an_anomaly_only_for_counts() {
        let mut views = views(30);
        views.0.remove(&(NOON_HOUR - 1));
        let deviations = |found: Option<AlertObservation>| match found.unwrap().reading {
            SignalReading::Anomaly(SampledValue { n, value }) => (n, value),
            other => unreachable!("{other:?}"),
        };
        let (n, value) = deviations(views.anomaly("views", 0, Noise::Count, at(NOON_HOUR, 20)));
        assert!(n == 60 && value < -7.0, "{n} {value}");
        let share = Noise::Share { n: 100 };
        assert_eq!(views.anomaly("LCP", 100, share, at(NOON_HOUR, 20)), None);
        let (n, value) = deviations(views.anomaly("hits", 40, Noise::Value, at(NOON_HOUR - 1, 20)));
        assert!(n == 40 && value == 0.0, "{n} {value}");
    }
}
