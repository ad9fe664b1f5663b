//! The configuration of the cache: routes with their origins and policies. The first route that matches a
//! request applies.

use std::fmt;

use serde::Deserialize;

use crate::next_routes;
use crate::route::CacheRoute;
use crate::visitor_rate::VisitorRate;

/// The configuration of the cache.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// The routes in order of precedence.
    pub routes: Vec<CacheRoute>,
    /// The milliseconds for which an isolate trusts its view of purges.
    #[serde(default = "default_lease_ms")]
    pub lease_ms: u64,
    /// The size of an isolate's memory cache in bytes.
    #[serde(default = "default_memory_bytes")]
    pub memory_bytes: usize,
    /// Larger bodies are forwarded without being stored.
    #[serde(default = "default_max_stored_body_bytes")]
    #[serde(rename = "largest_bytes")]
    pub max_stored_body_bytes: usize,
    /// The timeout in milliseconds for the head of the origin's response.
    #[serde(default = "default_origin_timeout_ms")]
    pub origin_timeout_ms: u32,
    /// The number of likely next pages that an isolate prefetches per minute.
    #[serde(default)]
    pub predict_per_minute: u32,
    /// The scheduled warming.
    #[serde(default)]
    pub warm: Option<WarmSchedule>,
}

/// The URLs that the cron trigger warms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmSchedule {
    /// The URL of a sitemap, served by a route, whose pages are warmed.
    #[serde(default)]
    pub sitemap: Option<String>,
    /// Warm the most requested URLs of the last hours that are no longer fresh.
    #[serde(default)]
    pub popular: bool,
    /// Warm likely next pages.
    #[serde(default)]
    pub predicted: bool,
    /// The maximum number of origin requests in a run.
    #[serde(default = "default_warm_requests")]
    #[serde(rename = "most")]
    pub max_requests: u32,
}

/// An error in the configuration, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheConfigError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The error and its remedy.
    pub message: String,
}

impl CacheConfig {
    /// The lease, unless it is configured.
    pub const DEFAULT_LEASE_MS: u64 = 2_000;

