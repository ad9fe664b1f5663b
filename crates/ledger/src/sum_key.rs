//! Pages and slices, and the keys of their daily sums.

use serde::{Deserialize, Serialize};
use wire::{Device, UnixMillis, Window, WindowSpan};

use crate::cell_key::CellKey;
use crate::dimension::{Dimension, SLICED};
use crate::horizon::{Horizon, SumKind};
use crate::labels::SeriesLabels;

/// The sums that answer a query: those of a kind, and of slices only those of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SumSource {
    /// Sums of pages.
    Pages,
    /// Sums of all views, and of the values of a dimension.
    Slices(Dimension),
}

/// A page: a route on a device class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageLabels {
    /// The route template.
    pub route: String,
    /// The device class.
    pub device: Device,
}

/// All routes on a device class: every view, or those with one value of a dimension.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SliceLabels {
    /// The dimension and its value; `None` for every view. It is first in the order.
    pub value: Option<(Dimension, String)>,
    /// The device class.
    pub device: Device,
}

/// The views of a sum. None includes bots or unverified views; navigations within a document are only in the slices of
/// their type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SumSeries {
    /// Those of a page.
    Page(PageLabels),
    /// Those of a slice.
    Slice(SliceLabels),
}

/// The key of a stored sum.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumKey {
    /// The views that it sums.
    pub series: SumSeries,
    /// The start of the day up to which it sums.
    pub day: UnixMillis,
}

impl SumKind {
    /// Returns the series of a view with these labels.
    pub(crate) fn series_of(self, labels: &SeriesLabels) -> Vec<SumSeries> {
        match self {
            Self::Pages => SumSource::Pages.series_of(labels),
            Self::Slices => {
                let custom = labels.dimensions.keys().map(|name| Dimension::Custom(name.clone()));
                slices_of(labels, SLICED.into_iter().chain(custom))
            }
        }
    }
}

impl SumSource {
    /// Returns the kind of its sums.
    #[must_use]
    pub const fn kind(&self) -> SumKind {
        match self {
            Self::Pages => SumKind::Pages,
            Self::Slices(_) => SumKind::Slices,
        }
    }

    /// Returns the series of a view with these labels.
    pub(crate) fn series_of(&self, labels: &SeriesLabels) -> Vec<SumSeries> {
        match self {
            Self::Slices(dimension) => slices_of(labels, [dimension.clone()]),
            Self::Pages if !labels.is_document_load() => Vec::new(),
            Self::Pages => {
                vec![SumSeries::Page(PageLabels { route: labels.route.clone(), device: labels.device })]
            }
        }
    }
}

/// Returns the slice of all views, and those of the values in these dimensions.
fn slices_of(labels: &SeriesLabels, dimensions: impl IntoIterator<Item = Dimension>) -> Vec<SumSeries> {
    if !labels.is_visitor() {
        return Vec::new();
    }
    let is_load = labels.is_document_load();
    let values = dimensions.into_iter().filter(|dimension| is_load || *dimension == Dimension::Navigation);
    let values = values.filter_map(|dimension| {
        let value = dimension.value_in(labels)?.to_owned();
        Some((dimension, value))
    });
    let all = is_load.then_some(None).into_iter().chain(values.map(Some));
    all.map(|value| SumSeries::Slice(SliceLabels { value, device: labels.device })).collect()
}

impl SumSeries {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> SumKind {
        match self {
            Self::Page(_) => SumKind::Pages,
            Self::Slice(_) => SumKind::Slices,
        }
    }

    /// Returns the device class.
    #[must_use]
    pub const fn device(&self) -> Device {
        match self {
            Self::Page(PageLabels { device, .. }) | Self::Slice(SliceLabels { device, .. }) => *device,
        }
    }

    /// Returns the stored name. The name of a device contains no space. The name of a slice begins with its dimension
    /// and value, and that of all views is first.
    #[must_use]
    pub fn to_stored_key(&self) -> String {
        match self {
            Self::Page(PageLabels { route, device }) => format!("{} {route}", device.name()),
            Self::Slice(SliceLabels { value, device }) => {
                let (dimension, value) = match value {
                    Some((dimension, value)) => (dimension.name(), value.as_str()),
                    None => ("".into(), ""),
                };
                format!("{}{}]", slice_prefix(&[&dimension, value]), json_text(device.name()))
            }
        }
    }

    /// Parses a stored name.
    #[must_use]
    pub fn from_stored_key(kind: SumKind, text: &str) -> Option<Self> {
        match kind {
            SumKind::Pages => {
                let (device, route) = text.split_once(' ')?;
                Some(Self::Page(PageLabels { route: route.to_owned(), device: Device::from_name(device)? }))
            }
            SumKind::Slices => {
                let (dimension, value, device): (String, String, String) = serde_json::from_str(text).ok()?;
                let value = match dimension.as_str() {
                    "" => None,
                    name => Some((Dimension::from_name(name)?, value)),
                };
                Some(Self::Slice(SliceLabels { value, device: Device::from_name(&device)? }))
            }
        }
    }
}

/// Returns the beginning of the stored names of slices with this dimension, or with this dimension and value.
pub(crate) fn slice_prefix(parts: &[&str]) -> String {
    parts.iter().fold("[".to_owned(), |prefix, part| format!("{prefix}{},", json_text(part)))
}

fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl SumKey {
    /// Returns true if the sum has the views of its day: the dimension had not too many values.
    pub(crate) fn is_summed(&self, horizon: &Horizon) -> bool {
        match &self.series {
            SumSeries::Slice(SliceLabels { value: Some((dimension, _)), .. }) => {
                self.day >= horizon.crowded.until(dimension)
            }
            _ => true,
        }
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

impl CellKey {
    /// Returns the start of the day.
    pub(crate) const fn day(&self) -> UnixMillis {
        Window::containing(WindowSpan::Day, self.window.start).start
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
