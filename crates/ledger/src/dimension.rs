//! Dimensions: the labels by which series are filtered and grouped, and their names in queries.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use wire::browser::browser_family;

use crate::labels::SeriesLabels;

/// A dimension of series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dimension {
    /// The route template.
    Route,
    /// The device class.
    Device,
    /// The navigation type.
    Navigation,
    /// The cache status of the document.
    Cache,
    /// The effective connection type.
    Network,
    /// The release.
    Release,
    /// The visitor's country.
    Country,
    /// The browser family with its major version.
    Browser,
    /// The browser family.
    BrowserFamily,
    /// The operating system.
    Os,
    /// Bot or not.
    Bot,
    /// `unverified` for views without the evidence that their site requires.
    Evidence,
    /// A custom dimension.
    #[serde(rename = "Own")]
    Custom(String),
}

impl Dimension {
    /// All dimensions but custom ones.
    pub const BUILT_IN: [Self; 12] = [
        Self::Route,
        Self::Device,
        Self::Navigation,
        Self::Cache,
        Self::Network,
        Self::Release,
        Self::Country,
        Self::Browser,
        Self::BrowserFamily,
        Self::Os,
        Self::Bot,
        Self::Evidence,
    ];

    /// Returns the name in queries and documents; `dim.` and the name for a custom dimension.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Route => "route",
            Self::Device => "device",
            Self::Navigation => "nav",
            Self::Cache => "cache",
            Self::Network => "net",
            Self::Release => "release",
            Self::Country => "country",
            Self::Browser => "browser",
            Self::BrowserFamily => "browser_family",
            Self::Os => "os",
            Self::Bot => "bot",
            Self::Evidence => "evidence",
            Self::Custom(name) => return Cow::Owned(format!("dim.{name}")),
        })
    }

    /// Parses a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.strip_prefix("dim.") {
            Some(name) => (!name.is_empty()).then(|| Self::Custom(name.to_owned())),
            None => Self::BUILT_IN.into_iter().find(|dimension| dimension.name() == name),
        }
    }

    /// Returns the value of a series.
    #[must_use]
    pub fn value_in<'a>(&self, labels: &'a SeriesLabels) -> Option<&'a str> {
        match self {
            Self::Route => Some(&labels.route),
            Self::Device => Some(labels.device.name()),
            Self::Navigation => Some(labels.navigation.name()),
            Self::Cache => labels.cache.map(|cache| cache.name()),
            Self::Network => labels.network.map(|network| network.name()),
            Self::Release => labels.release.as_deref(),
            Self::Country => labels.country.as_deref(),
            Self::Browser => labels.browser.as_deref(),
            Self::BrowserFamily => labels.browser.as_deref().map(browser_family),
            Self::Os => labels.os.map(|os| os.name()),
            Self::Bot => Some(if labels.bot { "yes" } else { "no" }),
            Self::Evidence => labels.unverified.then_some("unverified"),
            Self::Custom(name) => labels.dimensions.get(name).map(String::as_str),
        }
    }

    /// Returns true if its values have sums of slices.
    pub(crate) fn is_sliced(&self) -> bool {
        matches!(self, Self::Custom(_)) || SLICED.contains(self)
    }
}

/// The dimensions with sums of slices, besides custom ones. Bots and unverified views have none.
pub(crate) const SLICED: [Dimension; 8] = [
    Dimension::Navigation,
    Dimension::Cache,
    Dimension::Network,
    Dimension::Release,
    Dimension::Country,
    Dimension::Browser,
    Dimension::BrowserFamily,
    Dimension::Os,
];
