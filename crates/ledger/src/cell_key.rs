//! Keys of stored cells.

use wire::Window;

use crate::horizon::Horizon;
use crate::labels::SeriesLabels;

/// The key of a stored cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey {
    /// The window.
    pub window: Window,
    /// The series.
    pub labels: SeriesLabels,
}

impl CellKey {
    /// Returns the key of the window that the horizon has for this cell; `None` if it is past the retention.
    #[must_use]
    pub fn at_horizon(&self, horizon: &Horizon) -> Option<Self> {
        Some(Self { window: horizon.window_at(self.window.start)?, labels: self.labels.clone() })
    }
}
