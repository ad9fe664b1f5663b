//! Series labels, and the coarser labels under which a view is counted beyond a cardinality limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::beacon::{CacheStatus, Navigation, Network};
use wire::{Device, OTHER_LABEL};

/// What all metrics of a view have in common, and what a series is named by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesLabels {
    /// The route template.
    #[serde(rename = "r")]
    pub route: String,
    /// The device class.
    #[serde(rename = "d")]
    pub device: Device,
    /// How the visitor came.
    #[serde(rename = "n")]
    pub navigation: Navigation,
    /// What the edge cache said.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
    /// The effective connection type.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The release.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Whether a program drove the browser.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
    /// The visitor's country, where the site keeps it: two letters.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The team's own dimensions.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
}

/// Under which labels a view is counted. From each place one step leads to the next coarser one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LabelGranularity {
    /// Its own.
    #[default]
    #[serde(rename = "own")]
    Full,
    /// Its route, device class, navigation type and bot class: every set of labels has at most 48 of
    /// these for each route.
    #[serde(rename = "coarse")]
    Coarse,
    /// The same without the route.
    #[serde(rename = "other")]
    Other,
}

impl SeriesLabels {
    /// The name under which a series is stored: equal labels, equal text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The labels of a stored name.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl SeriesLabels {
    /// The labels under which a view of these is counted in that place.
    #[must_use]
    pub fn at_granularity(&self, granularity: LabelGranularity) -> Self {
        let route = match granularity {
            LabelGranularity::Full => return self.clone(),
            LabelGranularity::Coarse => self.route.clone(),
            LabelGranularity::Other => OTHER_LABEL.to_owned(),
        };
        Self {
            route,
            device: self.device,
            navigation: self.navigation,
            bot: self.bot,
            cache: None,
            network: None,
            release: None,
            country: None,
            dimensions: BTreeMap::new(),
        }
    }
}

impl LabelGranularity {
    const ALL: [Self; 3] = [Self::Full, Self::Coarse, Self::Other];

    /// This place, and the coarser ones that a roll-up may have moved a count to.
    pub(crate) fn and_coarser(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |place| *place >= self)
    }

    pub(crate) fn is_full(&self) -> bool {
        *self == Self::Full
    }
}
