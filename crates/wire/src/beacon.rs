//! The beacon: the measurements of one view, in integers. It is validated here once. Times are ages instead of
//! timestamps, so that a visitor's wrong clock cannot misplace a view.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::attribution::{Attribution, AttributionValue};
pub use crate::beacon_version::VERSION;
use crate::{ApiError, Metric};

/// The maximum size of a beacon.
pub const MAX_BYTES: usize = 16 * 1024;

/// One view, up to this send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beacon {
    /// The site.
    pub site: String,
    /// The random id of the page load: no cookie, no storage, gone with the page.
    pub id: String,
    /// The view's index in the page load: 0 for the hard load, then restores, soft navigations and declared views.
    pub view: u16,
    /// The send's index in the view. A later send carries the whole view again and replaces the earlier one.
    pub seq: u16,
    /// The navigation type.
    pub navigation: Navigation,
    /// The path, without query and fragment.
    pub path: String,
    /// The route template, where the app gave one.
    pub route: Option<String>,
    /// Milliseconds from the view's start to this send.
    pub age_ms: u32,
    /// The measured values.
    pub values: Values,
    /// The release of the page.
    pub release: Option<String>,
    /// The sample weight: the number of visits that this view stands for.
    pub weight: u32,
    /// Custom dimensions of the site.
    pub dimensions: BTreeMap<String, String>,
    /// The cache status of the document.
    pub cache: Option<CacheStatus>,
    /// The effective connection type.
    pub network: Option<Network>,
    /// `navigator.webdriver`: an automated browser.
    pub is_webdriver: bool,
    /// The known reason for a view without measurements.
    pub loss_reason: Option<LossReason>,
    /// The attribution of the values, if the page sends it.
    pub attribution: Attribution,
    /// The token of the document, if it had one.
    pub page_token: Option<String>,
}

/// The measured values in wire units: milliseconds, and CLS in ten-thousandths. An absent value is unknown, not 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values([Option<u32>; Metric::ALL.len()]);

impl Values {
    /// Returns the value of a metric, if it was measured.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<u32> {
        self.0.get(metric as usize).copied().flatten()
    }

    /// Sets the value of a metric.
    pub fn set(&mut self, metric: Metric, value: u32) {
        if let Some(slot) = self.0.get_mut(metric as usize) {
            *slot = Some(value);
        }
    }

    /// Iterates over the measured values in table order.
    pub fn iter(&self) -> impl Iterator<Item = (Metric, u32)> + '_ {
        Metric::ALL.into_iter().filter_map(|metric| Some((metric, self.get(metric)?)))
    }
}

