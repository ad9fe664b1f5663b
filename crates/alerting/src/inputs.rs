//! Observations from counts: three per budgeted cell, those of the edge's traffic, and deviations of hourly
//! series from earlier weeks. Querying the ledger is left to the shell.

use std::collections::BTreeMap;

use budget::{BudgetTally, BurnWindows, Limit, PercentileRanks, share_interval};
use ledger::{Cell, QueryResult};
use report::anomaly::Noise;
use report::origin_evidence::OriginEvidence;
use report::signals::{AlertBounds, Signal};
use report::stats_format::stats;
use report::uptime::UptimeReport;
use traffic::{LatencyHistogram, RouteStats, TrafficWindows};
use wire::sorting::CollectOrdered;
use wire::{Device, Metric, UnixMillis, WindowSpan};

pub use crate::hourly_series::HourlySeries;
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

/// Returns the observations of recent traffic at the edge, given by the minute. Times and hits are those of the last five
/// minutes, or of fifteen if five hold too few; errors are rare, and take fifteen.
#[must_use]
pub fn traffic_observations(minutes: &TrafficWindows, now: UnixMillis) -> Vec<AlertObservation> {
    let [five, fifteen] = [5, 15].map(|minutes_ago: u64| {
        let since = now.saturating_sub(minutes_ago * WindowSpan::Minute.millis());
        sum_since(minutes, since)
    });
    let latest = |signal: Signal, of: &dyn Fn(&RouteStats) -> Option<SampledValue>| {
        let AlertBounds::Numeric(bounds) = signal.rule().bounds else { return None };
        of(&five).filter(|measured| measured.n >= bounds.min_events).or_else(|| of(&fifteen))
    };
    let hit_ratio = |stats: &RouteStats| {
        let outcomes = stats.cache_outcomes();
        let (n, hits) = (outcomes.lookups(), outcomes.served_from_cache());
        let [_, proven] = share_interval(hits, n, 0.025).map(|share| 100.0 * share);
        Some(SampledValue { n, value: 100.0 * outcomes.hit_ratio()?, proven })
    };
    let mut all: Vec<AlertObservation> = Vec::new();
    let response_time = latest(Signal::ResponseTime, &|stats| p95(&stats.edge_latency()));
    all.extend(response_time.map(SignalReading::ResponseTime).map(AlertObservation::for_site));
    let hit_ratio = latest(Signal::HitRatio, &hit_ratio);
    all.extend(hit_ratio.map(SignalReading::HitRatio).map(AlertObservation::for_site));
    if fifteen.n() > 0 {
        let (answers, errors) = (fifteen.n(), fifteen.server_errors());
        all.push(AlertObservation::for_site(SignalReading::ErrorRate { answers, errors }));
    }
    all.extend(fifteen.queries.keys().filter_map(|name| {
        let time = latest(Signal::QueryTime, &|stats| p95(&stats.queries.get(name)?.latency))?;
        let (series, reading) = (Some(name.clone()), SignalReading::QueryTime(time));
        Some(AlertObservation { route: None, device: None, series, reading })
    }));
    all
}

/// Returns the 95th percentile; what it proves is nothing as long as the fastest value may be above it.
fn p95(times: &LatencyHistogram) -> Option<SampledValue> {
    let (n, value) = (times.n(), times.percentile(95)?);
    let low = PercentileRanks::for_percentile(n, 95).and_then(|ranks| times.sketch.at_rank(ranks.low));
    Some(SampledValue { n, value, proven: low.map_or(0.0, |bucket| f64::from(bucket.midpoint())) })
}

