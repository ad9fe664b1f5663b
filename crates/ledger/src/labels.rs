//! Series labels, and the coarser labels under which a view is counted beyond a cardinality limit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wire::beacon::{CacheStatus, Navigation, Network};
use wire::browser::OperatingSystem;
use wire::{Device, OTHER_LABEL};

/// The labels of a view, which identify its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeriesLabels {
    /// The route template.
    #[serde(rename = "r")]
    pub route: String,
    /// The device class.
    #[serde(rename = "d")]
    pub device: Device,
    /// The navigation type.
    #[serde(rename = "n")]
    pub navigation: Navigation,
    /// The cache status of the document.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheStatus>,
    /// The effective connection type.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The release.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// True for bots.
    #[serde(rename = "b", default, skip_serializing_if = "std::ops::Not::not")]
    pub bot: bool,
    /// True for views without the evidence of a page that their site requires.
    #[serde(rename = "u", default, skip_serializing_if = "std::ops::Not::not")]
    pub unverified: bool,
    /// The country of the visitor, if the site records it: an ISO 3166 code of two letters.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The browser family with its major version, if the site records browsers.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<String>,
    /// The operating system, if the site records browsers.
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub os: Option<OperatingSystem>,
    /// Custom dimensions.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dimensions: BTreeMap<String, String>,
}

/// The granularity of the labels that a view is counted under, from fine to coarse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LabelGranularity {
    /// All labels.
    #[default]
    #[serde(rename = "own")]
    Full,
    /// All labels, with [`OTHER_LABEL`] as the browser and the operating system.
    #[serde(rename = "any-browser")]
    AnyBrowser,
    /// Route, device class, navigation type and bot class: at most 48 series for each route.
    #[serde(rename = "coarse")]
    Coarse,
    /// The same with [`OTHER_LABEL`] as the route.
    #[serde(rename = "other")]
    Other,
}

impl SeriesLabels {
    /// Returns the stored name of the series. Equal labels have equal names.
    ///
    /// # Errors
    /// Returns an error if the labels cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Parses a stored name.
    #[must_use]
    pub fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns true if the views count as a visitor's: bots and unverified views are counted apart, and never alert.
    #[must_use]
    pub const fn is_visitor(&self) -> bool {
        !self.bot && !self.unverified
    }

    /// Returns true if the views are a visitor's loads or restores of documents, which are judged and summed alone.
    #[must_use]
    pub const fn is_document_load(&self) -> bool {
        self.is_visitor() && self.navigation.is_hard()
    }
}

impl SeriesLabels {
    /// Returns the labels at a granularity.
    #[must_use]
    pub fn at_granularity(&self, granularity: LabelGranularity) -> Self {
        let route = match granularity {
            LabelGranularity::Full => return self.clone(),
            LabelGranularity::AnyBrowser => {
                let browser = self.browser.as_ref().map(|_| OTHER_LABEL.to_owned());
                return Self { browser, os: self.os.map(|_| OperatingSystem::Other), ..self.clone() };
            }
            LabelGranularity::Coarse => self.route.clone(),
            LabelGranularity::Other => OTHER_LABEL.to_owned(),
        };
        Self {
            route,
            device: self.device,
            navigation: self.navigation,
            bot: self.bot,
            unverified: self.unverified,
            cache: None,
            network: None,
            release: None,
            country: None,
            browser: None,
            os: None,
            dimensions: BTreeMap::new(),
        }
    }
}

impl LabelGranularity {
    const ALL: [Self; 4] = [Self::Full, Self::AnyBrowser, Self::Coarse, Self::Other];

    /// Returns this granularity and the coarser ones, to which a roll-up may have moved a count.
    pub(crate) fn and_coarser(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |other| *other >= self)
    }

    pub(crate) fn is_full(&self) -> bool {
        *self == Self::Full
    }
}
