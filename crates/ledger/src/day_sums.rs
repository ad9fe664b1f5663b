//! The sums of a day that is over, from its cells. A dimension with too many values has no sums of slices on that day,
//! so that random values cannot grow the storage; queries of it read the cells of the days up to then.

use std::collections::{BTreeMap, BTreeSet};

use wire::CodecError;

use crate::cell::Cell;
use crate::cell_key::CellKey;
use crate::dimension::Dimension;
use crate::horizon::{Horizon, OpenDimension, SumKind};
use crate::sum_key::{SliceLabels, SumKey, SumSeries};
use crate::sum_rollup::{SumDelta, SumDeltas};

/// The sums of a day, while its cells are added.
#[derive(Clone, Debug)]
pub struct DaySums {
    kind: SumKind,
    max_values: usize,
    sums: BTreeMap<SumKey, Cell>,
    values: BTreeMap<OpenDimension, BTreeSet<(Dimension, String)>>,
    crowded: BTreeSet<OpenDimension>,
}

impl DaySums {
    /// Creates the sums of a day without cells. Dimensions with more values than `max_values` get none.
    #[must_use]
    pub fn new(kind: SumKind, max_values: usize) -> Self {
        let (sums, values, crowded) = Default::default();
        Self { kind, max_values, sums, values, crowded }
    }

    /// Adds a stored cell, and returns the number of sums that it is in.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn add(&mut self, key: &CellKey, bytes: &[u8]) -> Result<usize, CodecError> {
        let (day, mut series) = (key.day(), self.kind.series_of(&key.labels));
        series.retain(|series| self.has_room(series));
        let count = series.len();
        if let [_] = series.as_slice() {
            for series in series {
                self.sums.entry(SumKey { series, day }).or_default().merge_encoded(bytes)?;
            }
        } else if count > 0 {
            let cell = Cell::decode(bytes)?;
            for series in series {
                self.sums.entry(SumKey { series, day }).or_default().merge(&cell);
            }
        }
        Ok(count)
    }

    /// Returns the changes of stored sums. `horizon` is that after adding the day, in which crowded dimensions are noted.
    #[must_use]
    pub fn finish(self, horizon: &mut Horizon) -> SumDeltas {
        let end = horizon.sums_end(self.kind);
        self.crowded.iter().for_each(|dimension| horizon.crowded.note(*dimension, end));
        let deltas =
            self.sums.into_iter().map(|(key, added)| (key, SumDelta { added, ..SumDelta::default() }));
        SumDeltas { days: deltas.collect(), ..SumDeltas::default() }
    }

    fn has_room(&mut self, series: &SumSeries) -> bool {
        let Some((dimension, value)) = open_value(series) else { return true };
        if self.crowded.contains(&dimension) {
            return false;
        }
        let values = self.values.entry(dimension).or_default();
        if values.contains(value) {
            return true;
        }
        if values.len() < self.max_values {
            values.insert(value.clone());
            return true;
        }
        self.values.remove(&dimension);
        self.sums.retain(|key, _| open_value(&key.series).is_none_or(|(other, _)| other != dimension));
        self.crowded.insert(dimension);
        false
    }
}

/// Returns the value of a slice, if its dimension may have any number of them.
fn open_value(series: &SumSeries) -> Option<(OpenDimension, &(Dimension, String))> {
    let SumSeries::Slice(SliceLabels { value: Some(value), .. }) = series else { return None };
    Some((OpenDimension::from_dimension(&value.0)?, value))
}

/// Values with sums of slices on a day: all countries.
pub const MAX_SLICE_VALUES: usize = 300;