/// Adds the minutes that began since a time.
fn sum_since(minutes: &TrafficWindows, since: UnixMillis) -> RouteStats {
    let mut sum = RouteStats::default();
    let recent = minutes.0.iter().filter(|(window, _)| window.start >= since);
    recent.for_each(|(_, traffic)| sum.merge(&traffic.total()));
    sum
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

/// Returns the observation of the objective of uptime; none without responses.
#[must_use]
pub fn uptime_observation(uptime: &UptimeReport) -> Option<AlertObservation> {
    let (value, [_, proven]) = uptime.percent.zip(uptime.interval)?;
    Some(AlertObservation::for_site(SignalReading::Uptime(SampledValue {
        n: uptime.responses,
        value,
        proven,
    })))
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
pub fn traffic_series(whole: &RouteStats) -> Vec<(&'static str, u64, f64)> {
    let (n, outcomes) = (whole.n(), whole.cache_outcomes());
    if n == 0 {
        return Vec::new();
    }
    let mut all =
        vec![(REQUESTS_SERIES, n, n as f64), (ERRORS_SERIES, n, whole.server_errors() as f64 / n as f64)];
    all.extend(whole.edge_latency().percentile(95).map(|value| (RESPONSE_TIME_SERIES, n, value)));
    all.extend(outcomes.hit_ratio().map(|ratio| ("hits", outcomes.lookups(), ratio)));
    all
}

/// Returns the deviation of each series from the same time of earlier days: that of the last sixty minutes for counts; for
/// shares and times the larger one of the last sixty and the last thirty, if these hold enough events.
#[must_use]
pub fn anomalies(
    hours: &BTreeMap<String, HourlySeries>,
    visits: &QueryResult,
    minutes: &TrafficWindows,
    now: UnixMillis,
) -> Vec<AlertObservation> {
    let [half, whole] = [30, 60].map(|minutes_ago: u64| {
        let since = now.saturating_sub(minutes_ago * WindowSpan::Minute.millis());
        let requests = traffic_series(&sum_since(minutes, since));
        let series = visit_series(&visits_since(visits, since)).into_iter().chain(requests);
        let values: BTreeMap<&str, (u64, f64)> =
            series.map(|(name, n, value)| (name, (n, value))).collect_map();
        values
    });
    let AlertBounds::Numeric(bounds) = Signal::Anomaly.rule().bounds else { return Vec::new() };
    let anomaly_of_series = |(series, hours): (&String, &HourlySeries)| {
        let deviation = |(n, value): (u64, f64)| {
            let noise = match series.as_str() {
                VIEWS_SERIES | REQUESTS_SERIES => Noise::Count,
                RESPONSE_TIME_SERIES => Noise::Percentile { n },
                _ => Noise::Share { n },
            };
            hours.anomaly(series, n, value, noise, now)
        };
        let whole = whole.get(series.as_str()).copied();
        if [VIEWS_SERIES, REQUESTS_SERIES].contains(&series.as_str()) {
            // A count that stopped is zero.
            return deviation(whole.unwrap_or_default());
        }
        // Without events there is neither a time nor a share.
        let latest = half.get(series.as_str()).copied().filter(|(n, _)| *n >= bounds.min_events);
        let found = [latest, whole].into_iter().flatten().filter_map(deviation);
        found.max_by(|a, b| a.reading.deviations().total_cmp(&b.reading.deviations()))
    };
    hours.iter().filter_map(anomaly_of_series).collect()
}

/// Adds the minutes of visits that began since a time.
fn visits_since(visits: &QueryResult, since: UnixMillis) -> Cell {
    let mut sum = Cell::default();
    let recent = visits.cells.iter().filter(|(group, _)| group.at.is_some_and(|at| at >= since));
    recent.for_each(|(_, cell)| sum.merge(cell));
    sum
}

/// The time span of the requests that are observed with all signals, and without.
pub const TRAFFIC_SPANS_MS: [u64; 2] = [WindowSpan::Hour.millis(), 15 * WindowSpan::Minute.millis()];
/// The name of the series of views.
pub const VIEWS_SERIES: &str = "views";
/// The name of the series of the share of server errors.
pub const ERRORS_SERIES: &str = "errors";
/// The name of the series of the edge's requests.
const REQUESTS_SERIES: &str = "requests";
/// The name of the series of the 95th percentile of response times.
const RESPONSE_TIME_SERIES: &str = "response time";

#[cfg(test)]
mod tests {
    use budget::{Severity, Verdict};
    use traffic::TrafficStats;
    use wire::Window;

    use super::*;

    const HOUR_MS: u64 = 3_600_000;
    /// An hour at noon UTC.
    const NOON_HOUR: u64 = 500_004;

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
        assert_eq!(traffic_series(&RouteStats::default()), []);
    }

    #[test]
    fn a_flood_from_few_networks_has_no_events() {
        // Version 1 of a cell of 900 views, all of them in one bucket of networks.
        let mut flood = Cell::default();
        flood.merge_encoded(&[1, 132, 7, 0, 0, 0, 0, 0, 1, 1, 9, 132, 7]).expect("a stored cell");
        assert_eq!(visit_series(&flood), [("views", 0, 900.0)]);
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
        assert_eq!(traffic_observations(&TrafficWindows::default(), at(NOON_HOUR, 0)), []);
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
        let mut minutes = TrafficWindows::default();
        let minute = |start| Window { span: WindowSpan::Minute, start };
        minutes.0.insert(minute(at(NOON_HOUR, 0)), traffic.clone());
        let readings = |minutes: &TrafficWindows, now| -> Vec<SignalReading> {
            traffic_observations(minutes, now).iter().map(|one| one.reading).collect()
        };
        let found = readings(&minutes, at(NOON_HOUR, 3));
        let [
            SignalReading::ResponseTime(response_time),
            SignalReading::HitRatio(ratio),
            errors,
            SignalReading::QueryTime(query),
        ] = found[..]
        else {
            unreachable!("{found:?}")
        };
        assert_eq!((response_time.n, (ratio.n, ratio.value), query.n), (109, (100, 75.0), 109));
        assert!((83.0..84.0).contains(&ratio.proven), "{ratio:?}");
        assert!(
            (response_time.value / 100.0 - 1.0).abs() < 0.016 && (query.value / 300.0 - 1.0).abs() < 0.016
        );
        assert_eq!(errors, SignalReading::ErrorRate { answers: 109, errors: 1 });
        // Eight minutes later the last five hold nothing, and after fifteen nothing is left.
        assert_eq!(readings(&minutes, at(NOON_HOUR, 8)), found);
        assert_eq!(readings(&minutes, at(NOON_HOUR, 16)), []);
        // Enough in the last five minutes stand for themselves.
        minutes.0.insert(minute(at(NOON_HOUR, 10)), traffic);
        let SignalReading::ResponseTime(recent) = readings(&minutes, at(NOON_HOUR, 12))[0] else {
            unreachable!()
        };
        assert_eq!(recent.n, 109);
    }

    #[test]
    fn a_count_that_stopped_is_zero_and_a_share_without_events_is_none() {
        let hours = NOON_HOUR - 24 * 30..NOON_HOUR;
        let series = |value: f64| HourlySeries(hours.clone().map(|hour| (hour, value)).collect());
        let all = [("views".to_owned(), series(60.0)), ("LCP".to_owned(), series(0.8))].into();
        let found = anomalies(&all, &QueryResult::default(), &TrafficWindows::default(), at(NOON_HOUR, 20));
        let [AlertObservation { series: Some(name), reading: SignalReading::Anomaly(anomaly), .. }] =
            &found[..]
        else {
            unreachable!("{found:?}")
        };
        assert!(name == "views" && anomaly.n == 60 && anomaly.value < -6.0, "{anomaly:?}");
    }
}
