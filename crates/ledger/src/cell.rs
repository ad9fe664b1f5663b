//! Cells: exact counters and sketches of one series in one window. Quantiles are read from sketches, verdicts
//! from counters. Everything in a cell can be added and subtracted exactly.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::beacon::LossReason;
use wire::{CodecError, LimitCounts, Metric};

use crate::folded_view::FoldedView;
use crate::network_counts::NetworkCounts;

/// All metrics of one series in one window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// The number of views; each counts once, however many beacons it sent.
    pub views: u64,
    /// The number of visits: views weighted by their sampling.
    pub visits: u64,
    /// The number of beacons sent.
    pub sent: u64,
    /// The number of beacons received; the others were lost.
    pub received: u64,
    /// Views without measurements, by reason.
    pub lost: BTreeMap<LossReason, u64>,
    /// Each measured metric.
    pub metrics: BTreeMap<Metric, MetricCell>,
    /// The views by the networks that sent them.
    pub networks: NetworkCounts,
}

/// One metric of one series in one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricCell {
    /// The number of views that measured it.
    pub n: u64,
    /// Exact counts against each limit that was in effect.
    pub limit_counts: BTreeMap<u32, LimitCounts>,
    /// The distribution over visits.
    pub sketch: Sketch,
}

impl Cell {
    /// Returns the counts of a metric against a limit.
    #[must_use]
    pub fn limit_counts(&self, metric: Metric, limit: u32) -> LimitCounts {
        self.metrics.get(&metric).map(|tally| tally.counts_for_limit(limit)).unwrap_or_default()
    }

    /// Adds a view.
    pub(crate) fn add(&mut self, view: &FoldedView) {
        let record = &view.record;
        let weight = u64::from(record.weight);
        self.views = self.views.saturating_add(1);
        self.visits = self.visits.saturating_add(weight);
        self.sent = self.sent.saturating_add(view.sent.into());
        self.received = self.received.saturating_add(view.received.into());
        if let Some(reason) = record.loss_reason {
            let count = self.lost.entry(reason).or_default();
            *count = count.saturating_add(1);
        }
        if let Some(bucket) = record.network_bucket {
            self.networks.add(bucket);
        }
        for (metric, value) in record.values.iter() {
            let metric_cell = self.metrics.entry(metric).or_insert_with(|| MetricCell::new(metric));
            metric_cell.n = metric_cell.n.saturating_add(1);
            metric_cell.sketch.insert(value, weight);
            if let Some(limit) = view.limits.get(metric) {
                let counts = metric_cell.limit_counts.entry(limit).or_default();
                counts.n = counts.n.saturating_add(1);
                counts.k = counts.k.saturating_add((value <= limit).into());
            }
        }
    }

    /// Removes a view exactly as it was added.
    pub(crate) fn remove(&mut self, view: &FoldedView) {
        let record = &view.record;
        let weight = u64::from(record.weight);
        self.views = self.views.saturating_sub(1);
        self.visits = self.visits.saturating_sub(weight);
        self.sent = self.sent.saturating_sub(view.sent.into());
        self.received = self.received.saturating_sub(view.received.into());
        if let Some(reason) = record.loss_reason {
            if let Some(count) = self.lost.get_mut(&reason) {
                *count = count.saturating_sub(1);
            }
            self.lost.retain(|_, count| *count > 0);
        }
        if let Some(bucket) = record.network_bucket {
            self.networks.remove(bucket);
        }
        for (metric, value) in record.values.iter() {
            let Some(metric_cell) = self.metrics.get_mut(&metric) else { continue };
            metric_cell.n = metric_cell.n.saturating_sub(1);
            // An error means that the value was never inserted; then there is nothing to remove.
            let _ = metric_cell.sketch.remove(value, weight);
            if let Some(counts) =
                view.limits.get(metric).and_then(|limit| metric_cell.limit_counts.get_mut(&limit))
            {
                let limit = view.limits.get(metric).unwrap_or_default();
                counts.n = counts.n.saturating_sub(1);
                counts.k = counts.k.saturating_sub((value <= limit).into());
            }
            metric_cell.limit_counts.retain(|_, counts| counts.n > 0);
        }
        self.metrics.retain(|_, metric_cell| metric_cell.n > 0);
    }

