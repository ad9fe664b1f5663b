//! A cell: what is known of one series in one window. Exact counters beside sketches, because people
//! read quantiles and verdicts rest on counts. Everything in it adds up and can be taken out again.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::Metric;
use wire::beacon::LossReason;

use crate::fold::{FoldedView, MetricLimits};

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
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// The metrics that were measured.
    pub metrics: BTreeMap<Metric, MetricCell>,
}

/// One metric of one series in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricCell {
    /// Views that measured it.
    pub n: u64,
    /// Exact counts against each limit that has been in force.
    pub limit_counts: BTreeMap<u32, LimitCounts>,
    /// The distribution over visits.
    pub sketch: Sketch,
}

/// Counts against one limit, from the moment at which it came into force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitCounts {
    /// Views that were judged by it.
    pub n: u64,
    /// Those within it.
    pub k: u64,
}

/// A stored cell that no version of ours has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecError;

impl Cell {
    /// Counts a view.
    pub(crate) fn add(&mut self, view: &FoldedView) {
        let told = &view.record;
        let weight = u64::from(told.weight);
        self.views = self.views.saturating_add(1);
        self.visits = self.visits.saturating_add(weight);
        self.sent = self.sent.saturating_add(view.sent.into());
        self.received = self.received.saturating_add(view.received.into());
        if let Some(reason) = told.loss_reason {
            let count = self.lost.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
        for (metric, value) in told.values.iter() {
            let tally = self.metrics.entry(metric).or_insert_with(|| MetricCell::new(metric));
            tally.n = tally.n.saturating_add(1);
            tally.sketch.insert(value, weight);
            if let Some(limit) = view.limits.get(metric) {
                let kept = tally.limit_counts.entry(limit).or_default();
                kept.n = kept.n.saturating_add(1);
                kept.k = kept.k.saturating_add((value <= limit).into());
            }
        }
    }

    /// Takes a view out again, exactly as it was counted.
    pub(crate) fn remove(&mut self, view: &FoldedView) {
        let told = &view.record;
        let weight = u64::from(told.weight);
        self.views = self.views.saturating_sub(1);
        self.visits = self.visits.saturating_sub(weight);
        self.sent = self.sent.saturating_sub(view.sent.into());
        self.received = self.received.saturating_sub(view.received.into());
        if let Some(reason) = told.loss_reason {
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
            if let Some(kept) = view.limits.get(metric).and_then(|limit| tally.limit_counts.get_mut(&limit)) {
                let limit = view.limits.get(metric).unwrap_or_default();
                kept.n = kept.n.saturating_sub(1);
                kept.k = kept.k.saturating_sub((value <= limit).into());
            }
            tally.limit_counts.retain(|_, kept| kept.n > 0);
        }
        self.metrics.retain(|_, tally| tally.n > 0);
    }

    /// Adds all that another cell has counted.
    pub fn merge(&mut self, other: &Self) {
        self.views = self.views.saturating_add(other.views);
        self.visits = self.visits.saturating_add(other.visits);
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
        for (reason, count) in &other.lost {
            let ours = self.lost.entry(*reason).or_default();
            *ours = ours.saturating_add(*count);
        }
        for (metric, theirs) in &other.metrics {
            self.metrics.entry(*metric).or_insert_with(|| MetricCell::new(*metric)).merge(theirs);
        }
    }

    /// Takes out all that another cell has counted, which was put in before.
    pub fn subtract(&mut self, other: &Self) {
        self.views = self.views.saturating_sub(other.views);
        self.visits = self.visits.saturating_sub(other.visits);
        self.sent = self.sent.saturating_sub(other.sent);
        self.received = self.received.saturating_sub(other.received);
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
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let record = StoredCell::decode(bytes)?;
        self.views = self.views.saturating_add(record.views);
        self.visits = self.visits.saturating_add(record.visits);
        self.sent = self.sent.saturating_add(record.sent);
        self.received = self.received.saturating_add(record.received);
        for (reason, count) in record.lost {
            let ours = self.lost.entry(LossReason::from_name(reason).ok_or(CodecError)?).or_default();
            *ours = ours.saturating_add(count);
        }
        for StoredMetricCell { metric, n, limit_counts: kept, sketch } in record.metrics {
            let metric = Metric::from_name(metric).ok_or(CodecError)?;
            let ours = self.metrics.entry(metric).or_insert_with(|| MetricCell::new(metric));
            ours.n = ours.n.saturating_add(n);
            kept.into_iter().for_each(|(limit, kept)| ours.limit_counts.entry(limit).or_default().add(kept));
            ours.sketch.merge_encoded(sketch).map_err(|_| CodecError)?;
        }
        Ok(())
    }

    /// Takes out all that a stored cell has counted, which was put in before.
    pub(crate) fn subtract_encoded(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        Self::decode(bytes).map(|cell| self.subtract(&cell))
    }

    /// What stored bytes say of limits, each with its metric's name; and the views. The distributions
    /// are passed over.
    pub(crate) fn read_limit_counts(
        bytes: &[u8],
    ) -> Result<(u64, impl Iterator<Item = (&str, u32, LimitCounts)>), CodecError> {
        let StoredCell { views, metrics, .. } = StoredCell::decode(bytes)?;
        let all = metrics.into_iter().flat_map(|StoredMetricCell { metric, limit_counts: kept, .. }| {
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
    ///
    /// # Errors
    /// Fails if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let sketches: Vec<Vec<u8>> = self.metrics.values().map(|tally| tally.sketch.encode()).collect();
        let record = StoredCell {
            views: self.views,
            visits: self.visits,
            sent: self.sent,
            received: self.received,
            lost: self.lost.iter().map(|(reason, count)| (reason.name(), *count)).collect(),
            metrics: self
                .metrics
                .iter()
                .zip(&sketches)
                .map(|((metric, tally), sketch)| StoredMetricCell {
                    metric: metric.name(),
                    n: tally.n,
                    limit_counts: tally.limit_counts.iter().map(|(limit, kept)| (*limit, *kept)).collect(),
                    sketch,
                })
                .collect(),
        };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Reads stored bytes of any version.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let record = StoredCell::decode(bytes)?;
        let mut metrics = BTreeMap::new();
        for tally in record.metrics {
            let metric = Metric::from_name(tally.metric).ok_or(CodecError)?;
            let sketch = Sketch::decode(tally.sketch).map_err(|_| CodecError)?;
            if sketch.metric() != metric {
                return Err(CodecError);
            }
            metrics.insert(
                metric,
                MetricCell { n: tally.n, limit_counts: tally.limit_counts.into_iter().collect(), sketch },
            );
        }
        let lost = record
            .lost
            .into_iter()
            .map(|(name, count)| Some((LossReason::from_name(name)?, count)))
            .collect::<Option<_>>()
            .ok_or(CodecError)?;
        let StoredCell { views, visits, sent, received: heard, .. } = record;
        Ok(Self { views, visits, sent, received: heard, lost, metrics })
    }
}

impl LimitCounts {
    /// Adds other views against the same limit.
    pub(crate) const fn add(&mut self, other: Self) {
        self.n = self.n.saturating_add(other.n);
        self.k = self.k.saturating_add(other.k);
    }
}

impl MetricCell {
    fn new(metric: Metric) -> Self {
        Self { n: 0, limit_counts: BTreeMap::new(), sketch: Sketch::new(metric) }
    }

    /// Adds what another tally of the same metric has counted.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        // A refusal would mean that it is of another metric; then there is nothing to add.
        let _ = self.sketch.merge(&other.sketch);
        for (limit, kept) in &other.limit_counts {
            self.limit_counts.entry(*limit).or_default().add(*kept);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.n = self.n.saturating_sub(other.n);
        // A refusal would mean that it is of another metric; then there is nothing to take out.
        let _ = self.sketch.subtract(&other.sketch);
        for (limit, kept) in &other.limit_counts {
            if let Some(ours) = self.limit_counts.get_mut(limit) {
                ours.n = ours.n.saturating_sub(kept.n);
                ours.k = ours.k.saturating_sub(kept.k);
            }
        }
        self.limit_counts.retain(|_, kept| kept.n > 0);
    }

    /// The counts against the limit that is in force.
    #[must_use]
    pub fn counts_for_limit(&self, limit: u32) -> LimitCounts {
        self.limit_counts.get(&limit).copied().unwrap_or_default()
    }
}

impl MetricLimits {
    pub(crate) fn get(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric)
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a stored cell is of no version that this build reads")
    }
}

impl std::error::Error for CodecError {}

/// Version 1 of a stored cell. Metrics and reasons are stored by name, so that a new one moves nothing.
#[derive(Serialize, Deserialize)]
struct StoredCell<'a> {
    views: u64,
    visits: u64,
    sent: u64,
    received: u64,
    #[serde(borrow)]
    lost: Vec<(&'a str, u64)>,
    #[serde(borrow)]
    metrics: Vec<StoredMetricCell<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredMetricCell<'a> {
    metric: &'a str,
    n: u64,
    limit_counts: Vec<(u32, LimitCounts)>,
    #[serde(borrow)]
    sketch: &'a [u8],
}

impl<'a> StoredCell<'a> {
    fn decode(bytes: &'a [u8]) -> Result<Self, CodecError> {
        match bytes.split_first() {
            Some((&VERSION, record)) => postcard::from_bytes(record).map_err(|_| CodecError),
            _ => Err(CodecError),
        }
    }
}

const VERSION: u8 = 1;
