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

    /// Checks for anything that is not stored yet.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        self.sites.values().any(|buffer| buffer.in_flight.is_some() || !buffer.sums.is_empty())
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

    /// Forgets a batch that was stored.
    pub fn acknowledge(&mut self, site: &str, number: u64) {
        if let Some(buffer) = self.sites.get_mut(site) {
            buffer.in_flight.take_if(|batch| batch.header.number == number);
        }
    }
}

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
        buffer.acknowledge("shop", first.header.number + 1);
        assert_eq!(buffer.next_batch("shop", NOW).as_ref(), Some(&first));
        buffer.acknowledge("shop", first.header.number);
        let second = buffer.next_batch("shop", NOW).expect("a batch");
        assert_eq!((second.header.number, second.traffic.routes.contains_key("/next")), (2, true));
    }

    #[test]
    fn an_empty_buffer_sends_nothing() {
        let mut buffer = TrafficBuffer::new("a".to_owned());
        assert!(buffer.next_batch("shop", NOW).is_none() && !buffer.has_pending());
        let mut buffer = super::tests::buffer();
        assert!(buffer.has_pending());
        let number = buffer.next_batch("shop", NOW).expect("a batch").header.number;
        assert!(buffer.has_pending());
        buffer.acknowledge("shop", number);
        assert!(!buffer.has_pending());
    }
}
