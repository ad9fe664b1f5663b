//! One slice of folding: the views of some blocks, merged with what earlier folds know of them.
//!
//! The merge rule: a later beacon of a view replaces an earlier one, a repeated one changes nothing. A report of
//! web-vitals has no sequence number; its value only grows, so the larger of two counts in either order. A late beacon
//! of a view that is not known is ignored: the view was swept, its count stands, and to add it again would count it
//! twice.

use std::collections::{BTreeMap, BTreeSet};

use wire::UnixMillis;

use super::codec::{BlockRow, FoldEntry, decode, decode_fold};
use super::error::JournalError;
use super::index::{Location, ViewHash, ViewIndex};
use crate::folded_view::{FoldedView, UnfoldedView};
use crate::record::ViewRecord;

/// The views of one slice.
#[derive(Debug, Default)]
pub struct FoldPlan {
    pub(super) through: u64,
    pub(super) at: UnixMillis,
    row_count: usize,
    byte_count: usize,
    views: BTreeMap<String, PlannedView>,
    /// The views of earlier folds that are needed, by fold and position.
    locations: BTreeMap<(u64, usize), String>,
}

#[derive(Debug, Default)]
struct PlannedView {
    hash: ViewHash,
    known: Option<ViewState>,
    rows: Vec<PlannedRow>,
}

/// A view as of its latest beacon.
#[derive(Clone, Debug)]
pub(super) struct ViewState {
    pub(super) hash: ViewHash,
    pub(super) start: UnixMillis,
    pub(super) heard_at: UnixMillis,
    pub(super) seq: u16,
    pub(super) received_bits: u32,
    record: Option<ViewRecord>,
    folded: Option<FoldedView>,
}

#[derive(Debug)]
struct PlannedRow {
    start: UnixMillis,
    at: UnixMillis,
    seq: u16,
    received_bits: u32,
    is_late: bool,
    record: ViewRecord,
}

/// The merged views of a slice.
#[derive(Debug)]
pub struct MergedViews {
    pub(super) through: u64,
    pub(super) at: UnixMillis,
    pub(super) states: BTreeMap<String, ViewState>,
}

impl FoldPlan {
    pub(super) fn push(
        &mut self,
        index: &ViewIndex,
        number: u64,
        at: UnixMillis,
        body: &[u8],
    ) -> Result<(), JournalError> {
        for row in decode::<Vec<BlockRow<'_>>>(body)? {
            let view = match self.views.get_mut(row.key) {
                Some(view) => view,
                None => {
                    let hash = index.hash(row.key);
                    if let Some(location) = index.get(hash) {
                        self.need(location, row.key);
                    }
                    let view = PlannedView { hash, ..PlannedView::default() };
                    self.views.entry(row.key.to_owned()).or_insert(view)
                }
            };
            view.rows.push(PlannedRow {
                start: UnixMillis(row.start),
                at,
                seq: row.seq,
                received_bits: row.received_bits,
                is_late: row.is_late,
                record: ViewRecord::from_json(row.record).ok_or(JournalError::MalformedBlock)?,
            });
            self.row_count = self.row_count.saturating_add(1);
        }
        self.byte_count = self.byte_count.saturating_add(body.len());
        (self.through, self.at) = (number, self.at.max(at));
        Ok(())
    }

    /// Returns true if the slice holds no more blocks.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.row_count >= MAX_ROWS || self.byte_count >= MAX_BYTES
    }

    /// Returns true if no block was pushed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.through == 0
    }

    /// Returns the earlier folds that must be taken.
    #[must_use]
    pub fn folds_to_load(&self) -> BTreeSet<u64> {
        self.locations.keys().map(|(fold, _)| *fold).collect()
    }

    /// Takes the needed views from an earlier fold.
    ///
    /// # Errors
    /// Returns an error if the fold is damaged, or of an unsupported version.
    pub fn take_fold(&mut self, fold: u64, keys: &[u8], body: &[u8]) -> Result<(), JournalError> {
        let entries = decode_fold(keys, body)?;
        let mut later = self.locations.split_off(&(fold, 0));
        let mut others = later.split_off(&(fold.saturating_add(1), 0));
        self.locations.append(&mut others);
        for ((_, position), key) in later {
            let found = entries.get(position).filter(|(found, _)| *found == key);
            let (_, entry) = found.ok_or(JournalError::MalformedBlock)?;
            let view = self.views.get_mut(&key).ok_or(JournalError::MalformedBlock)?;
            view.known = Some(ViewState::from_entry(entry, view.hash)?);
        }
        Ok(())
    }

    /// Merges the rows of each view, once all earlier folds are taken.
    ///
    /// # Errors
    /// Returns an error if one was not taken.
    pub fn merge(self) -> Result<MergedViews, JournalError> {
        if !self.locations.is_empty() {
            return Err(JournalError::MalformedBlock);
        }
        let merged = |(key, PlannedView { hash, known, rows }): (String, PlannedView)| {
            let is_report = key.starts_with('~');
            let state = rows.into_iter().fold(known, |state, row| match state {
                None if row.is_late => None,
                None => Some(row.into_state(hash)),
                Some(state) => Some(state.merged_with(row, is_report)),
            });
            Some((key, state?))
        };
        let states = self.views.into_iter().filter_map(merged).collect();
        Ok(MergedViews { through: self.through, at: self.at, states })
    }

    fn need(&mut self, location: Location, key: &str) {
        self.locations.insert((location.fold(), location.position()), key.to_owned());
    }
}

