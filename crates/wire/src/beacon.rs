//! The beacon: what a page view says of itself, in integers. Parsed here once, strictly; inside,
//! its values are true. Times are ages, not clocks, so a visitor's wrong clock cannot misplace it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attribution::{Attribution, AttributionValue};
use crate::{ApiError, Metric};

/// The newest version that is read and written. Older ones are read for ever.
pub const VERSION: u64 = 1;

/// The most bytes that a beacon may have.
pub const MAX_BYTES: usize = 16 * 1024;

/// One page view, as far as it has come at this send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// Which site's.
    pub site: String,
    /// The random id of the page load: no cookie, no storage, gone with the page.
    pub id: String,
    /// Which view of the page load: 0 is the hard load, then restores, soft navigations, declared views.
    pub view: u16,
    /// Which send of this view. A later one carries the whole view again and replaces the earlier.
    pub seq: u16,
    /// How the visitor came to the view.
    pub navigation: Navigation,
    /// The path, without query and fragment.
    pub path: String,
    /// The route template, where the app gave one.
    pub route: Option<String>,
    /// Milliseconds from the view's start to this send.
    pub age_ms: u32,
    /// What was measured.
    pub values: Values,
    /// The release that the page belongs to.
    pub release: Option<String>,
    /// One visit in how many is sent.
    pub weight: u32,
    /// The team's own dimensions.
    pub dimensions: BTreeMap<String, String>,
    /// What the edge cache said of the document.
    pub cache: Option<CacheStatus>,
    /// The effective connection type.
    pub network: Option<Network>,
    /// Whether a program says that it drives the browser.
    pub is_webdriver: bool,
    /// Why the view has no measurements, where that is known.
    pub loss_reason: Option<LossReason>,
    /// Why its values are what they are, where the page says so.
    pub attribution: Attribution,
}

/// The measured values in wire units: milliseconds, CLS in ten-thousandths. Absent is unknown, never 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values([Option<u32>; Metric::ALL.len()]);

impl Values {
    /// The value of a metric, where there is one.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric as usize).copied().flatten()
    }

    /// Puts a value in its place.
    pub fn set(&mut self, metric: Metric, value: u32) {
        if let Some(slot) = self.0.get_mut(metric as usize) {
            *slot = Some(value);
        }
    }

    /// Every value that there is, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, u32)> + '_ {
        Metric::ALL.into_iter().filter_map(|metric| Some((metric, self.get(metric)?)))
    }
}

/// A set of names that the wire knows: parsed from its name, shown as its name.
macro_rules! wire_names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant),+
        }

        impl $type {
            /// Every one of them, in the order of tables.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire and in every table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The one of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

wire_names! {
    /// How a visitor came to a view.
    Navigation {
        /// A link, an address typed, a form.
        Navigate = "navigate",
        /// The same page again.
        Reload = "reload",
        /// Back or forward, loaded anew.
        BackForward = "back-forward",
        /// Back or forward, from memory.
        BackForwardCache = "back-forward-cache",
        /// Loaded before it was asked for.
        Prerender = "prerender",
        /// A discarded tab, loaded again.
        Restore = "restore",
        /// A navigation inside the page that the browser saw.
        SoftNavigation = "soft-navigation",
        /// A view that the app declared.
        View = "view",
    }
}

wire_names! {
    /// What the edge cache said of the document.
    CacheStatus {
        /// Served from the cache.
        Hit = "hit",
        /// Fetched from the origin.
        Miss = "miss",
        /// Served stale while it was refreshed.
        Stale = "stale",
        /// Not the cache's business.
        Bypass = "bypass",
    }
}

wire_names! {
    /// The effective connection type, as the Network Information API names it.
    Network {
        /// 2G, slow.
        Slow2g = "slow-2g",
        /// 2G.
        G2 = "2g",
        /// 3G.
        G3 = "3g",
        /// 4G or better.
        G4 = "4g",
    }
}

wire_names! {
    /// Why a view has no measurements.
    LossReason {
        /// The page was hidden before measuring could start.
        Hidden = "hidden",
        /// A content security policy refused WebAssembly.
        Csp = "csp",
        /// The browser lacks what measuring needs.
        Unsupported = "unsupported",
        /// The measuring code stopped itself.
        Trap = "trap",
    }
}

impl Beacon {
    /// Reads a beacon of any version up to [`VERSION`].
    ///
    /// # Errors
    /// Says which field is wrong and what would be right.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.len() > MAX_BYTES {
            return Err(ApiError::TooLarge { limit: MAX_BYTES });
        }
        // A list would be read as the fields of a beacon, one after the other.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            let reason = "a beacon is an object, and this is a list".into();
            return Err(ApiError::Malformed { field: String::new(), reason });
        }
        let RawBeacon { v, .. } = match serde_json::from_slice::<RawBeacon<'_>>(bytes) {
            Ok(raw) if raw.v == VERSION => return raw.validate(),
            Ok(raw) => raw,
            Err(_) => return Err(locate_malformed_field(bytes)),
        };
        Err(match v {
            0 => ApiError::OutOfRange { field: "v", expected: "1, the version of the beacon" },
            found => ApiError::UnknownVersion { found },
        })
    }
}

