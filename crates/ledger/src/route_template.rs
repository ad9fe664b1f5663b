//! Route templates of paths, so that series are routes and not users, orders or searches. They are used for
//! beacons without a route: configured templates of the site first, then a heuristic for ids.

use serde::Deserialize;

use crate::route_label::is_literal;

/// The configured templates of a site in order of precedence. `/blog/:slug` matches one segment, `/docs/:page*`
/// all remaining ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct RouteTemplates(Vec<String>);

impl RouteTemplates {
    /// Returns the first template that matches, or a template derived from the path.
    #[must_use]
    pub fn template_for(&self, path: &str) -> String {
        let found = self.0.iter().find(|template| matches(template, path));
        found.cloned().unwrap_or_else(|| derive_template(path))
    }
}

impl TryFrom<Vec<String>> for RouteTemplates {
    type Error = String;

    fn try_from(all: Vec<String>) -> Result<Self, String> {
        if all.len() > MAX_TEMPLATES {
            return Err(format!(
                "a site can have at most {MAX_TEMPLATES} routes; this one has {}",
                all.len()
            ));
        }
        match all.iter().find_map(|template| Some((template, template_error(template)?))) {
            Some((template, error)) => Err(format!("route \"{template}\" {error}")),
            None => Ok(Self(all)),
        }
    }
}

/// Returns the error in a configured template.
fn template_error(template: &str) -> Option<&'static str> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_right = |segment: &str, is_last: bool| match segment.strip_prefix(':') {
        Some(name) => is_name(name.strip_suffix('*').filter(|_| is_last).unwrap_or(name)),
        None => !segment.contains([':', '*', '[', '{']),
    };
    let all: Vec<&str> = segments(template).collect();
    if !template.starts_with('/') || template.contains(['?', '#']) {
        Some("must start with / and must not contain ? or #")
    } else if template.len() > MAX_TEMPLATE_BYTES {
        Some("is longer than 200 bytes")
    } else if !all.iter().enumerate().all(|(at, segment)| is_right(segment, at + 1 == all.len())) {
        Some(
            "has an invalid segment: use plain segments, :name for one segment, and :name* for all remaining ones at the end",
        )
    } else {
        None
    }
}

fn matches(template: &str, path: &str) -> bool {
    let mut given = segments(path.split(['?', '#']).next().unwrap_or_default());
    for part in segments(template) {
        if part.starts_with(':') && part.ends_with('*') {
            return true;
        }
        if !given.next().is_some_and(|segment| part.starts_with(':') || part == segment) {
            return false;
        }
    }
    given.next().is_none()
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// Derives a template: segments that look like an id, a hash, a token or an email address become `:id`.
#[must_use]
pub fn derive_template(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut route = String::with_capacity(path.len());
    let is_directory = path.len() > 1 && path.ends_with('/');
    for segment in segments(path).take(MAX_SEGMENTS) {
        route.push('/');
        route.push_str(if is_id(segment) || !segment.chars().all(is_literal) { ":id" } else { segment });
    }
    if is_directory && segments(path).count() < MAX_SEGMENTS {
        route.push('/');
    }
    if route.is_empty() {
        route.push('/');
    }
    route
}

fn is_id(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    let hex = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_number = digits > 0 && digits == segment.len();
    let is_hash = hex && segment.len() >= 8 && digits > 0;
    let is_address = segment.contains('@') || segment.contains("%40");
    // Words rarely have twelve characters with two digits among them and no dash.
    let is_token = segment.len() >= 12 && digits >= 2 && !segment.contains('-');
    is_number || is_hash || is_address || is_token || segment.len() > MAX_LITERAL_SEGMENT_BYTES
}

const MAX_TEMPLATES: usize = 200;
const MAX_TEMPLATE_BYTES: usize = 200;
const MAX_SEGMENTS: usize = 8;
const MAX_LITERAL_SEGMENT_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::{RouteTemplates, derive_template};

    fn templates(all: &[&str]) -> Result<RouteTemplates, String> {
        RouteTemplates::try_from(all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_matching_template_is_the_route() {
        let site = templates(&["/blog/new", "/blog/:slug", "/docs/:page*", "/:lang/about"]).unwrap();
        for (path, route) in [
            ("/blog/new", "/blog/new"),
            ("/blog/ten-ways-to-rust/?from=mail", "/blog/:slug"),
            ("/blog", "/blog"),
            ("/blog/a/b", "/blog/a/b"),
            ("/docs", "/docs/:page*"),
            ("/docs/install/linux#apt", "/docs/:page*"),
            ("/en/about", "/:lang/about"),
            ("/product/42", "/product/:id"),
            ("/", "/"),
        ] {
            assert_eq!(site.template_for(path), route, "{path}");
        }
    }

    #[test]
    fn an_invalid_template_is_refused_by_name() {
        for text in
            ["blog", "/a?b", "/a/[slug]", "/a/{id}", "/a/x:id", "/a/:", "/:rest*/a", "/a/*", "/a/:sl ug"]
        {
            let refusal = templates(&["/", text]).unwrap_err();
            assert!(refusal.contains(&format!("\"{text}\"")), "{refusal}");
        }
        assert!(templates(&vec!["/a"; 201]).unwrap_err().contains("at most 200"));
        assert!(templates(&[&format!("/{}", "a".repeat(200))]).unwrap_err().contains("200 bytes"));
    }

    #[test]
    fn ids_hashes_and_addresses_become_one_route() {
        for (path, route) in [
            ("/", "/"),
            ("/product/42", "/product/:id"),
            ("/product/42?color=red#top", "/product/:id"),
            ("/orders/9f86d081-884c-4d65-9a2f-eaa0c55ad015/lines/3", "/orders/:id/lines/:id"),
            ("/blob/9f86d081884c7d65", "/blob/:id"),
            ("/u/ann@example.com/x", "/u/:id/x"),
            ("/u/ann%40example.com", "/u/:id"),
            ("/search/ *now* call <b>", "/search/:id"),
            ("/a//b", "/a/b"),
            ("/a/", "/a/"),
            ("/t/Zm9vYmFyMTIzNDU2", "/t/:id"),
            ("/blog/ten-ways-to-2026", "/blog/ten-ways-to-2026"),
            ("/decade", "/decade"),
            ("/en-GB/about", "/en-GB/about"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h"),
        ] {
            assert_eq!(derive_template(path), route, "{path}");
        }
    }
}
