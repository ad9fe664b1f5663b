//! Metrics of the web-vitals library and of Next.js' `useReportWebVitals`, sent unchanged: one or a list of them, with
//! floats. A team can adopt the Worker with these before it adopts the client. They have no send number: a value
//! reported again under one id has grown, so the largest counts. INP alone may fall, after fifty interactions, and
//! keeps its largest value.

use std::borrow::Cow;

use serde::Deserialize;

use crate::beacon::utf8;
use crate::beacon::{self, Navigation};
use crate::{ApiError, Metric};

/// The maximum size of a body: `JSON.stringify(metric)` includes performance entries.
pub const MAX_BYTES: usize = 64 * 1024;

/// The maximum number of metrics in one body.
pub const MAX_REPORTS: usize = 32;

/// One metric of one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebVitalsReport {
    /// The id of this instance of the metric.
    pub id: String,
    /// The metric.
    pub metric: Metric,
    /// The value in wire units.
    pub value: u32,
    /// The navigation type.
    pub navigation: Navigation,
    /// The path, without query and fragment.
    pub path: String,
    /// The route template, where the app gave one.
    pub route: Option<String>,
}

impl WebVitalsReport {
    /// Reads one metric or a list of them. `path` is the default of their paths. Unknown metrics, such as those of
    /// Next.js, are ignored.
    ///
    /// # Errors
    /// Names the first invalid field and its valid values; then no metric is accepted.
    pub fn parse(bytes: &[u8], path: &str) -> Result<Vec<Self>, ApiError> {
        if bytes.len() > MAX_BYTES {
            return Err(ApiError::TooLarge { limit: MAX_BYTES });
        }
        let raw = match bytes.trim_ascii_start().first() {
            Some(b'[') => parse_json::<Vec<RawReport<'_>>>(bytes)?,
            _ => vec![parse_json::<RawReport<'_>>(bytes)?],
        };
        if raw.len() > MAX_REPORTS {
            return Err(ApiError::OutOfRange { field: "reports", expected: "at most 32 in one body" });
        }
        raw.into_iter().filter_map(|raw| raw.validate(path).transpose()).collect()
    }
}

/// A metric object of web-vitals or Next.js. Other fields, such as delta, rating, entries and attribution, are
/// ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RawReport<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    value: f64,
    #[serde(borrow)]
    navigation_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
}

impl RawReport<'_> {
    fn validate(self, path: &str) -> Result<Option<WebVitalsReport>, ApiError> {
        let out_of_range = |field, expected| Err(ApiError::OutOfRange { field, expected });
        let Some(metric) = Metric::from_name(&self.name) else { return Ok(None) };
        if !beacon::is_name(&self.id, 64) {
            return out_of_range("id", "1 to 64 letters, digits, dots, dashes or underscores");
        }
        if !self.value.is_finite()
            || self.value < 0.0
            || metric.to_wire(self.value) > beacon::max_value(metric)
        {
            return out_of_range(
                "value",
                "at most ten minutes, or a layout shift of at most 10; never negative",
            );
        }
        let navigation = match self.navigation_type.as_deref() {
            None => Navigation::Navigate,
            // web-vitals before version 4 used the browser's spelling.
            Some(name) => match Navigation::from_name(&name.replace('_', "-")) {
                Some(navigation) => navigation,
                None => {
                    return out_of_range(
                        "navigationType",
                        "one of web-vitals', such as `navigate` or `reload`",
                    );
                }
            },
        };
        let path = match (&self.path, &self.url) {
            (Some(path), _) => path,
            (None, Some(url)) => url_path(url),
            (None, None) => path,
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        if !beacon::is_path(path, 1024) {
            return out_of_range(
                "path",
                "given in the body or the query: at most 1024 bytes that start with `/`",
            );
        }
        if self.route.as_ref().is_some_and(|route| !beacon::is_path(route, 256)) {
            return out_of_range("route", "a template of at most 256 bytes that starts with `/`");
        }
        Ok(Some(WebVitalsReport {
            metric,
            value: metric.to_wire(self.value),
            navigation,
            path: path.to_owned(),
            id: self.id.into_owned(),
            route: self.route.map(Cow::into_owned),
        }))
    }
}

fn parse_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_str(utf8(bytes)?).map_err(|error| {
        let field = String::new();
        ApiError::Malformed { field, reason: format!("expected a metric of web-vitals, {error}") }
    })
}

/// Returns the path of an absolute URL.
fn url_path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    match rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)) {
        Some(path) if path.starts_with('/') => path,
        _ => "/",
    }
}