    /// Adds the counts of another cell.
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
        self.networks.merge(&other.networks);
    }

    /// Subtracts the counts of another cell, which was merged before.
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
        self.networks.subtract(&other.networks);
        self.metrics.retain(|_, metric_cell| metric_cell.n > 0);
    }

    /// Adds the counts of a stored cell without decoding its sketches.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version; the
    /// counts before the error may have been added.
    pub fn merge_encoded(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let (record, networks) = StoredCell::decode(bytes)?;
        self.networks.merge_encoded(networks)?;
        self.views = self.views.saturating_add(record.views);
        self.visits = self.visits.saturating_add(record.visits);
        self.sent = self.sent.saturating_add(record.sent);
        self.received = self.received.saturating_add(record.received);
        for (reason, count) in record.lost {
            let ours = self.lost.entry(LossReason::from_name(reason).ok_or(CodecError)?).or_default();
            *ours = ours.saturating_add(count);
        }
        for StoredMetricCell { metric, n, limit_counts, sketch } in record.metrics {
            let metric = Metric::from_name(metric).ok_or(CodecError)?;
            let ours = self.metrics.entry(metric).or_insert_with(|| MetricCell::new(metric));
            ours.n = ours.n.saturating_add(n);
            limit_counts
                .into_iter()
                .for_each(|(limit, counts)| ours.limit_counts.entry(limit).or_default().add(counts));
            ours.sketch.merge_encoded(sketch).map_err(|_| CodecError)?;
        }
        Ok(())
    }

    /// Subtracts the counts of a stored cell, which was merged before.
    pub(crate) fn subtract_encoded(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        Self::decode(bytes).map(|cell| self.subtract(&cell))
    }

    /// Reads the number of views of a stored cell.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn encoded_views(bytes: &[u8]) -> Result<u64, CodecError> {
        StoredCell::decode(bytes).map(|(cell, _)| cell.views)
    }

    /// Reads the number of views, those by network, and the counts against each limit with the name of its metric. The
    /// sketches are skipped.
    pub(crate) fn read_limit_counts(
        bytes: &[u8],
    ) -> Result<(u64, NetworkCounts, impl Iterator<Item = NamedLimitCounts<'_>>), CodecError> {
        let (StoredCell { views, metrics, .. }, encoded) = StoredCell::decode(bytes)?;
        let mut networks = NetworkCounts::default();
        networks.merge_encoded(encoded)?;
        let all = metrics.into_iter().flat_map(|StoredMetricCell { metric, limit_counts, .. }| {
            limit_counts.into_iter().map(move |(limit, counts)| (metric, limit, counts))
        });
        Ok((views, networks, all))
    }

    /// Returns true if no view is counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.views == 0
    }

    /// Encodes the cell to store it: a version byte, then the record.
    ///
    /// # Errors
    /// Returns an error if the cell cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let sketches: Vec<Vec<u8>> =
            self.metrics.values().map(|metric_cell| metric_cell.sketch.encode()).collect();
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
                .map(|((metric, metric_cell), sketch)| StoredMetricCell {
                    metric: metric.name(),
                    n: metric_cell.n,
                    limit_counts: metric_cell
                        .limit_counts
                        .iter()
                        .map(|(limit, counts)| (*limit, *counts))
                        .collect(),
                    sketch,
                })
                .collect(),
        };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).map_err(|_| CodecError)?);
        // An earlier release ignores what follows the record.
        self.networks.encode(&mut bytes);
        Ok(bytes)
    }

    /// Decodes a stored cell of any version.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (record, encoded) = StoredCell::decode(bytes)?;
        let mut networks = NetworkCounts::default();
        networks.merge_encoded(encoded)?;
        let mut metrics = BTreeMap::new();
        for metric_cell in record.metrics {
            let metric = Metric::from_name(metric_cell.metric).ok_or(CodecError)?;
            let sketch = Sketch::decode(metric_cell.sketch).map_err(|_| CodecError)?;
            if sketch.metric() != metric {
                return Err(CodecError);
            }
            metrics.insert(
                metric,
                MetricCell {
                    n: metric_cell.n,
                    limit_counts: metric_cell.limit_counts.into_iter().collect(),
                    sketch,
                },
            );
        }
        let lost = record
            .lost
            .into_iter()
            .map(|(name, count)| Some((LossReason::from_name(name)?, count)))
            .collect::<Option<_>>()
            .ok_or(CodecError)?;
        let StoredCell { views, visits, sent, received, .. } = record;
        Ok(Self { views, visits, sent, received, lost, metrics, networks })
    }
}

