//! The access rules of a path: those of every route that an origin may read the path as belonging to.

use crate::access::AccessRule;
use crate::path_reading::PathReadings;
use crate::routes::CacheConfig;

impl CacheConfig {
    /// Returns the access rules of every route that an origin may read the path as belonging to. The order of
    /// the routes decides only if an earlier route matches every reading, and both match the path itself.
    #[must_use]
    pub fn access_rules(&self, host: &str, path: &str) -> Vec<&AccessRule> {
        // Fast path: most sites have no access rules.
        if self.routes.iter().all(|route| route.require.is_none()) {
            return Vec::new();
        }
        let readings = PathReadings::parse(path);
        let mut rules: Vec<&AccessRule> = Vec::new();
        let mut has_earlier = false;
        for route in self.routes.iter().filter(|route| route.host.matches(host)) {
            let is_decided = has_earlier && route.path.captures(path).is_some();
            let rule = route.require.as_ref().filter(|_| !is_decided && route.path.claims(&readings));
            rules.extend(rule.filter(|rule| !rules.contains(rule)));
            has_earlier = has_earlier || route.path.surely_matches(path);
        }
        rules
    }
}
