//! A cell: what is known of one series in one window. Exact counters beside sketches, because people
//! read quantiles and verdicts rest on counts. Everything in it adds up and can be taken out again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::Metric;
use wire::beacon::Lost;

use crate::fold::{Counted, Limits};

/// All metrics of one series in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Views, each counted once however often it was told.
    pub views: u64,
    /// The visits that these stand for, by their sample weights.
    pub visits: u64,
    /// Sends that the browsers made.
    pub sent: u64,
    /// Sends that arrived. The difference is known to be lost.
    pub heard: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<Lost, u64>,
    /// The metrics that were measured.
    pub metrics: BTreeMap<Metric, Tally>,
}

/// One metric of one series in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Views that measured it.
    pub n: u64,
    /// Exact counts against each limit that has been in force.
    pub kept: BTreeMap<u32, Kept>,
    /// The distribution over visits.
    pub sketch: Sketch,
}

/// Counts against one limit, from the moment at which it came into force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
}

/// A stored cell that no version of ours has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed;

impl Cell {
    /// Counts a view.
    pub(crate) fn add(&mut self, view: &Counted) {
        let told = &view.told;
        let weight = u64::from(told.weight);
        self.views = self.views.saturating_add(1);
        self.visits = self.visits.saturating_add(weight);
        self.sent = self.sent.saturating_add(view.sent.into());
        self.heard = self.heard.saturating_add(view.heard.into());
        if let Some(reason) = told.lost {
            let count = self.lost.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
        for (metric, value) in told.values.iter() {
            let tally = self.metrics.entry(metric).or_insert_with(|| Tally::new(metric));
            tally.n = tally.n.saturating_add(1);
            tally.sketch.insert(value, weight);
            if let Some(limit) = view.limits.get(metric) {
                let kept = tally.kept.entry(limit).or_default();
                kept.n = kept.n.saturating_add(1);
                kept.k = kept.k.saturating_add((value <= limit).into());
            }
        }
    }

    /// Takes a view out again, exactly as it was counted.
    pub(crate) fn take_out(&mut self, view: &Counted) {
        let told = &view.told;
        let weight = u64::from(told.weight);
        self.views = self.views.saturating_sub(1);
        self.visits = self.visits.saturating_sub(weight);
        self.sent = self.sent.saturating_sub(view.sent.into());
        self.heard = self.heard.saturating_sub(view.heard.into());
        if let Some(reason) = told.lost {
            if let Some(count) = self.lost.get_mut(&reason) {
                *count = count.saturating_sub(1);
            }
            self.lost.retain(|_, count| *count > 0);
        }
        for (metric, value) in told.values.iter() {
            let Some(tally) = self.metrics.get_mut(&metric) else { continue };
            tally.n = tally.n.saturating_sub(1);
            // A refusal would mean that it was never put in; then there is nothing to take out.
            let _ = tally.sketch.remove(value, weight);
            if let Some(kept) = view.limits.get(metric).and_then(|limit| tally.kept.get_mut(&limit)) {
                let limit = view.limits.get(metric).unwrap_or_default();
                kept.n = kept.n.saturating_sub(1);
                kept.k = kept.k.saturating_sub((value <= limit).into());
            }
            tally.kept.retain(|_, kept| kept.n > 0);
        }
        self.metrics.retain(|_, tally| tally.n > 0);
    }

    /// Adds all that another cell has counted.
    pub fn merge(&mut self, other: &Self) {
        self.views = self.views.saturating_add(other.views);
        self.visits = self.visits.saturating_add(other.visits);
        self.sent = self.sent.saturating_add(other.sent);
        self.heard = self.heard.saturating_add(other.heard);
        for (reason, count) in &other.lost {
            let ours = self.lost.entry(*reason).or_default();
            *ours = ours.saturating_add(*count);
        }
        for (metric, theirs) in &other.metrics {
            self.metrics.entry(*metric).or_insert_with(|| Tally::new(*metric)).merge(theirs);
        }
    }

    /// Takes out all that another cell has counted, which was put in before.
    pub fn subtract(&mut self, other: &Self) {
        self.views = self.views.saturating_sub(other.views);
        self.visits = self.visits.saturating_sub(other.visits);
        self.sent = self.sent.saturating_sub(other.sent);
        self.heard = self.heard.saturating_sub(other.heard);
        for (reason, count) in &other.lost {
            if let Some(ours) = self.lost.get_mut(reason) {
                *ours = ours.saturating_sub(*count);
            }
        }
        self.lost.retain(|_, count| *count > 0);
        for (metric, theirs) in &other.metrics {
            if let Some(ours) = self.metrics.get_mut(metric) {
                ours.subtract(theirs);
            }
        }
        self.metrics.retain(|_, tally| tally.n > 0);
    }

    /// Adds all that a stored cell has counted, without unpacking it first.
    ///
    /// # Errors
    /// Refuses what no version has written; what stood before the mistake may have been added.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let record = Record::read(bytes)?;
        self.views = self.views.saturating_add(record.views);
        self.visits = self.visits.saturating_add(record.visits);
        self.sent = self.sent.saturating_add(record.sent);
        self.heard = self.heard.saturating_add(record.heard);
        for (reason, count) in record.lost {
            let ours = self.lost.entry(Lost::named(reason).ok_or(Malformed)?).or_default();
            *ours = ours.saturating_add(count);
        }
        for TallyRecord { metric, n, kept, sketch } in record.metrics {
            let metric = Metric::named(metric).ok_or(Malformed)?;
            let ours = self.metrics.entry(metric).or_insert_with(|| Tally::new(metric));
            ours.n = ours.n.saturating_add(n);
            kept.into_iter().for_each(|(limit, kept)| ours.kept.entry(limit).or_default().add(kept));
            ours.sketch.merge_encoded(sketch).map_err(|_| Malformed)?;
        }
        Ok(())
    }

