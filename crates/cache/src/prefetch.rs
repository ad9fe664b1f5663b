//! Likely next pages: a first-order Markov table of navigations, by the `Referer` of documents. The numbers
//! of pages and of transitions from each are bounded. A new transition replaces the least frequent one and
//! inherits its count (Space-Saving), so that frequent transitions are never lost, and the inherited count
//! bounds the error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::sorting::SortSlice;

/// The transitions between pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkovTable(BTreeMap<String, SourcePage>);

/// The transitions from a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SourcePage {
    /// The number of navigations from the page.
    n: u32,
    to: Vec<NextPage>,
}

/// A transition with its count. Up to `overcount` of it may belong to transitions that it replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NextPage {
    to: String,
    n: u32,
    #[serde(rename = "over")]
    overcount: u32,
}

impl MarkovTable {
    /// Records `count` navigations between two pages.
    pub fn record(&mut self, from: &str, to: &str, count: u32) {
        if from == to || from.len() > MAX_URL_BYTES || to.len() > MAX_URL_BYTES || count == 0 {
            return;
        }
        if !self.0.contains_key(from) {
            self.evict_if_full();
        }
        self.0.entry(from.to_owned()).or_default().record(to, count);
    }

    /// Returns the next pages with at least this share of the navigations, the likeliest first.
    #[must_use]
    pub fn likely_next(&self, from: &str, min_share: f64, limit: usize) -> Vec<(&str, f64)> {
        let Some(page) = self.0.get(from).filter(|page| page.n >= MIN_EXITS) else { return Vec::new() };
        // The guaranteed part of the count.
        let share =
            |next: &NextPage| f64::from(next.n.saturating_sub(next.overcount)) / f64::from(page.n.max(1));
        let mut pages: Vec<(&str, f64)> =
            page.to.iter().map(|next| (next.to.as_str(), share(next))).collect();
        pages.retain(|(_, share)| *share >= min_share);
        pages.order_by(|(a, one), (b, other)| other.total_cmp(one).then_with(|| a.cmp(b)));
        pages.truncate(limit);
        pages
    }

    /// Returns the likely next pages of all pages, in descending order of their navigations.
    #[must_use]
    pub fn most_likely_pages(&self, min_share: f64, limit: usize) -> Vec<&str> {
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for (from, page) in &self.0 {
            for (to, share) in self.likely_next(from, min_share, MAX_NEXT_PAGES) {
                let sum = used.entry(to).or_default();
                *sum = sum.saturating_add((share * f64::from(page.n)) as u64);
            }
        }
        let mut all: Vec<_> = used.into_iter().collect();
        all.order_by_key(|(to, used)| (std::cmp::Reverse(*used), *to));
        all.into_iter().take(limit).map(|(to, _)| to).collect()
    }

    /// Adds the navigations of another isolate.
    pub fn merge(&mut self, other: &Self) {
        for (from, page) in &other.0 {
            page.to.iter().for_each(|next| self.record(from, &next.to, next.n));
        }
    }

    /// Halves all counts, so that recent navigations weigh more.
    pub fn decay(&mut self) {
        for page in self.0.values_mut() {
            page.n /= 2;
            for next in &mut page.to {
                (next.n, next.overcount) = (next.n / 2, next.overcount / 2);
            }
            page.to.retain(|next| next.n > 0);
        }
        self.0.retain(|_, page| page.n > 0 && !page.to.is_empty());
    }

    /// Returns true if nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the numbers of pages and of transitions.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(|page| page.to.len()).sum())
    }

    /// Makes room for one more page by removing the one with the fewest navigations.
    fn evict_if_full(&mut self) {
        if self.0.len() >= MAX_SOURCE_PAGES {
            let least = self.0.iter().min_by_key(|(_, page)| page.n).map(|(from, _)| from.clone());
            least.and_then(|from| self.0.remove(&from));
        }
    }
}

impl SourcePage {
    fn record(&mut self, to: &str, count: u32) {
        self.n = self.n.saturating_add(count);
        if let Some(next) = self.to.iter_mut().find(|next| next.to == to) {
            next.n = next.n.saturating_add(count);
        } else if self.to.len() < MAX_NEXT_PAGES {
            self.to.push(NextPage { to: to.to_owned(), n: count, overcount: 0 });
        } else if let Some(least) = self.to.iter_mut().min_by_key(|next| next.n) {
            *least = NextPage { to: to.to_owned(), n: least.n.saturating_add(count), overcount: least.n };
        }
    }
}

/// The maximum number of pages with transitions.
pub const MAX_SOURCE_PAGES: usize = 500;
/// The maximum number of transitions from a page.
pub const MAX_NEXT_PAGES: usize = 8;
/// Pages with fewer navigations give no prediction.
const MIN_EXITS: u32 = 3;
const MAX_URL_BYTES: usize = 512;
