//! The likely next pages: a first-order Markov table of what visitors asked for after what, by the
//! `Referer` of documents. It holds so many pages and so many ways from each, whatever is asked for; a
//! way that finds no room takes the place of the least used one and its count with it (Space-Saving), so
//! that what is used much is never lost, and a count is too high by that at most.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was asked for after what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkovTable(BTreeMap<String, SourcePage>);

/// The ways from a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SourcePage {
    /// How often it was left.
    n: u32,
    to: Vec<NextPage>,
}

/// A way: where it leads, how often it was gone, and how much of that may be others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NextPage {
    to: String,
    n: u32,
    #[serde(rename = "over")]
    overcount: u32,
}

impl MarkovTable {
    /// A visitor went from one page to another: so often.
    pub fn record(&mut self, from: &str, to: &str, count: u32) {
        if from == to || from.len() > MAX_URL_BYTES || to.len() > MAX_URL_BYTES || count == 0 {
            return;
        }
        if !self.0.contains_key(from) {
            self.evict_if_full();
        }
        self.0.entry(from.to_owned()).or_default().record(to, count);
    }

    /// The pages that follow with at least that share, the likeliest first; no more than so many.
    #[must_use]
    pub fn likely_next(&self, from: &str, min_share: f64, limit: usize) -> Vec<(&str, f64)> {
        let Some(page) = self.0.get(from).filter(|page| page.n >= MIN_EXITS) else { return Vec::new() };
        // Only what is certainly this way's is counted for it.
        let share =
            |way: &NextPage| f64::from(way.n.saturating_sub(way.overcount)) / f64::from(page.n.max(1));
        let mut pages: Vec<(&str, f64)> = page.to.iter().map(|way| (way.to.as_str(), share(way))).collect();
        pages.retain(|(_, share)| *share >= min_share);
        pages.sort_by(|(a, one), (b, other)| other.total_cmp(one).then_with(|| a.cmp(b)));
        pages.truncate(limit);
        pages
    }

    /// The pages that follow anything much, the most used ways first; no more than so many.
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
        all.sort_by_key(|(to, used)| (std::cmp::Reverse(*used), *to));
        all.into_iter().take(limit).map(|(to, _)| to).collect()
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (from, page) in &other.0 {
            page.to.iter().for_each(|way| self.record(from, &way.to, way.n));
        }
    }

    /// What was long ago counts for less: half of what it did.
    pub fn decay(&mut self) {
        for page in self.0.values_mut() {
            page.n /= 2;
            for way in &mut page.to {
                (way.n, way.overcount) = (way.n / 2, way.overcount / 2);
            }
            page.to.retain(|way| way.n > 0);
        }
        self.0.retain(|_, page| page.n > 0 && !page.to.is_empty());
    }

    /// Whether nothing was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pages, and how many ways from them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.0.len(), self.0.values().map(|page| page.to.len()).sum())
    }

    /// Room for one more page: the page that was left least goes.
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
        if let Some(way) = self.to.iter_mut().find(|way| way.to == to) {
            way.n = way.n.saturating_add(count);
        } else if self.to.len() < MAX_NEXT_PAGES {
            self.to.push(NextPage { to: to.to_owned(), n: count, overcount: 0 });
        } else if let Some(least) = self.to.iter_mut().min_by_key(|way| way.n) {
            *least = NextPage { to: to.to_owned(), n: least.n.saturating_add(count), overcount: least.n };
        }
    }
}

/// So many pages are left from.
pub const MAX_SOURCE_PAGES: usize = 500;
/// So many ways lead from one.
pub const MAX_NEXT_PAGES: usize = 8;
/// A page that was left less often than this says nothing.
const MIN_EXITS: u32 = 3;
/// Bytes of an address.
const MAX_URL_BYTES: usize = 512;
