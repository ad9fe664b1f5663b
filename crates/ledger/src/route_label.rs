//! The text of a route, as anybody may send it. Routes are shown on dashboards and sent to on-call, so only the
//! syntax of route templates is kept; prose, addresses and markup are counted under [`OTHER_LABEL`].

use wire::OTHER_LABEL;

/// Returns the route if it reads as a template, and [`OTHER_LABEL`] otherwise.
pub(crate) fn route_or_other(route: String) -> String {
    if is_route(&route) { route } else { OTHER_LABEL.to_owned() }
}

/// Returns `true` for the templates of the usual routers: `/blog/:slug`, `/docs/[[...page]]`, `/{id}`, `/files/*`.
fn is_route(text: &str) -> bool {
    let Some(segments) = text.strip_prefix('/') else { return false };
    let segments = segments.strip_suffix('/').unwrap_or(segments);
    text == "/" || segments.split('/').all(|segment| !segment.is_empty() && is_segment(segment))
}

/// A segment is `*`, a parameter (`:slug`, `:page*`), or literal text with parameters in brackets.
fn is_segment(segment: &str) -> bool {
    if let Some(name) = segment.strip_prefix(':') {
        return is_parameter(name.trim_end_matches(['*', '+', '?']));
    }
    if matches!(segment, "*" | "**") {
        return true;
    }
    let mut rest = segment;
    while let Some(open) = rest.find(['[', '{', '(']) {
        let (literal, group) = rest.split_at(open);
        let Some(after) = literal.chars().all(is_literal).then(|| after_group(group)).flatten() else {
            return false;
        };
        // `[text](address)` is a link in Markdown.
        if group.starts_with('[') && after.starts_with('(') {
            return false;
        }
        rest = after;
    }
    rest.chars().all(is_literal)
}

/// Returns the text after a parameter in brackets, such as `[slug]`, `[[...page]]`, `{id?}` or `(group)`.
fn after_group(group: &str) -> Option<&str> {
    const BRACKETS: [(&str, &str); 4] = [("[[", "]]"), ("[", "]"), ("{", "}"), ("(", ")")];
    let (open, close) = BRACKETS.into_iter().find(|(open, _)| group.starts_with(open))?;
    let (name, after) = group.strip_prefix(open)?.split_once(close)?;
    // `(.)photo` and `(..)(..)photo` intercept a route.
    let is_dots = open == "(" && (1..=3).contains(&name.len()) && name.bytes().all(|byte| byte == b'.');
    let name = name.trim_start_matches("...").trim_start_matches('*').trim_end_matches('?');
    (is_dots || is_parameter(name)).then_some(after)
}

fn is_parameter(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))
}

/// Letters of every script, digits, and punctuation that no channel, document or shell gives a meaning.
pub(crate) fn is_literal(letter: char) -> bool {
    letter.is_alphanumeric()
        || matches!(letter, '-' | '.' | '_' | '~' | '%' | '@' | '$' | '+' | ',' | ';' | '=')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn templates_of_the_usual_routers_are_kept() {
        for route in [
            "/",
            "/blog/:slug",
            "/blog/:slug/",
            "/docs/:page*",
            "/docs/[[...page]]",
            "/[lang]/[...rest]",
            "/[year]-[month]",
            "/users/{id}",
            "/files/{*rest}",
            "/a/*",
            "/(shop)/cart",
            "/feed/(.)photo/[id]",
            "/feed/(..)(..)photo",
            "/@team/members",
            "/posts/$postId",
            "/produkte/größe",
            "/caf%C3%A9",
            "/製品/一覧",
            "/map;zoom=3",
            "/c++",
            "/~user/index.html",
        ] {
            assert_eq!(route_or_other(route.to_owned()), route);
        }
    }

    #[test]
    fn prose_addresses_and_markup_are_other() {
        for route in [
            "",
            "cart",
            "/ *SEV1* session expired: https://evil.example/sso",
            "/see/https://evil.example",
            "//evil.example",
            "/a//b",
            "/[click](evil.example)",
            "/<b>",
            "/a|b",
            "/`id`",
            "/*bold*",
            "/a\u{202e}b",
            "/a\nb",
            "/a&b",
            "/\"a\"",
            "/'a'",
            "/a\\b",
            "/:",
            "/[]",
            "/[a",
            "/{a b}",
            "/(a)(b c)",
            "/!here",
            "/#general",
            "/a?b",
        ] {
            assert_eq!(route_or_other(route.to_owned()), OTHER_LABEL, "{route}");
        }
    }

    proptest! {
        #[test]
        fn no_route_carries_white_space_markup_or_an_address(route in "/[ -~\u{80}-\u{3000}/:\\[\\](){}<>*_`|&.]{0,40}") {
            let shown = route_or_other(route.clone());
            prop_assert!(shown == route || shown == OTHER_LABEL);
            let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control();
            prop_assert!(shown.chars().all(is_plain) && !shown.contains(['<', '>', '&', '"', '\'', '`', '|', '\\', '#', '!']));
            prop_assert!(!shown.contains("//") && !shown.contains("](") && !shown.contains(":/"), "{shown}");
        }
    }
}
