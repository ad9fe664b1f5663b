//! The likely next pages: a first-order Markov table of what visitors asked for after what, by the
//! `Referer` of documents. It holds so many pages and so many ways from each, whatever is asked for; a
//! way that finds no room takes the place of the least used one and its count with it (Space-Saving), so
//! that what is used much is never lost, and a count is too high by that at most.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was asked for after what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transitions(BTreeMap<String, From>);

/// The ways from a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct From {
    /// How often it was left.
    n: u32,
    to: Vec<Way>,
}

/// A way: where it leads, how often it was gone, and how much of that may be others'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Way {
    to: String,
    n: u32,
    over: u32,
}

impl Transitions {
    /// A visitor went from one page to another: so often.
    pub fn saw(&mut self, from: &str, to: &str, times: u32) {
        if from == to || from.len() > LONGEST || to.len() > LONGEST || times == 0 {
            return;
        }
        if !self.0.contains_key(from) {
            self.make_room();
        }
        self.0.entry(from.to_owned()).or_default().saw(to, times);
    }

    /// The pages that follow with at least that share, the likeliest first; no more than so many.
    #[must_use]
    pub fn likely(&self, from: &str, least: f64, most: usize) -> Vec<(&str, f64)> {
        let Some(page) = self.0.get(from).filter(|page| page.n >= ENOUGH) else { return Vec::new() };
        // Only what is certainly this way's is counted for it.
        let share = |way: &Way| f64::from(way.n.saturating_sub(way.over)) / f64::from(page.n.max(1));
        let mut ways: Vec<(&str, f64)> = page.to.iter().map(|way| (way.to.as_str(), share(way))).collect();
        ways.retain(|(_, share)| *share >= least);
        ways.sort_by(|(a, one), (b, other)| other.total_cmp(one).then_with(|| a.cmp(b)));
        ways.truncate(most);
        ways
    }

    /// The pages that follow anything much, the most used ways first; no more than so many.
    #[must_use]
    pub fn likeliest(&self, least: f64, most: usize) -> Vec<&str> {
        let mut used: BTreeMap<&str, u64> = BTreeMap::new();
        for (from, page) in &self.0 {
            for (to, share) in self.likely(from, least, MOST_WAYS) {
                let sum = used.entry(to).or_default();
                *sum = sum.saturating_add((share * f64::from(page.n)) as u64);
            }
        }
        let mut all: Vec<_> = used.into_iter().collect();
        all.sort_by_key(|(to, used)| (std::cmp::Reverse(*used), *to));
        all.into_iter().take(most).map(|(to, _)| to).collect()
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (from, page) in &other.0 {
            page.to.iter().for_each(|way| self.saw(from, &way.to, way.n));
        }
    }

    /// What was long ago counts for less: half of what it did.
    pub fn age(&mut self) {
        for page in self.0.values_mut() {
            page.n /= 2;
            for way in &mut page.to {
                (way.n, way.over) = (way.n / 2, way.over / 2);
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
    fn make_room(&mut self) {
        if self.0.len() >= MOST_PAGES {
            let least = self.0.iter().min_by_key(|(_, page)| page.n).map(|(from, _)| from.clone());
            least.and_then(|from| self.0.remove(&from));
        }
    }
}

impl From {
    fn saw(&mut self, to: &str, times: u32) {
        self.n = self.n.saturating_add(times);
        if let Some(way) = self.to.iter_mut().find(|way| way.to == to) {
            way.n = way.n.saturating_add(times);
        } else if self.to.len() < MOST_WAYS {
            self.to.push(Way { to: to.to_owned(), n: times, over: 0 });
        } else if let Some(least) = self.to.iter_mut().min_by_key(|way| way.n) {
            *least = Way { to: to.to_owned(), n: least.n.saturating_add(times), over: least.n };
        }
    }
}

/// So many pages are left from.
pub const MOST_PAGES: usize = 500;
/// So many ways lead from one.
pub const MOST_WAYS: usize = 8;
/// A page that was left less often than this says nothing.
const ENOUGH: u32 = 3;
/// Bytes of an address.
const LONGEST: usize = 512;