/// Which site a body names, though the rest of it be wrong: so that a refusal is counted where it
/// belongs.
#[must_use]
pub fn extract_site(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct SiteOnly {
        site: String,
    }
    serde_json::from_slice(bytes).ok().map(|SiteOnly { site }| site)
}

/// The beacon's shape before its values are checked. Unknown fields are passed over, so that a
/// newer client may say more to an older Worker under the same version.
#[derive(Deserialize)]
struct RawBeacon<'a> {
    v: u64,
    #[serde(borrow, default)]
    site: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(default)]
    view: u16,
    #[serde(default)]
    seq: u16,
    #[serde(borrow, default)]
    nav: Cow<'a, str>,
    #[serde(borrow, default)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(default)]
    age: u64,
    #[serde(default)]
    m: BTreeMap<String, u64>,
    #[serde(borrow)]
    release: Option<Cow<'a, str>>,
    w: Option<u32>,
    #[serde(default)]
    dim: BTreeMap<String, String>,
    #[serde(borrow)]
    cache: Option<Cow<'a, str>>,
    #[serde(borrow)]
    net: Option<Cow<'a, str>>,
    #[serde(default)]
    bot: u8,
    #[serde(borrow)]
    lost: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    a: BTreeMap<String, BTreeMap<String, AttributionValue<'a>>>,
}

impl RawBeacon<'_> {
    fn validate(self) -> Result<Beacon, ApiError> {
        let out_of_range = |field, want| Err(ApiError::OutOfRange { field, expected: want });
        if !is_name(&self.site, 64) {
            return out_of_range("site", "1 to 64 letters, digits, dots, dashes or underscores");
        }
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !(16..=32).contains(&self.id.len()) || !self.id.bytes().all(hex) {
            return out_of_range("id", "16 to 32 lower-case hexadecimal digits");
        }
        if usize::from(self.seq) >= MAX_SENDS {
            return out_of_range("seq", "less than 32");
        }
        let Some(navigation) = Navigation::from_name(&self.nav) else {
            return out_of_range("nav", "a navigation type, such as `navigate` or `back-forward-cache`");
        };
        if !is_path(&self.path, 1024) {
            return out_of_range("path", "a path of at most 1024 bytes that starts with `/`");
        }
        if self.route.as_ref().is_some_and(|route| !is_path(route, 256)) {
            return out_of_range("route", "a template of at most 256 bytes that starts with `/`");
        }
        if self.age > MAX_AGE_MS {
            return out_of_range("age", "milliseconds since the view began, at most a day");
        }
        if self.release.as_ref().is_some_and(|release| !is_name(release, 64)) {
            return out_of_range("release", "1 to 64 letters, digits, dots, dashes or underscores");
        }
        if self.w.is_some_and(|weight| !(1..=MAX_WEIGHT).contains(&weight)) {
            return out_of_range("w", "a whole number from 1 to 10000");
        }
        if self.dim.len() > MAX_DIMENSIONS {
            return out_of_range("dim", "at most 5 dimensions");
        }
        if self.dim.iter().any(|(key, value)| !is_name(key, 32) || !is_text(value, 64)) {
            return out_of_range("dim", "short names with printable values of at most 64 bytes");
        }
        Ok(Beacon {
            values: parse_values(&self.m)?,
            // The word is that of a server before the page, which may have others for it: no visit is
            // refused for that.
            cache: self.cache.and_then(|word| CacheStatus::from_name(&word.to_ascii_lowercase())),
            network: parse_optional_name("net", "slow-2g, 2g, 3g or 4g", self.net, Network::from_name)?,
            loss_reason: parse_optional_name(
                "lost",
                "hidden, csp, unsupported or trap",
                self.lost,
                LossReason::from_name,
            )?,
            site: self.site.into_owned(),
            id: self.id.into_owned(),
            view: self.view,
            seq: self.seq,
            navigation,
            path: self.path.into_owned(),
            route: self.route.map(Cow::into_owned),
            age_ms: u32::try_from(self.age).unwrap_or(u32::MAX),
            release: self.release.map(Cow::into_owned),
            weight: self.w.unwrap_or(1),
            dimensions: self.dim,
            is_webdriver: self.bot != 0,
            attribution: Attribution::parse(&self.a),
        })
    }
}

