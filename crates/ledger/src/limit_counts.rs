//! Views against their limits, hour by hour: what watching and burn rates ask for, every quarter of an
//! hour and of every page. It is read from cells without unpacking their distributions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::cell::{Cell, CodecError, LimitCounts};
use crate::fold::CellKey;
use crate::page_rollup::PageLabels;
use crate::window::{Window, WindowSpan};

/// The last three days of every page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HourlyLimitCounts {
    /// Each page, metric and limit; metrics by their names.
    pub histories: BTreeMap<(PageLabels, String, u32), LimitHistory>,
    /// Views of the last hours, by release: the most seen ones.
    pub releases: BTreeMap<String, u64>,
}

/// Views against one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHistory {
    /// Those that began in the last 30 minutes.
    pub half_hour: LimitCounts,
    /// By the hour in which they began.
    pub hours: BTreeMap<UnixMillis, LimitCounts>,
}

impl HourlyLimitCounts {
    /// How far back they go.
    pub const SPAN_MS: u64 = 72 * WindowSpan::Hour.millis();

    /// Counts a stored cell of the last three days. Programs are left out.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add(&mut self, key: &CellKey, cell: &[u8], now: UnixMillis) -> Result<(), CodecError> {
        let CellKey { window, labels } = key;
        if labels.bot {
            return Ok(());
        }
        let (views, kept) = Cell::read_limit_counts(cell)?;
        if let Some(release) = &labels.release
            && window.start >= now.saturating_sub(RECENT_RELEASES_MS)
        {
            let sum = self.releases.entry(release.clone()).or_default();
            *sum = sum.saturating_add(views);
        }
        let hour = Window::containing(WindowSpan::Hour, window.start).start;
        let is_fresh = window.span == WindowSpan::Minute && window.start >= now.saturating_sub(HALF_HOUR_MS);
        for (metric, limit, kept) in kept {
            let page = PageLabels { route: labels.route.clone(), device: labels.device };
            let track = self.histories.entry((page, metric.to_owned(), limit)).or_default();
            track.hours.entry(hour).or_default().add(kept);
            if is_fresh {
                track.half_hour.add(kept);
            }
        }
        Ok(())
    }

    /// Adds what another shard has counted.
    pub fn merge(&mut self, other: Self) {
        for (key, track) in other.histories {
            self.histories.entry(key).or_default().merge(&track);
        }
        for (release, views) in other.releases {
            let sum = self.releases.entry(release).or_default();
            *sum = sum.saturating_add(views);
        }
    }

    /// The bytes that one shard answers with. Of the releases, those that could lead.
    ///
    /// # Errors
    /// Fails if the counts cannot be encoded.
    pub fn encode(mut self) -> Result<Vec<u8>, CodecError> {
        let mut ranked: Vec<(String, u64)> = std::mem::take(&mut self.releases).into_iter().collect();
        ranked.sort_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
        ranked.truncate(MAX_RELEASES);
        self.releases = ranked.into_iter().collect();
        postcard::to_stdvec(&self).map_err(|_| CodecError)
    }

    /// Reads what a shard has answered.
    ///
    /// # Errors
    /// Refuses what no shard of this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        postcard::from_bytes(bytes).map_err(|_| CodecError)
    }
}

impl LimitHistory {
    /// Adds the views of another one.
    pub fn merge(&mut self, other: &Self) {
        self.half_hour.add(other.half_hour);
        for (hour, kept) in &other.hours {
            self.hours.entry(*hour).or_default().add(*kept);
        }
    }

    /// Views that began in this hour or later.
    #[must_use]
    pub fn since(&self, hour: UnixMillis) -> LimitCounts {
        let mut sum = LimitCounts::default();
        self.hours
            .range(Window::containing(WindowSpan::Hour, hour).start..)
            .for_each(|(_, kept)| sum.add(*kept));
        sum
    }
}

const HALF_HOUR_MS: u64 = 30 * WindowSpan::Minute.millis();
const RECENT_RELEASES_MS: u64 = 6 * WindowSpan::Hour.millis();
const MAX_RELEASES: usize = 16;
