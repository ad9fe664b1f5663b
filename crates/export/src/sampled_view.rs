//! Individually exported views: a share of the page loads, selected by a hash of their id.

use ledger::ViewRecord;
use sketch::stable_hash::fnv1a_64;
use wire::beacon::{Navigation, Values};
use wire::{Device, UnixMillis};

/// A view to export individually.
#[derive(Clone, Debug, PartialEq)]
pub struct SampledView {
    /// The random id of the page load.
    pub id: String,
    /// The number of the view within the page load.
    pub view: u16,
    /// The start of the view.
    pub start: UnixMillis,
    /// Milliseconds from the start to the last beacon.
    pub age: u32,
    /// The route template; paths are not stored.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The type of navigation.
    pub navigation: Navigation,
    /// The release.
    pub release: Option<String>,
    /// The measured values, in wire units.
    pub values: Values,
}

impl SampledView {
    /// Derives a stable id of that many hexadecimal digits, different for each purpose.
    pub(crate) fn derive_id(&self, purpose: &str, digits: usize) -> String {
        let text = format!("{purpose}/{}.{}", self.id, self.view);
        let mut name = format!("{:016x}{:016x}", hash(&text), hash(&format!("{text}/")));
        name.truncate(digits);
        name
    }

    /// Takes a settled view of the journal: its key, the times of its start and its last beacon, and its record.
    /// Bots, unverified views and views without measurements are not exported.
    #[must_use]
    pub fn from_record(
        key: &str,
        start: UnixMillis,
        last_beacon_at: UnixMillis,
        record: ViewRecord,
    ) -> Option<Self> {
        if !record.labels.is_visitor() || record.loss_reason.is_some() {
            return None;
        }
        let (id, view) = key.rsplit_once('.').unwrap_or((key, "0"));
        Some(Self {
            id: id.to_owned(),
            view: view.parse().unwrap_or_default(),
            start,
            age: u32::try_from(last_beacon_at.0.saturating_sub(start.0)).unwrap_or(u32::MAX),
            route: record.labels.route,
            device: record.labels.device,
            navigation: record.labels.navigation,
            release: record.labels.release,
            values: record.values,
        })
    }

    /// Returns `true` if the page load is in the sampled share; equal for all its views.
    #[must_use]
    pub fn is_sampled(&self, share: f64) -> bool {
        (hash(&self.id) >> 11) as f64 / (1_u64 << 53) as f64 <= share && share > 0.0
    }
}

/// FNV-1a with a finalizer that mixes the high bits as well as the low ones.
pub(crate) fn hash(text: &str) -> u64 {
    let hash = fnv1a_64(text.bytes());
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_sampled_by_page_load() {
        let view = |index: u64| SampledView {
            id: format!("{index:016x}"),
            view: 0,
            start: UnixMillis(0),
            age: 0,
            route: "/".into(),
            device: Device::Phone,
            navigation: Navigation::Navigate,
            release: None,
            values: Values::default(),
        };
        let sampled = |share| (0..10_000).filter(|index| view(*index).is_sampled(share)).count();
        assert_eq!((sampled(0.0), sampled(1.0)), (0, 10_000));
        assert!((950..1050).contains(&sampled(0.1)), "{}", sampled(0.1));
        let again = SampledView { view: 3, ..view(7) };
        assert_eq!(again.is_sampled(0.5), view(7).is_sampled(0.5));
        assert_ne!(again.derive_id("event", 32), view(7).derive_id("event", 32));
    }
}
