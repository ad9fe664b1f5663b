//! From what the ledger knows to what the alerts read: the three readings of a budgeted cell, and what is
//! odd or missing by the hours of earlier weeks. Asking the ledger is the shell's.

use std::collections::BTreeMap;

use budget::{Limit, Tally, Windows};
use ledger::traffic::{Times, Traffic};
use ledger::{Cell, Span};
use wire::{Device, Metric, UnixMillis};

use crate::alert::{Measured, Observation, Reading};
use crate::anomaly::{Noise, Usual};
use crate::figures::stats;

/// One budget of one page on one class of devices, over the spans that its alerts look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric.
    pub metric: Metric,
    /// The budget.
    pub limit: Limit,
    /// The visits of the span that people see.
    pub shown: Tally,
    /// The visits since the release, or since the alert on the evidence last cleared.
    pub since_release: Tally,
    /// The visits of the last half hour, six hours and three days.
    pub windows: Windows,
}

/// A series by the hour, in hours since the Unix epoch. An hour that is not there had nothing, unless it
/// was before the first that is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hours(pub BTreeMap<u64, f64>);

impl Watched {
    /// What the alerts read of it.
    #[must_use]
    pub fn observations(&self) -> [Observation; 3] {
        let verdict = self.limit.verdict(self.shown);
        let percentile = self.limit.percentile;
        [
            Reading::Verdict(verdict),
            Reading::Evidence { since: self.since_release, verdict, percentile },
            Reading::Burn { windows: self.windows, percentile },
        ]
        .map(|reading| Observation {
            route: Some(self.route.clone()),
            device: Some(self.device),
            series: Some(self.metric.name().to_owned()),
            reading,
        })
    }
}

/// What the alerts read of what the edge has answered lately.
#[must_use]
pub fn of_traffic(traffic: &Traffic) -> Vec<Observation> {
    let whole = traffic.whole();
    let did = whole.outcomes();
    let measured = |times: &Times| times.percentile(95).map(|value| Measured { n: times.n(), value });
    let mut all: Vec<Observation> = Vec::new();
    all.extend(measured(&whole.edge()).map(|p95| Observation::of_site(Reading::ResponseTime(p95))));
    all.extend(did.ratio().map(|ratio| {
        Observation::of_site(Reading::HitRatio(Measured { n: did.asked(), value: 100.0 * ratio }))
    }));
    if whole.n() > 0 {
        let (answers, errors) = (whole.n(), whole.errors());
        all.push(Observation::of_site(Reading::ErrorRate { answers, errors }));
    }
    all.extend(whole.queries.iter().filter_map(|(name, ran)| {
        let (series, reading) = (Some(name.clone()), Reading::QueryTime(measured(&ran.times)?));
        Some(Observation { route: None, device: None, series, reading })
    }));
    all
}

/// An hour of visits, series by series: its name, how many events it is of, and its value.
#[must_use]
pub fn visits(hour: &Cell) -> Vec<(&'static str, u64, f64)> {
    let good = |(metric, tally): (&Metric, &ledger::Tally)| {
        (metric.name(), tally.n, stats(*metric, Some(tally)).good)
    };
    let mut all = vec![(VIEWS, hour.views, hour.views as f64)];
    all.extend(hour.metrics.iter().map(good));
    all
}

/// An hour of answers, likewise; nothing of an hour in which nothing was answered.
#[must_use]
pub fn answers(hour: &Traffic) -> Vec<(&'static str, u64, f64)> {
    let whole = hour.whole();
    let (n, did) = (whole.n(), whole.outcomes());
    if n == 0 {
        return Vec::new();
    }
    let mut all = vec![(REQUESTS, n, n as f64), ("errors", n, whole.errors() as f64 / n as f64)];
    all.extend(did.ratio().map(|ratio| ("hits", did.asked(), ratio)));
    all
}

/// What is not as it is at this hour, of series that are each known with how many events their last
/// complete hour is of.
#[must_use]
pub fn odd(hours: &BTreeMap<String, (Hours, u64)>, now: UnixMillis) -> Vec<Observation> {
    let of_series = |(series, (hours, n)): (&String, &(Hours, u64))| {
        let noise = match series.as_str() {
            VIEWS | REQUESTS => Noise::Count,
            _ => Noise::Share { n: *n },
        };
        hours.oddity(series, *n, noise, now)
    };
    hours.iter().filter_map(of_series).collect()
}