    /// Parses and validates a configuration.
    pub fn parse(text: &str) -> Result<Self, CacheConfigError> {
        let routes: Self = serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            let message = message.get(..end).unwrap_or(&message).to_owned();
            CacheConfigError { line: error.line(), column: error.column(), message }
        })?;
        routes.validate(text)?;
        Ok(Self { routes: routes.routes.into_iter().flat_map(next_routes::expand).collect(), ..routes })
    }

    /// Returns the first route that matches, with its index.
    #[must_use]
    pub fn find_route(&self, host: &str, path: &str) -> Option<(usize, &CacheRoute)> {
        let matches = |route: &&CacheRoute| route.host.matches(host) && route.path.captures(path).is_some();
        let index = self.routes.iter().position(|route| matches(&route))?;
        self.routes.get(index).map(|route| (index, route))
    }

    /// Returns an error for a route whose site is unknown.
    #[must_use]
    pub fn find_unknown_site(&self, text: &str, is_known: impl Fn(&str) -> bool) -> Option<CacheConfigError> {
        let unknown = self.routes.iter().filter_map(CacheRoute::site).find(|site| !is_known(site))?;
        let message = format!("site \"{unknown}\" is not in SITES (wrangler.toml)");
        Some(CacheConfigError::locate(text, &format!("\"{unknown}\""), message))
    }

    /// Checks the rules that a single value cannot express.
    fn validate(&self, text: &str) -> Result<(), CacheConfigError> {
        let error_at = |part: &str, message: String| Err(CacheConfigError::locate(text, part, message));
        if self.routes.len() > MAX_ROUTES {
            return error_at(
                "routes",
                format!("there are {} routes, but at most {MAX_ROUTES} are allowed", self.routes.len()),
            );
        }
        if !(100..=60_000).contains(&self.lease_ms) {
            return error_at("lease_ms", "lease_ms must be from 100 to 60000".into());
        }
        if self.warm.as_ref().is_some_and(|warm| !(1..=1000).contains(&warm.max_requests)) {
            return error_at("\"warm\"", "most in warm must be from 1 to 1000".into());
        }
        for route in &self.routes {
            if let Some(method) = route.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                let message = match METHODS.iter().find(|known| known.eq_ignore_ascii_case(method)) {
                    Some(known) => format!("methods are in upper case: {known}"),
                    None => format!("the platform forwards no requests with the method \"{method}\""),
                };
                return error_at(&format!("\"{method}\""), message);
            }
            if let Some(Err(message)) = route.limit.map(|limit| limit.validate()) {
                return error_at("\"limit\"", message);
            }
            if let Some(Err(message)) = route.rate.map(VisitorRate::validate) {
                return error_at("\"rate\"", message);
            }
            if let Some(require) = &route.require {
                require.validate().or_else(|message| error_at("\"require\"", message))?;
                let login = require.login.iter().filter(|login| login.starts_with('/'));
                let paths = login.map(|login| login.split(['?', '{']).next().unwrap_or_default());
                let host = route.host.example();
                let is_guarded = |path: &str| !self.access_rules(&host, path).is_empty();
                if let Some(path) = paths.into_iter().find(|path| is_guarded(path)) {
                    let message = format!(
                        "login page {path} itself requires login; put a route for it before this one"
                    );
                    return error_at("\"login\"", message);
                }
            }
            if let Some(message) = next_routes::find_mistake(route) {
                return error_at("\"next\"", message);
            }
            if route.bypass && route.purge_on_write {
                let message = "purge_on_write needs a route that is cached; remove it or `bypass`";
                return error_at("\"purge_on_write\"", message.into());
            }
            for (key, name) in [("inject", &route.inject), ("site", &route.site)] {
                if !name.iter().all(|name| is_site_name(name)) {
                    let message = format!("{key} must be a site name of letters, digits, - . and _");
                    return error_at(key, message);
                }
            }
            if let Some(name) = route.name.as_ref().filter(|name| !is_route_template(name)) {
                let message = "name must begin with a slash, as in /product/:id, and have at most 200 visible ASCII characters";
                return error_at(&format!("\"{name}\""), message.into());
            }
            for tag in &route.tags {
                if let Some(unknown) =
                    placeholders(tag).find(|name| !route.path.capture_names().any(|known| known == *name))
                {
                    let path = route.path.as_str();
                    return error_at(
                        tag,
                        format!(
                            "the tag \"{tag}\" uses {{{unknown}}}, which the path \"{path}\" does not capture"
                        ),
                    );
                }
            }
        }
        Ok(())
    }
}

impl CacheConfigError {
    /// Creates an error at the first occurrence of `part` in a text.
    fn locate(text: &str, part: &str, message: String) -> Self {
        let before = text.find(part).and_then(|at| text.get(..at)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |end| end + 1) + 1;
        Self { line, column, message }
    }
}

impl fmt::Display for CacheConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for CacheConfigError {}

fn is_site_name(name: &str) -> bool {
    let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_of_names)
}

fn is_route_template(name: &str) -> bool {
    name.starts_with('/') && name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Returns the names in braces.
fn placeholders(tag: &str) -> impl Iterator<Item = &str> {
    tag.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

const MAX_ROUTES: usize = 200;
/// The methods of requests that workerd forwards.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "ACL",
    "BAN",
    "CHECKOUT",
    "COPY",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REPORT",
    "SEARCH",
    "SUBSCRIBE",
    "UNLOCK",
    "UNSUBSCRIBE",
];

const fn default_lease_ms() -> u64 {
    CacheConfig::DEFAULT_LEASE_MS
}

const fn default_memory_bytes() -> usize {
    16 << 20
}

const fn default_max_stored_body_bytes() -> usize {
    2 << 20
}

const fn default_origin_timeout_ms() -> u32 {
    30_000
}

const fn default_warm_requests() -> u32 {
    100
}
