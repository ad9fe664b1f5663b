//! worker/js/own_paths.js: the paths that worker/js/shim.js hands to the Worker before any cache route.

use std::collections::BTreeSet;

use wire::routes::{ASSET_PATHS, CACHE_ADMIN_PREFIX, Endpoint, RESERVED_PREFIXES};

/// Returns the JavaScript module.
pub(crate) fn module() -> String {
    let list =
        |paths: &BTreeSet<&str>| paths.iter().map(|path| format!("  \"{path}\",\n")).collect::<String>();
    let prefixes = RESERVED_PREFIXES.map(|prefix| prefix.replace('/', "\\/")).join("|");
    format!(
        "// Generated from crates/wire/src/routes.rs by `UPDATE_GENERATED=1 cargo test -p api-docs`. Do not edit.\n\n\
         /** Paths that no cache route may shadow. */\n\
         export const OWN_PATHS = new Set([\n{}]);\n\n\
         /** Namespaces that no cache route may shadow. */\n\
         export const RESERVED_PATHS = /^(?:{prefixes})(?:\\/|$)/;\n\n\
         /** The namespace of the cache's management calls. */\n\
         export const CACHE_ADMIN_PREFIX = \"{CACHE_ADMIN_PREFIX}\";\n",
        list(&own_paths())
    )
}

/// Returns the paths outside every namespace.
fn own_paths() -> BTreeSet<&'static str> {
    let endpoints = Endpoint::ALL.iter().map(|endpoint| endpoint.path());
    endpoints.chain(ASSET_PATHS).filter(|path| !is_in_namespace(path)).collect()
}

fn is_in_namespace(path: &str) -> bool {
    let is_below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path.starts_with(CACHE_ADMIN_PREFIX) || RESERVED_PREFIXES.iter().any(|prefix| is_below(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_guide_lists_every_own_path_and_namespace() {
        let guide = include_str!("../../../docs/cache.md");
        for path in own_paths().into_iter().chain(RESERVED_PREFIXES).chain([CACHE_ADMIN_PREFIX]) {
            assert!(guide.contains(path), "docs/cache.md does not name {path}");
        }
    }
}