impl Hours {
    /// What is usual at that hour, by as many earlier days as hours are kept.
    #[must_use]
    pub fn usual(&self, hour: u64) -> Option<Usual> {
        let (first, _) = self.0.first_key_value()?;
        let earlier: Vec<f64> = (1..=DAYS)
            .filter_map(|days| hour.checked_sub(24 * days))
            .take_while(|hour| hour >= first)
            .map(|hour| self.0.get(&hour).copied().unwrap_or(0.0))
            .collect();
        Usual::of(&earlier)
    }

    /// How odd the last hour that is complete is, where that can be told. `n` is how many events its value
    /// is of; for a count, how many there usually are, since a series that is gone has none.
    #[must_use]
    pub fn oddity(&self, series: &str, n: u64, noise: Noise, now: UnixMillis) -> Option<Observation> {
        let hour = (now.0 / Span::Hour.millis()).checked_sub(1)?;
        let usual = self.usual(hour)?;
        let value = match noise {
            Noise::Count => self.0.get(&hour).copied().unwrap_or(0.0),
            // An hour without events has no share and no percentile.
            _ => *self.0.get(&hour)?,
        };
        let n = if noise == Noise::Count { usual.middle.max(0.0) as u64 } else { n };
        let reading = Reading::Anomaly(Measured { n, value: usual.deviations(value, noise) });
        Some(Observation { route: None, device: None, series: Some(series.to_owned()), reading })
    }

    /// How many events should have been heard of between these moments, by what is usual at each hour
    /// that lies between. Nothing is expected of hours of which nothing is known.
    #[must_use]
    pub fn missed(&self, heard_at: UnixMillis, now: UnixMillis) -> f64 {
        let length = Span::Hour.millis();
        let (first, last) = (heard_at.0 / length, now.0 / length);
        // Of a silence of weeks its last days say enough.
        let from = first.max(last.saturating_sub(24 * LONGEST_SILENCE));
        (from..=last)
            .map(|hour| {
                let begins = (hour * length).max(heard_at.0);
                let ends = (hour * length + length).min(now.0);
                let share = ends.saturating_sub(begins) as f64 / length as f64;
                self.usual(hour).map_or(0.0, |usual| usual.middle * share)
            })
            .sum()
    }
}

/// The series of a site's views.
pub const VIEWS: &str = "views";
/// The series of what the edge answers.
const REQUESTS: &str = "requests";
/// Hours are kept for 35 days.
const DAYS: u64 = 35;
const LONGEST_SILENCE: u64 = 3;

#[cfg(test)]
mod tests {
    use budget::{Severity, Verdict};

    use super::*;

    const HOUR: u64 = 3_600_000;
    /// A noon.
    const NOON: u64 = 500_004;

    /// Sixty views an hour from eight to eight, none at night; up to the hour before noon.
    fn views(days: u64) -> Hours {
        let hours = NOON - 24 * days..NOON;
        Hours(hours.filter(|hour| (8..20).contains(&(hour % 24))).map(|hour| (hour, 60.0)).collect())
    }

    fn at(hour: u64, minutes: u64) -> UnixMillis {
        UnixMillis(hour * HOUR + minutes * 60_000)
    }

    #[test]
    fn an_hour_is_as_many_series_as_it_has_events_of() {
        let mut sketch = sketch::Sketch::new(Metric::Lcp);
        [1000, 1000, 1000, 9000].into_iter().for_each(|value| sketch.insert(value, 1));
        let tally = ledger::Tally { n: 4, kept: BTreeMap::new(), sketch };
        let hour = Cell { views: 5, visits: 5, metrics: [(Metric::Lcp, tally)].into(), ..Cell::default() };
        assert_eq!(visits(&hour), [("views", 5, 5.0), ("LCP", 4, 0.75)]);
        assert_eq!(visits(&Cell::default()), [("views", 0, 0.0)]);
        assert_eq!(answers(&Traffic::default()), []);
    }

