//! Pages and their days, which are grouped into blocks.

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis, Window, WindowSpan};

use crate::cell_key::CellKey;
use crate::horizon::Horizon;
use crate::labels::SeriesLabels;

/// A route on a class of device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageLabels {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
}

/// Where the sum of a page up to a day is stored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// The page.
    pub page: PageLabels,
    /// The first millisecond of the day.
    pub day: UnixMillis,
}

impl PageLabels {
    fn from_labels(labels: &SeriesLabels) -> Option<Self> {
        (!labels.bot).then(|| Self { route: labels.route.clone(), device: labels.device })
    }

    /// The name under which it is stored. No device's name has a space in it.
    #[must_use]
    pub fn to_stored_key(&self) -> String {
        format!("{} {}", self.device.name(), self.route)
    }

    /// The page of a stored name.
    #[must_use]
    pub fn from_stored_key(text: &str) -> Option<Self> {
        let (device, route) = text.split_once(' ')?;
        Some(Self { route: route.to_owned(), device: Device::from_name(device)? })
    }
}

impl PageKey {
    /// The page and day that a cell belongs to; none where programs are counted.
    pub(crate) fn from_cell_key(key: &CellKey) -> Option<Self> {
        Some(Self {
            page: PageLabels::from_labels(&key.labels)?,
            day: Window::containing(WindowSpan::Day, key.window.start).start,
        })
    }

    /// The block of days that its sum goes back to the beginning of.
    #[must_use]
    pub const fn block_start(&self) -> UnixMillis {
        block_containing(self.day)
    }

    /// The moment at which the next block begins.
    #[must_use]
    pub const fn block_end(&self) -> UnixMillis {
        block_containing(self.day).saturating_add(BLOCK_MS)
    }
}

impl Horizon {
    /// The first block that holds anything that is kept.
    #[must_use]
    pub const fn oldest_block(&self) -> UnixMillis {
        block_containing(self.days)
    }
}

pub(crate) const fn block_containing(day: UnixMillis) -> UnixMillis {
    UnixMillis(day.0 - day.0 % BLOCK_MS)
}

/// A block is 32 days: long enough that a month is two sums, short enough that a late correction changes
/// few, and that what is kept no longer goes.
pub(crate) const BLOCK_MS: u64 = 32 * WindowSpan::Day.millis();
