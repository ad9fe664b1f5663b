//! The route table: every path of the Worker's API with its method, its readers and a summary. The
//! router, the `Allow` fields, the path lists of worker/js/own_paths.js and worker/openapi.json are
//! derived from it, and so are the rights that a token needs.

use serde::{Deserialize, Serialize};

/// A method of a path, as the router distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET and HEAD.
    Read,
    /// GET alone: a WebSocket handshake or a cache call.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
    /// OPTIONS: a CORS preflight.
    Options,
}

/// The caller that an endpoint serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Public,
    /// Anybody where the site is public; else a holder of the right `read`.
    SiteReader,
    /// A holder of the right `read`.
    TokenHolder,
    /// A holder of the right `lab`.
    LabUploader,
    /// A holder of the right `manage`.
    Manager,
    /// A holder of the right `manage`, who changes nothing.
    AuditReader,
    /// A holder of the right `cache`.
    CacheAdmin,
    /// A holder of the right `manage` for all sites.
    Operator,
    /// A holder of the right `manage` for all sites, who changes nothing and takes no data away.
    OperatorReader,
}

/// A right that a token grants for a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Right {
    /// Read the site's numbers.
    Read,
    /// Silence, retry, stop and start; read the audit log. It includes `read` and `lab`.
    Manage,
    /// Purge, warm and explain the cache of the deployment.
    Cache,
    /// Upload Lighthouse results.
    Lab,
    /// Send reports for a site that takes them from token holders alone.
    IngestReport,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 5] = [Self::Read, Self::Manage, Self::Cache, Self::Lab, Self::IngestReport];

    /// The name in tokens and documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Manage => "manage",
            Self::Cache => "cache",
            Self::Lab => "lab",
            Self::IngestReport => "ingest-report",
        }
    }

    /// The secret that grants the right for all sites, if there is one.
    #[must_use]
    pub const fn secret(self) -> Option<&'static str> {
        match self {
            Self::Read => Some("READ_TOKEN"),
            Self::Manage | Self::Lab => Some("MANAGE_TOKEN"),
            Self::Cache => Some("CACHE_TOKEN"),
            Self::IngestReport => None,
        }
    }

    /// Returns true if a holder of this right may do what `other` allows.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Manage && matches!(other, Self::Read | Self::Lab)
    }
}

impl Access {
    /// The right that the endpoint requires; for [`Self::SiteReader`], where the site is not public.
    #[must_use]
    pub const fn required_right(self) -> Option<Right> {
        match self {
            Self::Public => None,
            Self::SiteReader | Self::TokenHolder => Some(Right::Read),
            Self::LabUploader => Some(Right::Lab),
            Self::Manager | Self::AuditReader | Self::Operator | Self::OperatorReader => Some(Right::Manage),
            Self::CacheAdmin => Some(Right::Cache),
        }
    }

    /// Returns true if calls change something or take data away, and are kept in the audit log.
    #[must_use]
    pub const fn is_audited(self) -> bool {
        matches!(self, Self::LabUploader | Self::Manager | Self::Operator)
    }

    /// Returns true if the right must be for all sites.
    #[must_use]
    pub const fn is_for_operators(self) -> bool {
        matches!(self, Self::Operator | Self::OperatorReader)
    }
}

/// The endpoint of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The endpoint of this path and method.
    Endpoint(Endpoint),
    /// A known path with another method.
    MethodNotAllowed {
        /// The methods of the path, as an `Allow` field lists them (RFC 9110 §10.2.1).
        allow: String,
    },
    /// A path outside the API.
    NotFound,
}

/// Declares [`Endpoint`]. A row reads: name, method, path, access; its doc comment is the summary.
macro_rules! endpoints {
    ($($(#[doc = $summary:literal])+ $name:ident: $method:ident $path:literal, $access:ident;)+) => {
        /// One method of one path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Endpoint {
            $($(#[doc = $summary])+ $name,)+
        }

        impl Endpoint {
            /// Every endpoint, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The path.
            #[must_use]
            pub const fn path(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }

            /// The method.
            #[must_use]
            pub const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),+ }
            }

            /// The caller that is admitted.
            #[must_use]
            pub const fn access(self) -> Access {
                match self { $(Self::$name => Access::$access),+ }
            }

            /// The summary in worker/openapi.json.
            #[cfg(feature = "schema")]
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($summary),+)),+ }.trim()
            }
        }
    };
}