impl MetricCell {
    fn new(metric: Metric) -> Self {
        Self { n: 0, limit_counts: BTreeMap::new(), sketch: Sketch::new(metric) }
    }

    /// Adds the counts of another cell of the same metric.
    pub fn merge(&mut self, other: &Self) {
        self.n = self.n.saturating_add(other.n);
        // Both are of the same metric, so the merge cannot fail.
        let _ = self.sketch.merge(&other.sketch);
        for (limit, counts) in &other.limit_counts {
            self.limit_counts.entry(*limit).or_default().add(*counts);
        }
    }

    fn subtract(&mut self, other: &Self) {
        self.n = self.n.saturating_sub(other.n);
        // Both are of the same metric, so the subtraction cannot fail.
        let _ = self.sketch.subtract(&other.sketch);
        for (limit, counts) in &other.limit_counts {
            if let Some(ours) = self.limit_counts.get_mut(limit) {
                ours.n = ours.n.saturating_sub(counts.n);
                ours.k = ours.k.saturating_sub(counts.k);
            }
        }
        self.limit_counts.retain(|_, counts| counts.n > 0);
    }

    /// Returns the counts against a limit.
    #[must_use]
    pub fn counts_for_limit(&self, limit: u32) -> LimitCounts {
        self.limit_counts.get(&limit).copied().unwrap_or_default()
    }
}

/// The counts against one limit of the metric of that name.
pub(crate) type NamedLimitCounts<'a> = (&'a str, u32, LimitCounts);

/// Version 1 of a stored cell. Metrics and reasons are stored by name, so that a new one changes no others.
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
    /// Returns the record, and the views by network that may follow it.
    fn decode(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), CodecError> {
        match bytes.split_first() {
            Some((&VERSION, record)) => postcard::take_from_bytes(record).map_err(|_| CodecError),
            _ => Err(CodecError),
        }
    }
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use wire::Beacon;
    use wire::beacon::Values;

    use super::*;
    use crate::{ClientInfo, LabelGranularity, MetricLimits, RouteTemplates, ViewRecord};

    /// A view with this LCP, counted against this limit, or one without measurements for this reason.
    fn view(lcp: Result<(u32, u32), &str>) -> FoldedView {
        let (content, limit) = match lcp {
            Ok((lcp, limit)) => (format!(r#""m":{{"LCP":{lcp}}}"#), Some(limit)),
            Err(reason) => (format!(r#""m":{{}},"lost":"{reason}""#), None),
        };
        let body =
            format!(r#"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/",{content}}}"#);
        let client = ClientInfo { user_agent: "Chrome/156.0", ..ClientInfo::default() };
        let beacon = Beacon::parse(body.as_bytes()).unwrap();
        let mut limits = Values::default();
        limit.into_iter().for_each(|limit| limits.set(Metric::Lcp, limit));
        FoldedView {
            record: ViewRecord::from_beacon(&beacon, client, &RouteTemplates::default()),
            limits: MetricLimits(limits),
            sent: 1,
            received: 1,
            granularity: LabelGranularity::Full,
        }
    }

    fn cell(views: &[FoldedView]) -> Cell {
        let mut cell = Cell::default();
        views.iter().for_each(|view| cell.add(view));
        cell
    }

    #[test]
    fn a_removed_view_leaves_the_cell_as_it_was() {
        let views = [Ok((900, 1000)), Ok((900, 2000)), Err("csp"), Err("csp"), Err("hidden")].map(view);
        for last in 0..views.len() {
            let mut others = views.to_vec();
            let removed = others.remove(last);
            let mut all = cell(&views);
            assert_eq!(all.lost.values().sum::<u64>(), 3);
            all.remove(&removed);
            assert_eq!(all, cell(&others));
        }
    }

    #[test]
    fn a_subtracted_cell_leaves_the_other_as_it_was() {
        let ours = cell(&[Ok((900, 1000)), Err("csp")].map(view));
        let theirs = cell(&[Ok((900, 2000)), Err("csp"), Err("hidden")].map(view));
        let mut sum = ours.clone();
        sum.merge(&theirs);
        assert_eq!(sum.lost.len(), 2);
        sum.subtract(&theirs);
        assert_eq!(sum, ours);
    }
}
