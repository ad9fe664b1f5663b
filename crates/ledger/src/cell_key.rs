//! The key of a stored cell.

use wire::Window;

use crate::horizon::Horizon;
use crate::labels::SeriesLabels;

/// Where a cell is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// Its window.
    pub window: Window,
    /// Its series.
    pub labels: SeriesLabels,
}

impl CellKey {
    /// Where the horizon wants what this cell holds.
    #[must_use]
    pub fn at_horizon(&self, horizon: &Horizon) -> Option<Self> {
        Some(Self { window: horizon.window_at(self.window.start)?, labels: self.labels.clone() })
    }
}