/// The same body once more, slowly, to learn which field was wrong.
fn locate_malformed_field(bytes: &[u8]) -> ApiError {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, RawBeacon<'_>>(&mut reader) {
        Ok(_) => ApiError::Malformed { field: String::new(), reason: "there is more after its end".into() },
        Err(error) => {
            // `.` is the whole body, and `?` a place inside something that is no JSON.
            let field = match error.path().to_string() {
                path if path.contains('?') || path == "." || path.len() > 64 => String::new(),
                path => path,
            };
            ApiError::Malformed { field, reason: error.inner().to_string() }
        }
    }
}

fn parse_values(measured: &BTreeMap<String, u64>) -> Result<Values, ApiError> {
    let mut values = Values::default();
    for (name, &value) in measured {
        let Some(metric) = Metric::from_name(name) else {
            return Err(ApiError::OutOfRange {
                field: "m",
                expected: "made of FCP, LCP, CLS, INP, FID and TTFB",
            });
        };
        let (field, want) = match metric {
            Metric::Cls => ("m.CLS", "a layout shift in ten-thousandths, at most 100000"),
            Metric::Fcp => ("m.FCP", "milliseconds, at most ten minutes"),
            Metric::Lcp => ("m.LCP", "milliseconds, at most ten minutes"),
            Metric::Inp => ("m.INP", "milliseconds, at most ten minutes"),
            Metric::Fid => ("m.FID", "milliseconds, at most ten minutes"),
            Metric::Ttfb => ("m.TTFB", "milliseconds, at most ten minutes"),
        };
        match u32::try_from(value) {
            Ok(value) if value <= max_value(metric) => values.set(metric, value),
            _ => return Err(ApiError::OutOfRange { field, expected: want }),
        }
    }
    Ok(values)
}

/// The largest value that a visit can have, in wire units.
pub(crate) const fn max_value(metric: Metric) -> u32 {
    match metric {
        Metric::Cls => MAX_CLS_WIRE,
        _ => MAX_DURATION_MS,
    }
}

fn parse_optional_name<T>(
    field: &'static str,
    want: &'static str,
    name: Option<Cow<'_, str>>,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    name.map(|name| from_name(&name).ok_or(ApiError::OutOfRange { field, expected: want })).transpose()
}

pub(crate) fn is_name(text: &str, max_bytes: usize) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=max_bytes).contains(&text.len()) && text.bytes().all(plain)
}

pub(crate) fn is_path(text: &str, max_bytes: usize) -> bool {
    text.starts_with('/') && is_text(text, max_bytes)
}

fn is_text(text: &str, max_bytes: usize) -> bool {
    (1..=max_bytes).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A view's sends are remembered as the bits of a 32-bit word.
const MAX_SENDS: usize = 32;
const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;
const MAX_WEIGHT: u32 = 10_000;
const MAX_DIMENSIONS: usize = 5;
const MAX_DURATION_MS: u32 = 600_000;
const MAX_CLS_WIRE: u32 = 100_000;
