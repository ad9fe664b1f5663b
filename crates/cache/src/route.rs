//! A route: the requests that it is for, its origin, and how their responses are cached.

use std::cell::OnceCell;
use std::rc::Rc;

use serde::Deserialize;

use crate::access::AccessRule;
use crate::origin_limiter::OriginLimits;
use crate::pattern::{PathPattern, fill_template};
use crate::policy::{RoutePolicy, UnusualStorage};
use crate::route_values::{FieldName, HostPattern, OriginUrl, Ttl, UNSHAREABLE_HEADERS};
use crate::security_headers::SecurityHeaders;
use crate::visitor_rate::VisitorRate;

/// One route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheRoute {
    /// The requested host, such as `www.example.com` or `*.example.com`.
    pub host: HostPattern,
    /// The pattern of the requested paths.
    pub path: PathPattern,
    /// The origin.
    pub origin: OriginUrl,
    /// Requests bypass the cache.
    #[serde(default)]
    pub bypass: bool,
    /// The origin is a Next.js application, whose base path is the path. See [`next_routes`].
    #[serde(default)]
    pub next: bool,
    /// The lifetime of responses without an explicit one.
    #[serde(default)]
    ttl: Option<Ttl>,
    /// The lifetime in seconds of 404 and 410 responses without an explicit one.
    #[serde(default)]
    negative_ttl: Option<u64>,
    /// Cache tags, with captures of the path as in `user:{id}`.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The query parameters in the cache key. None: all of them.
    #[serde(default)]
    pub query: Option<Vec<String>>,
    /// Request fields that are part of the cache key and are forwarded to the origin.
    #[serde(default)]
    pub key_headers: Vec<FieldName>,
    /// The policy for request cookies.
    #[serde(default)]
    pub cookies: CookiePolicy,
    /// Requests with any of these fields bypass the cache.
    #[serde(default)]
    pub bypass_headers: Vec<FieldName>,
    /// Further request fields that a response may vary on.
    #[serde(default)]
    vary: Vec<FieldName>,
    /// See [`RoutePolicy`].
    #[serde(default)]
    #[serde(rename = "heeds_visitors")]
    honors_request_directives: bool,
    /// See [`RoutePolicy`].
    #[serde(default)]
    stale_while_revalidate: u64,
    /// See [`RoutePolicy`].
    #[serde(default)]
    stale_if_error: u64,
    /// See [`RoutePolicy`].
    #[serde(default)]
    #[serde(rename = "trusts_unknown")]
    allows_stale_if_purge_unknown: bool,
    /// Kinds of responses that are stored besides the usual ones.
    #[serde(default)]
    #[serde(rename = "store_also")]
    stores_also: Vec<UnusualStorage>,
    /// Writes purge their URL everywhere.
    #[serde(default)]
    pub purge_on_write: bool,
    /// The allowed methods.
    #[serde(default = "default_methods")]
    pub methods: Vec<String>,
    /// Requests with a larger body are rejected.
    #[serde(default = "default_max_body_bytes")]
    #[serde(rename = "most_body_bytes")]
    pub max_body_bytes: u64,
    /// The site whose client script is injected into HTML responses.
    #[serde(default)]
    pub inject: Option<String>,
    /// The site for which responses are counted. None: the one of `inject`.
    #[serde(default)]
    pub(crate) site: Option<String>,
    /// The route template in statistics. None: a template is derived from each path.
    #[serde(default)]
    pub name: Option<String>,
    /// The security headers of responses.
    #[serde(default)]
    pub security_headers: SecurityHeaders,
    /// The credential that requests need.
    #[serde(default)]
    pub require: Option<AccessRule>,
    /// The rate limits for requests to the origin.
    #[serde(default)]
    pub limit: Option<OriginLimits>,
    /// The rate limit for visitors.
    #[serde(default)]
    pub rate: Option<VisitorRate>,
    /// Built on first use.
    #[serde(skip)]
    policy: OnceCell<Rc<RoutePolicy>>,
}

/// The policy for the cookies of a request. Requests with a cookie that is not listed bypass the cache.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CookiePolicy {
    /// Cookies that are part of the cache key and are forwarded to the origin.
    #[serde(default)]
    pub key: Vec<String>,
    /// Cookies that are ignored and not forwarded. `_ga*` stands for a prefix, `*` for all cookies.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Cookies with which a request bypasses the cache. They take precedence over the other lists.
    #[serde(default)]
    pub bypass: Vec<String>,
}

impl CacheRoute {
    /// Returns the site for which responses are counted.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        self.site.as_deref().or(self.inject.as_deref())
    }

    /// Returns the cache policy.
    #[must_use]
    pub fn policy(&self) -> Rc<RoutePolicy> {
        Rc::clone(self.policy.get_or_init(|| Rc::new(self.build_policy())))
    }

    fn build_policy(&self) -> RoutePolicy {
        let mut policy = RoutePolicy::default();
        policy.vary.extend(self.vary.iter().chain(&self.key_headers).map(|name| name.0.clone()));
        policy.vary.retain(|name| !UNSHAREABLE_HEADERS.contains(&name.as_str()));
        policy.keyed.extend(self.key_headers.iter().map(|name| name.0.clone()));
        RoutePolicy {
            ttl: self.ttl.map(|Ttl(seconds)| seconds),
            negative_ttl: self.negative_ttl.unwrap_or(policy.negative_ttl),
            honors_request_directives: self.honors_request_directives,
            stale_while_revalidate: self.stale_while_revalidate,
            stale_if_error: self.stale_if_error,
            allows_stale_if_purge_unknown: self.allows_stale_if_purge_unknown,
            stores_also: self.stores_also.clone(),
            is_next: self.next,
            ..policy
        }
    }

    /// Returns the cache tags of responses for a path.
    #[must_use]
    pub fn tags_for_path(&self, path: &str) -> Vec<String> {
        let captures = self.path.captures(path).unwrap_or_default();
        self.tags.iter().map(|tag| fill_template(tag, &captures)).collect()
    }

    /// Returns the keyed parameters of a query, in order, with the question mark.
    #[must_use]
    pub fn keyed_query(&self, query: &str) -> String {
        let Some(allowed) = &self.query else {
            return if query.is_empty() { String::new() } else { format!("?{query}") };
        };
        let is_keyed = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            allowed.iter().any(|known| known == name)
        };
        let keyed: Vec<&str> = query.split('&').filter(is_keyed).collect();
        if keyed.is_empty() { String::new() } else { format!("?{}", keyed.join("&")) }
    }
}

const fn default_max_body_bytes() -> u64 {
    10 << 20
}

fn default_methods() -> Vec<String> {
    ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).into()
}