endpoints! {
    /// Store a beacon or, with `site` in the query, metrics of the web-vitals library.
    Ingest: Post "/v1/vitals", Public;
    /// Answer the CORS preflight of a page that sends JSON.
    IngestPreflight: Options "/v1/vitals", Public;
    /// List the metrics of each route and device class with their verdicts.
    Summary: Read "/api/vitals/summary", SiteReader;
    /// Group metrics over time.
    Series: Read "/api/vitals/series", SiteReader;
    /// List routes, one page at a time.
    Routes: Read "/api/vitals/routes", SiteReader;
    /// Group metrics with their distributions.
    Distribution: Read "/api/vitals/distribution", SiteReader;
    /// Compare two releases or two time spans.
    Compare: Read "/api/vitals/compare", SiteReader;
    /// List the causes of slow views in whole days: subparts, elements, and scripts or resources.
    Causes: Read "/api/vitals/causes", SiteReader;
    /// List the latest Lighthouse results of each page and device.
    LabReport: Read "/api/lab", SiteReader;
    /// Upload the medians of Lighthouse runs. The latest result of each page and device is kept, 500 at most.
    LabUpload: Post "/api/lab", LabUploader;
    /// Open a WebSocket that reports the counts of new views, once per second at most.
    Live: Get "/api/live", SiteReader;
    /// Report every budgeted cell of a site, for people and for the deploy gate.
    BudgetReport: Read "/api/budgets", SiteReader;
    /// List the field limits of a path.
    PathLimits: Read "/api/budgets/limits", Public;
    /// Purge cached responses by URL, tag or prefix, or purge all of them. No response older than this call is served afterwards.
    CachePurge: Post "/api/cache/purge", CacheAdmin;
    /// Fetch addresses into the cache.
    CacheWarm: Post "/api/cache/warm", CacheAdmin;
    /// Report the cache statistics of the last day.
    CacheAnalytics: Get "/api/cache/analytics", CacheAdmin;
    /// Explain the cache decision for a GET of an address. Nothing is fetched, stored or counted.
    CacheExplain: Get "/api/cache/explain", CacheAdmin;
    /// Read a value of an application's cache. Purged and expired values are not found.
    CacheValueRead: Get "/api/cache/entries", CacheAdmin;
    /// Store a value of an application's cache with its tags.
    CacheValueStore: Put "/api/cache/entries", CacheAdmin;
    /// List the purges by tag since a purge count, for an application that has a cache of its own.
    CachePurges: Get "/api/cache/purges", CacheAdmin;
    /// Draw a status badge.
    Badge: Read "/badge.svg", SiteReader;
    /// Report a site's health, its worst bottlenecks and the recommendations with the largest gains.
    PerformanceDashboard: Read "/api/performance/dashboard", SiteReader;
    /// Report the metrics, requests, cache and queries of a time span.
    PerformanceMetrics: Read "/api/performance/metrics", SiteReader;
    /// List the backend queries of a page or of the whole site, the slowest first.
    PerformanceQueries: Read "/api/performance/queries", SiteReader;
    /// List the places where visitors lose time, the most expensive first.
    PerformanceBottlenecks: Read "/api/performance/bottlenecks", SiteReader;
    /// List recommendations with their evidence, the largest gain first.
    PerformanceRecommendations: Read "/api/performance/recommendations", SiteReader;
    /// Report the trend of each metric over days and, with two releases named, the effect of the newer one.
    PerformanceAnalytics: Read "/api/performance/analytics", SiteReader;
    /// Resume counting the site's beacons.
    MonitoringStart: Post "/api/performance/monitoring/start", Manager;
    /// Pause counting the site's beacons. They are still acknowledged.
    MonitoringStop: Post "/api/performance/monitoring/stop", Manager;
    /// Check the Worker's configuration, for uptime monitors. No other component is contacted.
    Liveness: Read "/api/health", Public;
    /// Report a site's health. Operations require a token.
    Health: Read "/api/health/advanced", SiteReader;
    /// List a site's statuses, evaluated every quarter of an hour, and for token holders its incidents.
    HealthHistory: Read "/api/health/history", SiteReader;
    /// Expose totals and gauges of every readable site, or of one site, to Prometheus.
    Metrics: Read "/metrics", SiteReader;
    /// Report the delivery state of each push backend.
    PushStatus: Read "/api/push", TokenHolder;
    /// Retry dead letters: all of them, those of one backend, or one document.
    PushRetry: Post "/api/push/retry", Manager;
    /// List raised alerts, silences and notification channels.
    Alerts: Read "/api/alerts", TokenHolder;
    /// Acknowledge an alert. Reminders stop until it gets worse.
    AlertAcknowledge: Post "/api/alerts/ack", Manager;
    /// Silence alerts for a while, such as during maintenance.
    AlertSilence: Post "/api/alerts/silence", Manager;
    /// End a silence.
    AlertUnsilence: Post "/api/alerts/unsilence", Manager;
    /// List the management calls of a site, the newest first; those of the cache under the site `*`.
    Audit: Read "/api/audit", AuditReader;
    /// List the sites with their settings and where these come from.
    Sites: Read "/api/sites", OperatorReader;
    /// Create a site, or replace its settings.
    SiteConfigure: Put "/api/sites/{site}", Operator;
    /// Erase everything that is stored of a site, and its settings if they were made by a call.
    SiteErase: Delete "/api/sites/{site}", Operator;
    /// Read a page of a site's backup.
    SiteBackup: Get "/api/sites/{site}/backup", Operator;
    /// List the tokens of a site that calls have created.
    SiteTokens: Read "/api/sites/{site}/tokens", OperatorReader;
    /// Create a token of a site. It is told once; its hash is stored.
    TokenCreate: Post "/api/sites/{site}/tokens", Operator;
    /// Revoke the tokens of a name, or with `oldest` the one of them that expires first.
    TokenRevoke: Delete "/api/sites/{site}/tokens", Operator;
    /// Restore a page of a backup into an empty site.
    SiteRestore: Post "/api/sites/{site}/restore", Operator;
}

