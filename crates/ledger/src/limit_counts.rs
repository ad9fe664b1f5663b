//! Hourly counts against limits, for sequential tests and burn rates. They are read from stored cells without
//! decoding sketches.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::{CodecError, LimitCounts, UnixMillis, Window, WindowSpan};

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::network_counts::NetworkCounts;
use crate::network_history::{self, NetworkHistory};
use crate::page_key::PageLabels;

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
        ranked.sort_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
        ranked.truncate(MAX_RELEASES);
        self.releases = ranked.into_iter().collect();
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