    /// Takes out all that a stored cell has counted, which was put in before.
    pub(crate) fn subtract_encoded(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        Self::decode(bytes).map(|cell| self.subtract(&cell))
    }

    /// What stored bytes say of limits, each with its metric's name; and the views. The distributions
    /// are passed over.
    pub(crate) fn kept(bytes: &[u8]) -> Result<(u64, impl Iterator<Item = (&str, u32, Kept)>), Malformed> {
        let Record { views, metrics, .. } = Record::read(bytes)?;
        let all = metrics.into_iter().flat_map(|TallyRecord { metric, kept, .. }| {
            kept.into_iter().map(move |(limit, kept)| (metric, limit, kept))
        });
        Ok((views, all))
    }

    /// Whether nothing is counted in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.views == 0
    }

    /// The bytes that are stored: a version, then the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let sketches: Vec<Vec<u8>> = self.metrics.values().map(|tally| tally.sketch.encode()).collect();
        let record = Record {
            views: self.views,
            visits: self.visits,
            sent: self.sent,
            heard: self.heard,
            lost: self.lost.iter().map(|(reason, count)| (reason.name(), *count)).collect(),
            metrics: self
                .metrics
                .iter()
                .zip(&sketches)
                .map(|((metric, tally), sketch)| TallyRecord {
                    metric: metric.name(),
                    n: tally.n,
                    kept: tally.kept.iter().map(|(limit, kept)| (*limit, *kept)).collect(),
                    sketch,
                })
                .collect(),
        };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).unwrap_or_default());
        bytes
    }

    /// Reads stored bytes of any version.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let record = Record::read(bytes)?;
        let mut metrics = BTreeMap::new();
        for tally in record.metrics {
            let metric = Metric::named(tally.metric).ok_or(Malformed)?;
            let sketch = Sketch::decode(tally.sketch).map_err(|_| Malformed)?;
            if sketch.metric() != metric {
                return Err(Malformed);
            }
            metrics.insert(metric, Tally { n: tally.n, kept: tally.kept.into_iter().collect(), sketch });
        }
        let lost = record
            .lost
            .into_iter()
            .map(|(name, count)| Some((Lost::named(name)?, count)))
            .collect::<Option<_>>()
            .ok_or(Malformed)?;
        let Record { views, visits, sent, heard, .. } = record;
        Ok(Self { views, visits, sent, heard, lost, metrics })
    }
}

impl Kept {
    /// Adds other views against the same limit.
    pub(crate) const fn add(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.k = self.k.saturating_add(other.k);
    }
}

impl Tally {
    fn new(metric: Metric) -> Self {
        Self { n: 0, kept: BTreeMap::new(), sketch: Sketch::new(metric) }
    }

    /// Adds what another tally of the same metric has counted.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        // A refusal would mean that it is of another metric; then there is nothing to add.
        let _ = self.sketch.merge(&other.sketch);
        for (limit, kept) in &other.kept {
            self.kept.entry(*limit).or_default().add(*kept);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.n = self.n.saturating_sub(other.n);
        // A refusal would mean that it is of another metric; then there is nothing to take out.
        let _ = self.sketch.subtract(&other.sketch);
        for (limit, kept) in &other.kept {
            if let Some(ours) = self.kept.get_mut(limit) {
                ours.n = ours.n.saturating_sub(kept.n);
                ours.k = ours.k.saturating_sub(kept.k);
            }
        }
        self.kept.retain(|_, kept| kept.n > 0);
    }

    /// The counts against the limit that is in force.
    #[must_use]
    pub fn against(&self, limit: u32) -> Kept {
        self.kept.get(&limit).copied().unwrap_or_default()
    }
}

impl Limits {
    pub(crate) fn get(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric)
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored cell is of no version that this build reads")
    }
}

impl std::error::Error for Malformed {}

/// Version 1 of a stored cell. Metrics and reasons are stored by name, so that a new one moves nothing.
#[derive(Serialize, Deserialize)]
struct Record<'a> {
    views: u64,
    visits: u64,
    sent: u64,
    heard: u64,
    #[serde(borrow)]
    lost: Vec<(&'a str, u64)>,
    #[serde(borrow)]
    metrics: Vec<TallyRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct TallyRecord<'a> {
    metric: &'a str,
    n: u64,
    kept: Vec<(u32, Kept)>,
    #[serde(borrow)]
    sketch: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match bytes.split_first() {
            Some((&VERSION, record)) => postcard::from_bytes(record).map_err(|_| Malformed),
            _ => Err(Malformed),
        }
    }
}

const VERSION: u8 = 1;
