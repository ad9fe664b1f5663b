//! The routes that `"next": true` stands for. A Next.js application has three kinds of addresses: files of its build,
//! which never change; optimized images; and pages, whose router asks for the data of a page with fields of its own.

use crate::pattern::PathPattern;
use crate::route::{CacheRoute, CookiePolicy};
use crate::route_values::FieldName;

/// Returns the routes that a route stands for, in order of precedence.
pub(crate) fn expand(route: CacheRoute) -> Vec<CacheRoute> {
    match base_path(&route) {
        Some(base) if route.next => {
            let files = shared_by_all(&route, &format!("{base}/_next/static/**"), None);
            let images = shared_by_all(&route, &format!("{base}/_next/image"), Some(&["url", "w", "q"]));
            files.into_iter().chain(images).chain([with_router_fields(route)]).collect()
        }
        _ => vec![route],
    }
}

/// Returns the mistake in a route that cannot be expanded.
pub(crate) fn find_mistake(route: &CacheRoute) -> Option<String> {
    if !route.next {
        return None;
    }
    if route.bypass {
        return Some("next needs a route that is cached; remove it or `bypass`".into());
    }
    base_path(route).is_none().then(|| {
        "next needs the base path of the application with all below it, as in /** or /shop/**".to_owned()
    })
}

/// Returns the path before the final `/**`.
fn base_path(route: &CacheRoute) -> Option<String> {
    let base = route.path.as_str().strip_suffix("/**")?;
    (!base.contains(['*', '{'])).then(|| base.to_owned())
}

/// Returns the route of files that are the same for every visitor, whatever the cookies. It has the access rules of the
/// application.
fn shared_by_all(route: &CacheRoute, path: &str, query: Option<&[&str]>) -> Option<CacheRoute> {
    let mut shared = route.clone();
    shared.path = PathPattern::try_from(path.to_owned()).ok()?;
    shared.query = query.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
    shared.cookies = CookiePolicy { ignore: vec!["*".into()], ..CookiePolicy::default() };
    shared.site = route.site().map(str::to_owned);
    (shared.inject, shared.name) = (None, None);
    shared.key_headers.clear();
    shared.bypass_headers.clear();
    Some(shared)
}

/// Adds the fields and cookies of Next.js to the route of pages.
fn with_router_fields(mut route: CacheRoute) -> CacheRoute {
    let fields = |names: &[&str]| names.iter().map(|name| FieldName((*name).to_owned())).collect::<Vec<_>>();
    route.key_headers.extend(fields(ROUTER_FIELDS));
    route.bypass_headers.extend(fields(INTERNAL_FIELDS));
    route.cookies.bypass.extend(PREVIEW_COOKIES.map(str::to_owned));
    if let Some(query) = &mut route.query {
        query.push("_rsc".into());
    }
    route
}

/// The fields on which the response of a page depends. `_rsc` in the query is a hash of them, and Next.js redirects a
/// request whose hash differs, so all of them reach the origin.
const ROUTER_FIELDS: &[&str] = &[
    "rsc",
    "next-router-state-tree",
    "next-router-prefetch",
    "next-router-segment-prefetch",
    "next-url",
    "x-nextjs-data",
];
/// The fields of requests that Next.js makes to itself: a regeneration, the rest of a prerendered page, an action.
const INTERNAL_FIELDS: &[&str] = &["x-prerender-revalidate", "next-resume", "next-action"];
/// The cookies of draft mode and of previews.
const PREVIEW_COOKIES: [&str; 2] = ["__prerender_bypass", "__next_preview_data"];