/// Declares an enum of names on the wire.
macro_rules! wire_names {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $name:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $type {
            $($(#[$variant_doc])* #[serde(rename = $name)] $variant),+
        }

        impl $type {
            /// All values, in table order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name on the wire and in every table.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// Returns the value of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

wire_names! {
    /// The navigation type of a view.
    Navigation {
        /// A link, a typed address or a form.
        Navigate = "navigate",
        /// A reload.
        Reload = "reload",
        /// Back or forward, loaded again.
        BackForward = "back-forward",
        /// Back or forward, restored from the back/forward cache.
        BackForwardCache = "back-forward-cache",
        /// Prerendered.
        Prerender = "prerender",
        /// A discarded tab, restored.
        Restore = "restore",
        /// A soft navigation that the browser detected.
        SoftNavigation = "soft-navigation",
        /// A view that the application declared.
        View = "view",
    }
}

impl Navigation {
    /// Returns true for the load or restore of a document. Budgets judge these alone, as the Chrome UX Report does by
    /// default: a navigation within a document has no first byte, and its paints begin with an interaction.
    #[must_use]
    pub const fn is_hard(self) -> bool {
        match self {
            Self::Navigate
            | Self::Reload
            | Self::BackForward
            | Self::BackForwardCache
            | Self::Prerender
            | Self::Restore => true,
            Self::SoftNavigation | Self::View => false,
        }
    }
}

wire_names! {
    /// The edge cache's status of the document.
    CacheStatus {
        /// Served from the cache.
        Hit = "hit",
        /// Fetched from the origin.
        Miss = "miss",
        /// Served stale.
        Stale = "stale",
        /// Passed by the cache.
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
    /// The reason for a view without measurements.
    LossReason {
        /// The page was hidden before measuring could start.
        Hidden = "hidden",
        /// A content security policy blocked WebAssembly.
        Csp = "csp",
        /// The browser lacks a required API.
        Unsupported = "unsupported",
        /// The client trapped.
        Trap = "trap",
    }
}

impl Beacon {
    /// Reads a beacon of any version up to [`VERSION`].
    ///
    /// # Errors
    /// Names the first invalid field and its valid values.
    pub fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        if bytes.len() > MAX_BYTES {
            return Err(ApiError::TooLarge { limit: MAX_BYTES });
        }
        // serde would read a list as the fields of a beacon in order.
        if bytes.trim_ascii_start().first() == Some(&b'[') {
            let reason = "expected an object, found a list".into();
            return Err(ApiError::Malformed { field: String::new(), reason });
        }
        let text = utf8(bytes)?;
        let RawBeacon { v, .. } = match serde_json::from_str::<RawBeacon<'_>>(text) {
            Ok(raw) if raw.v == VERSION => return raw.validate(),
            Ok(raw) => raw,
            Err(_) => return Err(locate_malformed_field(text)),
        };
        Err(match v {
            0 => ApiError::OutOfRange { field: "v", expected: "1, the version of the beacon" },
            found => ApiError::UnknownVersion { found },
        })
    }
}

/// Returns the site of an otherwise invalid body, so that its rejection can be counted for the site.
#[must_use]
pub fn extract_site(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct SiteOnly {
        site: String,
    }
    serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok().map(|SiteOnly { site }| site)
}

/// Returns the text of a body.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, ApiError> {
    std::str::from_utf8(bytes).map_err(|error| ApiError::Malformed {
        field: String::new(),
        reason: format!("the body is not UTF-8 from byte {} on", error.valid_up_to()),
    })
}

/// The beacon before validation. Unknown fields are ignored, so that a newer client of the same version can send
/// more to an older Worker.
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
    #[serde(borrow)]
    e: Option<Cow<'a, str>>,
}

impl RawBeacon<'_> {
    fn validate(self) -> Result<Beacon, ApiError> {
        let out_of_range = |field, expected| Err(ApiError::OutOfRange { field, expected });
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
            // Servers in front of the page may send other statuses: ignore them and keep the beacon.
            cache: self.cache.and_then(|name| CacheStatus::from_name(&name.to_ascii_lowercase())),
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
            // A text that cannot be a token is a forged one: it is no reason to lose the view.
            page_token: self.e.map(|token| token.chars().take(MAX_TOKEN_CHARS).collect()),
        })
    }
}

/// Parses an invalid body again, with the path of the invalid field.
fn locate_malformed_field(text: &str) -> ApiError {
    let mut reader = serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, RawBeacon<'_>>(&mut reader) {
        Ok(_) => ApiError::Malformed {
            field: String::new(),
            reason: "unexpected text after the end of the object".into(),
        },
        Err(error) => {
            // `.` is the whole body; `?` is a place inside invalid JSON.
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
        let (field, expected) = match metric {
            Metric::Cls => ("m.CLS", "a layout shift in ten-thousandths, at most 100000"),
            Metric::Fcp => ("m.FCP", "milliseconds, at most ten minutes"),
            Metric::Lcp => ("m.LCP", "milliseconds, at most ten minutes"),
            Metric::Inp => ("m.INP", "milliseconds, at most ten minutes"),
            Metric::Fid => ("m.FID", "milliseconds, at most ten minutes"),
            Metric::Ttfb => ("m.TTFB", "milliseconds, at most ten minutes"),
        };
        match u32::try_from(value) {
            Ok(value) if value <= max_value(metric) => values.set(metric, value),
            _ => return Err(ApiError::OutOfRange { field, expected }),
        }
    }
    Ok(values)
}

/// The largest valid value, in wire units.
pub(crate) const fn max_value(metric: Metric) -> u32 {
    match metric {
        Metric::Cls => MAX_CLS_WIRE,
        Metric::Fcp | Metric::Lcp | Metric::Inp | Metric::Fid | Metric::Ttfb => MAX_DURATION_MS,
    }
}

fn parse_optional_name<T>(
    field: &'static str,
    expected: &'static str,
    name: Option<Cow<'_, str>>,
    from_name: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    name.map(|name| from_name(&name).ok_or(ApiError::OutOfRange { field, expected })).transpose()
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

/// The sends of a view are stored as the bits of a 32-bit word.
const MAX_SENDS: usize = 32;
const MAX_AGE_MS: u64 = 24 * 60 * 60 * 1000;
/// The largest sample weight.
pub const MAX_WEIGHT: u32 = 10_000;
const MAX_TOKEN_CHARS: usize = 64;
const MAX_DIMENSIONS: usize = 5;
const MAX_DURATION_MS: u32 = 600_000;
const MAX_CLS_WIRE: u32 = 100_000;