/// Files among the Worker's assets that no cache route may shadow.
pub const ASSET_PATHS: [&str; 5] =
    ["/v1/client.js", "/v1/fallback.js", "/v1/start.js", "/v1/start-fallback.js", "/api/openapi.json"];

/// Namespaces that no cache route may shadow: each path and everything below it.
pub const RESERVED_PREFIXES: [&str; 7] = [
    "/api/vitals",
    "/api/health",
    "/api/push",
    "/api/alerts",
    "/api/performance",
    "/api/audit",
    "/api/sites",
];

/// The namespace of the cache's management calls, which worker/js/shim.js hands to worker/js/admin.js.
pub const CACHE_ADMIN_PREFIX: &str = "/api/cache/";

impl Method {
    /// The names of the methods in HTTP.
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Read => &["GET", "HEAD"],
            Self::Get => &["GET"],
            Self::Post => &["POST"],
            Self::Put => &["PUT"],
            Self::Delete => &["DELETE"],
            Self::Options => &["OPTIONS"],
        }
    }
}

/// Returns the endpoint of a request.
#[must_use]
pub fn resolve(method: &str, path: &str) -> Resolution {
    let mut allowed: Vec<&str> = Vec::new();
    for endpoint in endpoints_of(path) {
        let names = endpoint.method().names();
        if names.contains(&method) {
            return Resolution::Endpoint(endpoint);
        }
        allowed.extend(names);
    }
    if allowed.is_empty() {
        Resolution::NotFound
    } else {
        Resolution::MethodNotAllowed { allow: allowed.join(", ") }
    }
}

/// Returns a path of the table as a static string, which logs may name without naming a visitor's path.
#[must_use]
pub fn known_path(path: &str) -> Option<&'static str> {
    endpoints_of(path).next().map(Endpoint::path)
}