impl MergedViews {
    /// Returns the number of the last block of the slice.
    #[must_use]
    pub const fn through(&self) -> u64 {
        self.through
    }

    /// Returns the views to fold.
    #[must_use]
    pub fn unfolded_views(&self) -> Vec<UnfoldedView> {
        let unfolded = |(key, state): (&String, &ViewState)| {
            Some(UnfoldedView {
                key: key.clone(),
                start: state.start,
                seq: state.seq,
                received_bits: state.received_bits,
                record: state.record.clone()?,
                folded: state.folded.clone(),
            })
        };
        self.states.iter().filter_map(unfolded).collect()
    }
}

impl ViewState {
    fn from_entry(entry: &FoldEntry<'_>, hash: ViewHash) -> Result<Self, JournalError> {
        let folded: Option<FoldedView> = match entry.folded {
            Some(json) => Some(serde_json::from_str(json).map_err(|_| JournalError::MalformedBlock)?),
            None => None,
        };
        Ok(Self {
            hash,
            start: UnixMillis(entry.start),
            heard_at: UnixMillis(entry.heard_at),
            seq: entry.seq,
            received_bits: entry.received_bits,
            record: folded.as_ref().map(|folded| folded.record.clone()),
            folded,
        })
    }

    fn merged_with(mut self, row: PlannedRow, is_report: bool) -> Self {
        let replaces = match &self.record {
            None => true,
            Some(record) => {
                row.seq > self.seq || (is_report && largest_value(&row.record) > largest_value(record))
            }
        };
        if replaces {
            (self.seq, self.record) = (row.seq, Some(row.record));
        }
        self.received_bits |= row.received_bits;
        self.heard_at = self.heard_at.max(row.at);
        self
    }
}

impl PlannedRow {
    fn into_state(self, hash: ViewHash) -> ViewState {
        ViewState {
            hash,
            start: self.start,
            heard_at: self.at,
            seq: self.seq,
            received_bits: self.received_bits,
            record: Some(self.record),
            folded: None,
        }
    }
}

fn largest_value(record: &ViewRecord) -> Option<u32> {
    record.values.iter().map(|(_, value)| value).max()
}

/// A slice of this many rows holds no more blocks; it takes some milliseconds.
const MAX_ROWS: usize = 125;
const MAX_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::super::index::HashKey;
    use super::*;

    fn record(route: &str, lcp: u32) -> ViewRecord {
        let json = format!(
            r#"{{"v":1,"l":{{"r":"{route}","d":"phone","n":"navigate"}},"m":[null,{lcp},null,null,null,null],"w":1}}"#
        );
        ViewRecord::from_json(&json).unwrap()
    }

    #[test]
    fn a_slice_is_full_by_rows_or_by_bytes() {
        let plan = |row_count, byte_count| FoldPlan { row_count, byte_count, ..FoldPlan::default() };
        assert!(!plan(MAX_ROWS - 1, MAX_BYTES - 1).is_full());
        assert!(plan(MAX_ROWS, 0).is_full() && plan(0, MAX_BYTES).is_full());
    }

    #[test]
    fn a_slice_is_empty_until_a_block_is_pushed_and_reaches_to_the_last_one() {
        let index = ViewIndex::new(HashKey([0; 4]));
        let mut plan = FoldPlan::default();
        assert!(plan.is_empty());
        let no_rows = super::super::codec::encode(&Vec::<BlockRow<'_>>::new()).unwrap();
        for number in [7, 8] {
            plan.push(&index, number, UnixMillis(number), &no_rows).unwrap();
        }
        assert!(!plan.is_empty());
        assert_eq!(plan.merge().unwrap().through(), 8);
    }

    #[test]
    fn a_report_replaces_only_a_smaller_one() {
        let merged = |first: u32, second: u32, is_report: bool| {
            let row = |record| PlannedRow {
                start: UnixMillis(0),
                at: UnixMillis(0),
                seq: 0,
                received_bits: 1,
                is_late: false,
                record,
            };
            let state = row(record("/first", first)).into_state(ViewHash::default());
            state.merged_with(row(record("/second", second)), is_report).record.unwrap().labels.route
        };
        assert_eq!(merged(900, 901, true), "/second");
        assert_eq!(merged(900, 900, true), "/first", "a repeated report changes nothing");
        assert_eq!(merged(900, 901, false), "/first", "so does a repeated beacon");
    }
}