    #[test]
    fn a_watched_cell_is_read_in_three_ways() {
        let tally = Tally::of(200, 130);
        let windows = Windows { half_hour: tally, six_hours: tally, three_days: tally };
        let limit = Limit { max: 2500, percentile: 75, severity: Severity::Error, min_samples: 30, line: 1 };
        let (route, metric) = ("/".to_owned(), Metric::Lcp);
        let watched = Watched {
            route,
            device: Device::Phone,
            metric,
            limit,
            shown: tally,
            since_release: Tally::of(400, 260),
            windows,
        };
        let found = watched.observations();
        assert_eq!(
            found.each_ref().map(|observation| observation.reading),
            [
                Reading::Verdict(Verdict::Violated),
                Reading::Evidence { since: Tally::of(400, 260), verdict: Verdict::Violated, percentile: 75 },
                Reading::Burn { windows, percentile: 75 },
            ]
        );
        assert!(
            found.iter().all(|one| one.route.as_deref() == Some("/") && one.series.as_deref() == Some("LCP"))
        );
    }

    #[test]
    fn answers_are_read_as_times_hits_errors_and_queries() {
        use ledger::traffic::{Answer, Cached, Class, Method, Record};
        assert_eq!(of_traffic(&Traffic::default()), []);
        let mut traffic = Traffic::default();
        let queries = [("users".to_owned(), 300.0)];
        for (count, status, cache) in [
            (70, 200, Cached::Hit),
            (5, 200, Cached::Stale),
            (24, 200, Cached::Miss),
            (1, 502, Cached::Miss),
            (9, 200, Cached::Bypass),
        ] {
            let answer =
                Answer { method: Method::Get, class: Class::of(status), cache, detail: String::new() };
            let record = Record { route: "/", answer, bytes: 1, edge: 100, origin: None, queries: &queries };
            (0..count).for_each(|_| traffic.add(&record));
        }
        let found: Vec<Reading> = of_traffic(&traffic).iter().map(|one| one.reading).collect();
        let [Reading::ResponseTime(took), Reading::HitRatio(ratio), errors, Reading::QueryTime(query)] =
            found[..]
        else {
            unreachable!("{found:?}")
        };
        assert_eq!((took.n, ratio, query.n), (109, Measured { n: 100, value: 75.0 }, 109));
        assert!((took.value / 100.0 - 1.0).abs() < 0.016 && (query.value / 300.0 - 1.0).abs() < 0.016);
        assert_eq!(errors, Reading::ErrorRate { answers: 109, errors: 1 });
    }

    #[test]
    fn a_silence_is_as_long_as_what_was_to_be_expected() {
        let views = views(30);
        assert!((views.missed(at(NOON, 0), at(NOON, 15)) - 15.0).abs() < 1e-9);
        assert!((views.missed(at(NOON, 30), at(NOON + 1, 30)) - 60.0).abs() < 1e-9);
        // From two before closing time to the morning after.
        assert!((views.missed(at(NOON - 18, 58), at(NOON - 4, 0)) - 62.0).abs() < 1e-9);
        assert_eq!(views.missed(at(NOON + 9, 0), at(NOON + 18, 0)), 0.0, "nights are silent");
        assert_eq!(views.missed(at(NOON, 15), at(NOON, 0)), 0.0, "a clock that ran back");
        assert!(views.missed(UnixMillis(0), at(NOON, 0)) <= 4.0 * 12.0 * 60.0);
    }

    #[test]
    fn of_a_young_site_nothing_is_expected() {
        assert_eq!(Hours::default().missed(at(NOON, 0), at(NOON + 5, 0)), 0.0);
        assert_eq!(views(6).missed(at(NOON, 0), at(NOON + 5, 0)), 0.0);
        assert_eq!(views(6).oddity("views", 0, Noise::Count, at(NOON, 0)), None);
    }

    #[test]
    fn an_hour_that_is_gone_is_odd_and_a_share_of_nothing_is_not() {
        let mut views = views(30);
        views.0.remove(&(NOON - 1));
        let deviations = |found: Option<Observation>| match found.unwrap().reading {
            Reading::Anomaly(Measured { n, value }) => (n, value),
            other => unreachable!("{other:?}"),
        };
        let (n, value) = deviations(views.oddity("views", 0, Noise::Count, at(NOON, 20)));
        assert!(n == 60 && value < -7.0, "{n} {value}");
        let share = Noise::Share { n: 100 };
        assert_eq!(views.oddity("LCP", 100, share, at(NOON, 20)), None);
        let (n, value) = deviations(views.oddity("hits", 40, Noise::Value, at(NOON - 1, 20)));
        assert!(n == 40 && value == 0.0, "{n} {value}");
    }
}
