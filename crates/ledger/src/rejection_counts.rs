//! Rejections of beacons, summed up before they reach storage: a flood of invalid beacons costs one write.

use std::collections::BTreeMap;

/// Rejections by site and reason that are not stored yet. Bounded by the configured sites and the reasons.
#[derive(Clone, Debug, Default)]
pub struct RejectionCounts {
    sums: BTreeMap<String, BTreeMap<String, u64>>,
    flushing_since_ms: Option<u64>,
    /// The shard sets the pace.
    due_at_ms: u64,
}

impl RejectionCounts {
    /// Counts one rejection; without a site, under [`UNKNOWN_SITE`].
    pub fn count(&mut self, site: Option<&str>, reason: &'static str) {
        let site = site.unwrap_or(UNKNOWN_SITE);
        let reasons = match self.sums.get_mut(site) {
            Some(reasons) => reasons,
            None => self.sums.entry(site.to_owned()).or_default(),
        };
        match reasons.get_mut(reason) {
            Some(count) => *count = count.saturating_add(1),
            None => drop(reasons.insert(reason.to_owned(), 1)),
        }
    }

    /// Begins a flush, if there is anything to store that is due soon, and no other flush is under way. A flush whose
    /// request was cut off ends by timeout.
    pub fn begin_flush(&mut self, now_ms: u64) -> bool {
        let is_free = self.flushing_since_ms.is_none_or(|since| now_ms.abs_diff(since) > FLUSH_TIMEOUT_MS);
        let begins = is_free && self.next_flush_in_ms(now_ms).is_some();
        if begins {
            self.flushing_since_ms = Some(now_ms);
        }
        begins
    }

    /// Returns the time until the sums are due; `None` if there are none, or if they are due much later.
    #[must_use]
    pub fn next_flush_in_ms(&self, now_ms: u64) -> Option<u64> {
        let wait_ms = self.due_at_ms.saturating_sub(now_ms);
        (!self.sums.is_empty() && wait_ms <= MAX_PACE_WAIT_MS).then_some(wait_ms)
    }

    /// Notes that the next sums are due at that time.
    pub fn pace(&mut self, due_at_ms: u64) {
        self.due_at_ms = self.due_at_ms.max(due_at_ms);
    }

    /// Takes all sums out.
    #[must_use]
    pub fn take(&mut self) -> BTreeMap<String, BTreeMap<String, u64>> {
        std::mem::take(&mut self.sums)
    }

    /// Puts sums back that could not be stored.
    pub fn restore(&mut self, sums: impl IntoIterator<Item = (String, BTreeMap<String, u64>)>) {
        for (site, reasons) in sums {
            let of_site = self.sums.entry(site).or_default();
            for (reason, count) in reasons {
                let sum = of_site.entry(reason).or_default();
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// Ends a flush.
    pub const fn end_flush(&mut self) {
        self.flushing_since_ms = None;
    }
}

/// The name under which rejections without a known site are counted.
pub const UNKNOWN_SITE: &str = "-";
const FLUSH_TIMEOUT_MS: u64 = 10_000;
/// Where isolates are few, the last sums of a quiet isolate need not wait for its next request.
const MAX_PACE_WAIT_MS: u64 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flush_is_under_way_at_a_time() {
        let mut counts = RejectionCounts::default();
        assert!(!counts.begin_flush(0), "there is nothing to store");
        counts.count(Some("shop"), "malformed");
        assert!(counts.begin_flush(0));
        assert!(!counts.begin_flush(FLUSH_TIMEOUT_MS));
        assert!(counts.begin_flush(FLUSH_TIMEOUT_MS + 1), "a flush that was cut off ends by timeout");
        counts.end_flush();
        assert!(counts.begin_flush(2 * FLUSH_TIMEOUT_MS));
        assert!(counts.begin_flush(0), "also by a clock that was set back meanwhile");
    }

    #[test]
    fn sums_are_due_when_the_shard_said() {
        let mut counts = RejectionCounts::default();
        counts.count(Some("shop"), "malformed");
        assert_eq!(counts.next_flush_in_ms(0), Some(0), "the first at once");
        counts.pace(9_000);
        counts.pace(5_000);
        assert!(!counts.begin_flush(9_000 - MAX_PACE_WAIT_MS - 1));
        assert_eq!(counts.next_flush_in_ms(8_000), Some(1_000), "the last of all shards");
        assert!(counts.begin_flush(8_000), "worth waiting for");
        drop(counts.take());
        assert_eq!(counts.next_flush_in_ms(9_000), None, "there is nothing to store");
    }

    #[test]
    fn sums_that_could_not_be_stored_are_kept() {
        let mut counts = RejectionCounts::default();
        counts.count(Some("shop"), "malformed");
        counts.count(None, "malformed");
        let taken = counts.take();
        counts.count(Some("shop"), "malformed");
        counts.restore(taken);
        let sum = |site: &str, count| (site.to_owned(), BTreeMap::from([("malformed".to_owned(), count)]));
        assert_eq!(counts.take(), BTreeMap::from([sum("shop", 2), sum(UNKNOWN_SITE, 1)]));
    }
}
