//! Hourly counts against limits, for sequential tests and burn rates. They are read from stored cells without
//! decoding sketches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{CodecError, LimitCounts, UnixMillis, Window, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::network_counts::NetworkCounts;
use crate::network_history::{self, NetworkHistory};
use crate::sum_key::PageLabels;
use wire::sorting::{CollectOrdered, SortSlice};

/// The last three days of all pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyLimitCounts {
    /// Counts by page, metric name and limit.
    pub histories: BTreeMap<(PageLabels, String, u32), LimitHistory>,
    /// Views of the last six hours by release.
    pub releases: BTreeMap<String, u64>,
    /// The networks that sent the views of each page.
    #[serde(skip)]
    pub networks: BTreeMap<PageLabels, NetworkHistory>,
    /// The networks that sent the views of each release.
    #[serde(skip)]
    pub release_networks: BTreeMap<String, NetworkCounts>,
}

/// The history of one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHistory {
    /// Views that started in the last 30 minutes.
    pub half_hour: LimitCounts,
    /// Views by the hour of their start.
    pub hours: BTreeMap<UnixMillis, LimitCounts>,
}

impl HourlyLimitCounts {
    /// The length of the history.
    pub const SPAN_MS: u64 = 72 * WindowSpan::Hour.millis();

    /// Adds a stored cell of the last three days; bots are skipped.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add(&mut self, key: &CellKey, cell: &[u8], now: UnixMillis) -> Result<(), CodecError> {
        let CellKey { window, labels } = key;
        if !labels.is_visitor() {
            return Ok(());
        }
        let (views, networks, limit_counts) = Cell::read_limit_counts(cell)?;
        if let Some(release) = &labels.release
            && window.start >= now.saturating_sub(RECENT_RELEASES_MS)
        {
            let sum = self.releases.entry(release.clone()).or_default();
            *sum = sum.saturating_add(views);
            self.release_networks.entry(release.clone()).or_default().merge(&networks);
        }
        if networks.views() > 0 {
            let page = PageLabels { route: labels.route.clone(), device: labels.device };
            self.networks.entry(page).or_default().add(window.start, &networks);
        }
        let hour = Window::containing(WindowSpan::Hour, window.start).start;
        let is_recent = window.span == WindowSpan::Minute && window.start >= now.saturating_sub(HALF_HOUR_MS);
        for (metric, limit, counts) in limit_counts {
            let page = PageLabels { route: labels.route.clone(), device: labels.device };
            let history = self.histories.entry((page, metric.to_owned(), limit)).or_default();
            history.hours.entry(hour).or_default().add(counts);
            if is_recent {
                history.half_hour.add(counts);
            }
        }
        Ok(())
    }

    /// Adds the counts of another shard.
    pub fn merge(&mut self, other: Self) {
        for (key, history) in other.histories {
            self.histories.entry(key).or_default().merge(&history);
        }
        for (release, views) in other.releases {
            let sum = self.releases.entry(release).or_default();
            *sum = sum.saturating_add(views);
        }
        for (page, history) in other.networks {
            self.networks.entry(page).or_default().merge(&history);
        }
        for (release, networks) in other.release_networks {
            self.release_networks.entry(release).or_default().merge(&networks);
        }
    }

    /// Encodes the response of a shard, with the most viewed releases only.
    ///
    /// # Errors
    /// Returns an error if the counts cannot be encoded.
    pub fn encode(mut self) -> Result<Vec<u8>, CodecError> {
        let mut ranked: Vec<(String, u64)> = std::mem::take(&mut self.releases).into_iter().collect();
        ranked.order_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
        ranked.truncate(MAX_RELEASES);
        self.releases = ranked.into_iter().collect_map();
        self.release_networks.retain(|release, _| self.releases.contains_key(release));
        let bytes = postcard::to_stdvec(&self).map_err(|_| CodecError)?;
        // An earlier release ignores what follows.
        network_history::encode(&self.networks, &self.release_networks, bytes)
    }

    /// Decodes the response of a shard.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (mut counts, networks): (Self, &[u8]) =
            postcard::take_from_bytes(bytes).map_err(|_| CodecError)?;
        if !networks.is_empty() {
            (counts.networks, counts.release_networks) = network_history::decode(networks)?;
        }
        Ok(counts)
    }
}

impl LimitHistory {
    /// Adds another history of the same limit.
    pub fn merge(&mut self, other: &Self) {
        self.half_hour.add(other.half_hour);
        for (hour, counts) in &other.hours {
            self.hours.entry(*hour).or_default().add(*counts);
        }
    }

    /// Returns the counts of this hour and all later ones.
    #[must_use]
    pub fn since(&self, hour: UnixMillis) -> LimitCounts {
        let mut sum = LimitCounts::default();
        self.hours
            .range(Window::containing(WindowSpan::Hour, hour).start..)
            .for_each(|(_, counts)| sum.add(*counts));
        sum
    }
}

const HALF_HOUR_MS: u64 = 30 * WindowSpan::Minute.millis();
const RECENT_RELEASES_MS: u64 = 6 * WindowSpan::Hour.millis();
const MAX_RELEASES: usize = 16;

#[cfg(test)]
mod tests {
    use wire::Metric;

    use super::*;
    use crate::SeriesLabels;
    use crate::cell::MetricCell;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    /// The counts of one cell of a view within a limit of 1000 ms, in the window that ends this long before now.
    fn counts_of(span: WindowSpan, millis_ago: u64) -> HourlyLimitCounts {
        let labels = SeriesLabels::from_json(r#"{"r":"/","d":"phone","n":"navigate","v":"2.0"}"#).unwrap();
        let window = Window { span, start: NOW.saturating_sub(millis_ago) };
        let mut metric_cell = MetricCell {
            n: 1,
            limit_counts: BTreeMap::from([(1000, LimitCounts { n: 1, k: 1 })]),
            sketch: sketch::Sketch::new(Metric::Lcp),
        };
        metric_cell.sketch.insert(900, 1);
        let cell =
            Cell { views: 1, metrics: BTreeMap::from([(Metric::Lcp, metric_cell)]), ..Cell::default() };
        let mut counts = HourlyLimitCounts::default();
        counts.add(&CellKey { window, labels }, &cell.encode().unwrap(), NOW).unwrap();
        counts
    }

    #[test]
    fn the_history_spans_three_days() {
        assert_eq!(HourlyLimitCounts::SPAN_MS, 3 * WindowSpan::Day.millis());
    }

    #[test]
    fn the_half_hour_has_its_minutes_alone() {
        let recent = |span, millis_ago| {
            let counts = counts_of(span, millis_ago);
            let history = counts.histories.values().next().unwrap();
            assert_eq!(history.hours.values().map(|hour| hour.n).sum::<u64>(), 1, "each cell is in its hour");
            history.half_hour.n
        };
        assert_eq!([0, 1_800_000, 1_800_001].map(|ago| recent(WindowSpan::Minute, ago)), [1, 1, 0]);
        assert_eq!(recent(WindowSpan::Hour, 0), 0);
    }

    #[test]
    fn releases_are_those_of_the_last_six_hours() {
        let releases = |ago| counts_of(WindowSpan::Minute, ago).releases.into_values().sum::<u64>();
        assert_eq!([0, 21_600_000, 21_600_001].map(releases), [1, 1, 0]);
    }
}
