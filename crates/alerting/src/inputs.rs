//! Observations from counts: three per budgeted cell, those of the edge's traffic, and deviations of hourly
//! series from earlier weeks. Querying the ledger is left to the shell.

use std::collections::BTreeMap;

use budget::{BudgetTally, BurnWindows, Limit};
use ledger::Cell;
use report::anomaly::{Baseline, Noise};
use report::origin_evidence::OriginEvidence;
use report::stats_format::stats;
use traffic::{LatencyHistogram, TrafficStats};
use wire::{Device, Metric, UnixMillis, WindowSpan};

use crate::observation::{AlertObservation, SampledValue, SignalReading};

/// The visits to one budgeted page and device class in the time spans of its alert rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetAlertInput {
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits in the window that the dashboard shows.
    pub verdict_tally: BudgetTally,
    /// The visits since the release, or since the evidence alert last cleared.
    pub since_release: BudgetTally,
    /// The visits in the last half hour, six hours and three days.
    pub windows: BurnWindows,
}

/// Values by hour since the Unix epoch. A missing hour after the first one counts as zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HourlySeries(pub BTreeMap<u64, f64>);

impl BudgetAlertInput {
    /// Returns the observations for the verdict, the evidence and the burn rate.
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

/// Returns the observations of recent traffic at the edge.
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

/// Returns the observations of origins.
#[must_use]
pub fn origin_observations(origins: &BTreeMap<String, OriginEvidence>) -> Vec<AlertObservation> {
    let observe = |(name, evidence): (&String, &OriginEvidence)| AlertObservation {
        route: None,
        device: None,
        series: Some(name.clone()),
        reading: SignalReading::Origin(*evidence),
    };
    origins.iter().map(observe).collect()
}

/// Returns the series of an hour of visits: name, number of events and value. Where few networks sent most of the
/// views, the number of events is 0, so that the hour is no anomaly.
#[must_use]
pub fn visit_series(hour: &Cell) -> Vec<(&'static str, u64, f64)> {
    let is_of_few_networks = hour.networks.top_views() > hour.views / 2;
    let events = |n| if is_of_few_networks { 0 } else { n };
    let good = |(metric, tally): (&Metric, &ledger::MetricCell)| {
        (metric.name(), events(tally.n), stats(*metric, Some(tally)).good)
    };
    let mut all = vec![(VIEWS_SERIES, events(hour.views), hour.views as f64)];
    all.extend(hour.metrics.iter().map(good));
    all
}

/// Returns the series of an hour of traffic; empty without requests.
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

/// Returns the deviation of each series in the last complete hour, which is given with its number of events.
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
    /// Returns the baseline of an hour from the same hour of all earlier days that are kept.
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

    /// Returns the deviation of the last complete hour, or `None` without a baseline. `n` is the number of events
    /// behind the value; counts use the usual number instead, since a series that stopped has no events.
    #[must_use]
    pub fn anomaly(&self, series: &str, n: u64, noise: Noise, now: UnixMillis) -> Option<AlertObservation> {
        let hour = (now.0 / WindowSpan::Hour.millis()).checked_sub(1)?;
        let baseline = self.baseline(hour)?;
        let value = match noise {
            Noise::Count => self.0.get(&hour).copied().unwrap_or(0.0),
            // An hour without events has no share and no percentile.
            _ => *self.0.get(&hour)?,
        };
        let n = match noise {
            // An hour that stopped has no events, either.
            Noise::Count if n > 0 || value == 0.0 => baseline.median.max(0.0) as u64,
            _ => n,
        };
        let reading = SignalReading::Anomaly(SampledValue { n, value: baseline.deviations(value, noise) });
        Some(AlertObservation { route: None, device: None, series: Some(series.to_owned()), reading })
    }

    /// Returns the number of views expected between two times, from the baseline of each hour. Hours without a
    /// baseline count as zero.
    #[must_use]
    pub fn expected_views(&self, since: UnixMillis, now: UnixMillis) -> f64 {
        let length = WindowSpan::Hour.millis();
        let (first, last) = (since.0 / length, now.0 / length);
        // Longer silences change nothing, so the work is bounded.
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

/// The name of the series of views.
pub const VIEWS_SERIES: &str = "views";
/// The name of the series of the edge's requests.
const REQUESTS_SERIES: &str = "requests";
/// The retention of hourly values.
const HISTORY_DAYS: u64 = 35;
const MAX_SILENCE_DAYS: u64 = 3;

#[cfg(test)]
mod tests {
    use budget::{Severity, Verdict};
    use report::signals::AlertLevel;

    use super::*;
    use crate::observation::Assessment;

    const HOUR_MS: u64 = 3_600_000;
    /// An hour at noon UTC.
    const NOON_HOUR: u64 = 500_004;

    /// Sixty views per hour from 8 to 20 h and none at night, up to the hour before noon.
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
    fn a_flood_from_few_networks_is_no_anomaly() {
        // Version 1 of a cell of 900 views, all of them in one bucket of networks.
        let mut flood = Cell::default();
        flood.merge_encoded(&[1, 132, 7, 0, 0, 0, 0, 0, 1, 1, 9, 132, 7]).expect("a stored cell");
        assert_eq!(visit_series(&flood), [("views", 0, 900.0)]);
        let mut series = views(40);
        series.0.insert(NOON_HOUR - 1, 900.0);
        let assess = |n| {
            let anomaly =
                series.anomaly(VIEWS_SERIES, n, Noise::Count, at(NOON_HOUR, 5)).expect("a baseline");
            anomaly.reading.assess(None)
        };
        assert_eq!([assess(0), assess(900)], [Assessment::Unclear, Assessment::Bad(AlertLevel::Warning)]);
        // A site that fell silent has no events.
        series.0.insert(NOON_HOUR - 1, 0.0);
        let silent = series.anomaly(VIEWS_SERIES, 0, Noise::Count, at(NOON_HOUR, 5)).expect("a baseline");
        assert_eq!(silent.reading.assess(None), Assessment::Bad(AlertLevel::Warning));
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
        use traffic::{RequestMethod, ResponseClass, ResponseRecord, StatusClass};
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
                method: RequestMethod::Get,
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
        // From 18:58 to 8:00 the next day.
        assert!((views.expected_views(at(NOON_HOUR - 18, 58), at(NOON_HOUR - 4, 0)) - 62.0).abs() < 1e-9);
        assert_eq!(
            views.expected_views(at(NOON_HOUR + 9, 0), at(NOON_HOUR + 18, 0)),
            0.0,
            "no views at night"
        );
        assert_eq!(
            views.expected_views(at(NOON_HOUR, 15), at(NOON_HOUR, 0)),
            0.0,
            "a clock that was set back"
        );
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
