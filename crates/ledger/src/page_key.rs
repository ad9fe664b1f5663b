//! Pages, and the keys of their daily sums.

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis, Window, WindowSpan};

use crate::cell_key::CellKey;
use crate::horizon::Horizon;
use crate::labels::SeriesLabels;

/// A page: a route on a device class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageLabels {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
}

/// The key of a stored page sum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// The page.
    pub page: PageLabels,
    /// The start of the day up to which it sums.
    pub day: UnixMillis,
}

impl PageLabels {
    fn from_labels(labels: &SeriesLabels) -> Option<Self> {
        labels.is_visitor().then(|| Self { route: labels.route.clone(), device: labels.device })
    }

    /// Returns the stored name. The name of a device contains no space.
    #[must_use]
    pub fn to_stored_key(&self) -> String {
        format!("{} {}", self.device.name(), self.route)
    }

    /// Parses a stored name.
    #[must_use]
    pub fn from_stored_key(text: &str) -> Option<Self> {
        let (device, route) = text.split_once(' ')?;
        Some(Self { route: route.to_owned(), device: Device::from_name(device)? })
    }
}

impl PageKey {
    /// Returns the page and day of a cell; `None` for bots.
    pub(crate) fn from_cell_key(key: &CellKey) -> Option<Self> {
        Some(Self {
            page: PageLabels::from_labels(&key.labels)?,
            day: Window::containing(WindowSpan::Day, key.window.start).start,
        })
    }

    /// Returns the start of the block, where the sum begins.
    #[must_use]
    pub const fn block_start(&self) -> UnixMillis {
        block_containing(self.day)
    }

    /// Returns the start of the next block.
    #[must_use]
    pub const fn block_end(&self) -> UnixMillis {
        block_containing(self.day).saturating_add(BLOCK_MS)
    }
}

impl Horizon {
    /// Returns the start of the first block within the retention.
    #[must_use]
    pub const fn oldest_block(&self) -> UnixMillis {
        block_containing(self.days)
    }
}

pub(crate) const fn block_containing(day: UnixMillis) -> UnixMillis {
    UnixMillis(day.0 - day.0 % BLOCK_MS)
}

/// 32 days: long enough that a month needs two sums, short enough that a late correction changes few of them,
/// and that blocks past the retention can be deleted.
pub(crate) const BLOCK_MS: u64 = 32 * WindowSpan::Day.millis();