fn endpoints_of(path: &str) -> impl Iterator<Item = Endpoint> {
    let is_of = move |endpoint: &Endpoint| endpoint.path() == path || endpoint.site_in(path).is_some();
    Endpoint::ALL.iter().copied().filter(is_of)
}

impl Endpoint {
    /// Returns the site that a path names, for an endpoint whose path has one.
    #[must_use]
    pub fn site_in(self, path: &str) -> Option<&str> {
        let (before, after) = self.path().split_once(SITE_PLACE)?;
        let site = path.strip_prefix(before)?.strip_suffix(after)?;
        (!site.is_empty() && !site.contains('/')).then_some(site)
    }
}

/// The place of the site's name in a path.
pub const SITE_PLACE: &str = "{site}";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, path: &str, expected: Resolution) {
        assert_eq!(resolve(method, path), expected, "{method} {path}");
    }

    fn allow(methods: &str) -> Resolution {
        Resolution::MethodNotAllowed { allow: methods.to_owned() }
    }

    #[test]
    fn a_request_resolves_by_path_and_method() {
        check("GET", "/api/lab", Resolution::Endpoint(Endpoint::LabReport));
        check("HEAD", "/api/lab", Resolution::Endpoint(Endpoint::LabReport));
        check("POST", "/api/lab", Resolution::Endpoint(Endpoint::LabUpload));
        check("OPTIONS", "/v1/vitals", Resolution::Endpoint(Endpoint::IngestPreflight));
        check("GET", "/api/labs", Resolution::NotFound);
        check("PUT", "/api/sites/shop", Resolution::Endpoint(Endpoint::SiteConfigure));
        check("DELETE", "/api/sites/shop", Resolution::Endpoint(Endpoint::SiteErase));
        check("GET", "/api/sites/shop/backup", Resolution::Endpoint(Endpoint::SiteBackup));
        check("GET", "/api/sites//backup", Resolution::NotFound);
        check("PUT", "/api/sites/a/b", Resolution::NotFound);
        assert_eq!(Endpoint::SiteBackup.site_in("/api/sites/shop/backup"), Some("shop"));
        assert_eq!(known_path("/api/sites/shop/restore"), Some("/api/sites/{site}/restore"));
    }

    #[test]
    fn a_wrong_method_lists_every_method_of_the_path() {
        check("PUT", "/api/lab", allow("GET, HEAD, POST"));
        check("GET", "/v1/vitals", allow("POST, OPTIONS"));
        check("HEAD", "/api/live", allow("GET"));
        check("GET", "/api/alerts/ack", allow("POST"));
        check("POST", "/metrics", allow("GET, HEAD"));
        check("POST", "/api/sites/shop", allow("PUT, DELETE"));
    }

    #[test]
    fn every_endpoint_that_changes_something_requires_a_right_and_is_audited() {
        for endpoint in Endpoint::ALL
            .iter()
            .filter(|endpoint| matches!(endpoint.method(), Method::Post | Method::Put | Method::Delete))
        {
            let access = endpoint.access();
            let is_open = *endpoint == Endpoint::Ingest;
            assert_eq!(access.required_right().is_none(), is_open, "{endpoint:?}");
            // worker/js/admin.js keeps the calls of the cache.
            assert!(access.is_audited() || access == Access::CacheAdmin || is_open, "{endpoint:?}");
        }
    }

    #[test]
    fn only_manage_includes_other_rights() {
        for right in Right::ALL {
            let included: Vec<&str> =
                Right::ALL.into_iter().filter(|other| right.includes(*other)).map(Right::name).collect();
            let expected =
                if right == Right::Manage { vec!["read", "manage", "lab"] } else { vec![right.name()] };
            assert_eq!(included, expected);
        }
    }

    #[test]
    fn no_two_endpoints_share_a_path_and_a_method() {
        for (index, endpoint) in Endpoint::ALL.iter().enumerate() {
            for name in endpoint.method().names() {
                check(name, endpoint.path(), Resolution::Endpoint(*endpoint));
            }
            assert_eq!(Endpoint::ALL.iter().position(|other| other == endpoint), Some(index));
        }
    }
}
