//! Paths become route templates, so that series are routes and not members, orders or searches.
//! Used where the app gave no template of its own.

/// The template of a path: segments that look like an id, a hash, a token or an address become `:id`.
#[must_use]
pub fn template(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut route = String::with_capacity(path.len());
    for segment in path.split('/').skip(1).take(MOST_SEGMENTS) {
        route.push('/');
        route.push_str(if is_id(segment) { ":id" } else { segment });
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
    // A word of a language rarely has two digits and twelve letters in one breath.
    let is_token = segment.len() >= 12 && digits >= 2 && !segment.contains('-');
    is_number || is_hash || is_address || is_token || segment.len() > LONGEST_WORD
}

const MOST_SEGMENTS: usize = 8;
const LONGEST_WORD: usize = 64;

#[cfg(test)]
mod tests {
    use super::template;

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
            ("/t/Zm9vYmFyMTIzNDU2", "/t/:id"),
            ("/blog/ten-ways-to-2026", "/blog/ten-ways-to-2026"),
            ("/decade", "/decade"),
            ("/en-GB/about", "/en-GB/about"),
            ("/a/b/c/d/e/f/g/h/i/j", "/a/b/c/d/e/f/g/h"),
        ] {
            assert_eq!(template(path), route, "{path}");
        }
    }
}
