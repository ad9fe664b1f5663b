//! Views against their limits, hour by hour: what watching and burn rates ask for, every quarter of an
//! hour and of every page. It is read from cells without unpacking their distributions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::cell::{Cell, Kept, Malformed};
use crate::fold::CellKey;
use crate::pages::Page;
use crate::window::{Span, Window};

/// The last three days of every page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Each page, metric and limit; metrics by their names.
    pub tracks: BTreeMap<(Page, String, u32), Track>,
    /// Views of the last hours, by release: the most seen ones.
    pub releases: BTreeMap<String, u64>,
}

/// Views against one limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    /// Those that began in the last 30 minutes.
    pub half_hour: Kept,
    /// By the hour in which they began.
    pub hours: BTreeMap<UnixMillis, Kept>,
}

impl Counts {
    /// How far back they go.
    pub const SPAN: u64 = 72 * Span::Hour.millis();

    /// Counts a stored cell of the last three days. Programs are left out.
    ///
    /// # Errors
    /// Refuses what no version of ours has written.
    pub fn add(&mut self, key: &CellKey, cell: &[u8], now: UnixMillis) -> Result<(), Malformed> {
        let CellKey { window, labels } = key;
        if labels.bot {
            return Ok(());
        }
        let (views, kept) = Cell::kept(cell)?;
        if let Some(release) = &labels.release
            && window.start >= now.before(RECENT)
        {
            let sum = self.releases.entry(release.clone()).or_default();
            *sum = sum.saturating_add(views);
        }
        let hour = Window::of(Span::Hour, window.start).start;
        let is_fresh = window.span == Span::Minute && window.start >= now.before(HALF_AN_HOUR);
        for (metric, limit, kept) in kept {
            let page = Page { route: labels.route.clone(), device: labels.device };
            let track = self.tracks.entry((page, metric.to_owned(), limit)).or_default();
            track.hours.entry(hour).or_default().add(kept);
            if is_fresh {
                track.half_hour.add(kept);
            }
        }
        Ok(())
    }

    /// Adds what another shard has counted.
    pub fn merge(&mut self, other: Self) {
        for (key, track) in other.tracks {
            self.tracks.entry(key).or_default().merge(&track);
        }
        for (release, views) in other.releases {
            let sum = self.releases.entry(release).or_default();
            *sum = sum.saturating_add(views);
        }
    }

    /// The bytes that one shard answers with. Of the releases, those that could lead.
    #[must_use]
    pub fn encode(mut self) -> Vec<u8> {
        let mut ranked: Vec<(String, u64)> = std::mem::take(&mut self.releases).into_iter().collect();
        ranked.sort_by(|(a, ours), (b, theirs)| theirs.cmp(ours).then(a.cmp(b)));
        ranked.truncate(MOST_RELEASES);
        self.releases = ranked.into_iter().collect();
        postcard::to_stdvec(&self).unwrap_or_default()
    }

    /// Reads what a shard has answered.
    ///
    /// # Errors
    /// Refuses what no shard of this version writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        postcard::from_bytes(bytes).map_err(|_| Malformed)
    }
}

impl Track {
    /// Adds the views of another one.
    pub fn merge(&mut self, other: &Self) {
        self.half_hour.add(other.half_hour);
        for (hour, kept) in &other.hours {
            self.hours.entry(*hour).or_default().add(*kept);
        }
    }

    /// Views that began in this hour or later.
    #[must_use]
    pub fn since(&self, hour: UnixMillis) -> Kept {
        let mut sum = Kept::default();
        self.hours.range(Window::of(Span::Hour, hour).start..).for_each(|(_, kept)| sum.add(*kept));
        sum
    }
}

const HALF_AN_HOUR: u64 = 30 * Span::Minute.millis();
const RECENT: u64 = 6 * Span::Hour.millis();
const MOST_RELEASES: usize = 16;
