//! Statistics of responses on their way from an isolate to storage. A batch is sent under a number until it is
//! acknowledged, and stored once for each number: every response counts once while its isolate lives.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::UnixMillis;

use crate::stats::TrafficStats;

/// The statistics of an isolate that are not stored yet, by site.
#[derive(Clone, Debug, Default)]
pub struct TrafficBuffer {
    isolate_id: String,
    sites: BTreeMap<String, SiteBuffer>,
}

#[derive(Clone, Debug, Default)]
struct SiteBuffer {
    sums: TrafficStats,
    /// Sent, and not known to have arrived.
    in_flight: Option<TrafficBatch>,
    batches: u64,
    /// The next batch is due at this time: the shard sets the pace.
    due_at: UnixMillis,
}

/// Statistics that are sent together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficBatch {
    /// The identity of the batch.
    pub header: BatchHeader,
    /// The statistics.
    pub traffic: TrafficStats,
}

/// The identity of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchHeader {
    /// The isolate that sends it.
    pub isolate: String,
    /// Its number among the batches of that isolate, from 1.
    pub number: u64,
    /// The time of its first send.
    pub at: UnixMillis,
}

impl TrafficBuffer {
    /// Makes the buffer of the isolate with that unique name.
    #[must_use]
    pub const fn new(isolate_id: String) -> Self {
        Self { isolate_id, sites: BTreeMap::new() }
    }

    /// Returns the name of the isolate.
    #[must_use]
    pub fn isolate(&self) -> &str {
        &self.isolate_id
    }

    /// Returns the sums of a site, to add to.
    pub fn sums_mut(&mut self, site: &str) -> &mut TrafficStats {
        &mut self.sites.entry(site.to_owned()).or_default().sums
    }

    /// Checks for anything that is not stored yet and is due soon.
    #[must_use]
    pub fn has_due(&self, now: UnixMillis) -> bool {
        let soon = now.saturating_add(MAX_PACE_WAIT_MS);
        let is_pending = |buffer: &SiteBuffer| buffer.in_flight.is_some() || !buffer.sums.is_empty();
        self.sites.values().any(|buffer| is_pending(buffer) && buffer.due_at <= soon)
    }

    /// Returns true if the pace allows a batch.
    #[must_use]
    pub fn is_due(&self, site: &str, now: UnixMillis) -> bool {
        self.sites.get(site).is_some_and(|buffer| buffer.due_at <= now)
    }

    /// Returns the sites that were ever added to.
    #[must_use]
    pub fn site_names(&self) -> Vec<String> {
        self.sites.keys().cloned().collect()
    }

    /// Returns the batch to send: the one that may not have arrived, or a new one of all sums.
    pub fn next_batch(&mut self, site: &str, now: UnixMillis) -> Option<TrafficBatch> {
        let isolate = &self.isolate_id;
        let buffer = self.sites.get_mut(site)?;
        if buffer.in_flight.is_none() && !buffer.sums.is_empty() {
            buffer.batches = buffer.batches.saturating_add(1);
            let header = BatchHeader { isolate: isolate.clone(), number: buffer.batches, at: now };
            buffer.in_flight = Some(TrafficBatch { header, traffic: std::mem::take(&mut buffer.sums) });
        }
        buffer.in_flight.clone()
    }

    /// Forgets a batch that was stored. The next one is due at that time.
    pub fn acknowledge(&mut self, site: &str, number: u64, due_at: UnixMillis) {
        if let Some(buffer) = self.sites.get_mut(site) {
            buffer.in_flight.take_if(|batch| batch.header.number == number);
            buffer.due_at = due_at;
        }
    }
}

/// Where isolates are few, the last sums of a quiet isolate need not wait for its next request.
pub const MAX_PACE_WAIT_MS: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::RouteStats;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn buffer() -> TrafficBuffer {
        let mut buffer = TrafficBuffer::new("a".to_owned());
        buffer.sums_mut("shop").routes.insert("/".to_owned(), RouteStats::default());
        buffer
    }

    #[test]
    fn a_batch_is_sent_again_unchanged_until_it_is_acknowledged() {
        let mut buffer = buffer();
        let first = buffer.next_batch("shop", NOW).expect("a batch");
        buffer.sums_mut("shop").routes.insert("/next".to_owned(), RouteStats::default());
        assert_eq!(buffer.next_batch("shop", NOW.saturating_add(1)).as_ref(), Some(&first));
        buffer.acknowledge("shop", first.header.number + 1, NOW);
        assert_eq!(buffer.next_batch("shop", NOW).as_ref(), Some(&first));
        buffer.acknowledge("shop", first.header.number, NOW);
        let second = buffer.next_batch("shop", NOW).expect("a batch");
        assert_eq!((second.header.number, second.traffic.routes.contains_key("/next")), (2, true));
    }

    #[test]
    fn the_next_batch_is_due_when_the_shard_said() {
        let mut buffer = TrafficBuffer::new("a".to_owned());
        assert!(buffer.next_batch("shop", NOW).is_none() && !buffer.has_due(NOW), "nothing to send");
        let mut buffer = super::tests::buffer();
        assert!(buffer.has_due(NOW) && buffer.is_due("shop", NOW), "the first at once");
        let number = buffer.next_batch("shop", NOW).expect("a batch").header.number;
        assert!(buffer.has_due(NOW), "it may not have arrived");
        let later = NOW.saturating_add(10_000);
        buffer.acknowledge("shop", number, later);
        assert!(!buffer.has_due(later), "nothing to send");
        buffer.sums_mut("shop").routes.insert("/next".to_owned(), RouteStats::default());
        assert!(!buffer.has_due(NOW) && !buffer.is_due("shop", NOW));
        let soon = later.saturating_sub(MAX_PACE_WAIT_MS);
        assert!(buffer.has_due(soon) && !buffer.is_due("shop", soon), "worth waiting for");
        assert!(buffer.is_due("shop", later));
    }
}
