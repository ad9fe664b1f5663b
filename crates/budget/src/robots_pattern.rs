//! Path patterns of robots.txt (RFC 9309 §2.2.3): `*` matches anything and a final `$` the end. Lighthouse
//! allows one `*`; several follow robots.txt.

/// A pattern for the path of a page, with its query if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RobotsPattern(String);

impl RobotsPattern {
    /// Parses a pattern. An error is the requirement that the text violates.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let body = text.strip_suffix('$').unwrap_or(text);
        match text {
            _ if !text.starts_with('/') => Err("start with \"/\""),
            _ if body.contains('$') => Err("have \"$\" nowhere but at its end"),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The pattern as written.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn matches(&self, path: &str) -> bool {
        let (body, ends) = match self.0.strip_suffix('$') {
            Some(body) => (body, true),
            None => (self.0.as_str(), false),
        };
        let mut parts = body.split('*');
        let Some(mut rest) = parts.next().and_then(|start| path.strip_prefix(start)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return !ends || rest.is_empty();
        };
        for part in parts {
            let Some((_, after)) = rest.split_once(part) else {
                return false;
            };
            rest = after;
        }
        if ends { rest.ends_with(last) } else { rest.contains(last) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = RobotsPattern::parse(pattern).unwrap();
        for path in matching {
            assert!(pattern.matches(path), "{pattern:?} does not match {path}");
        }
        for path in others {
            assert!(!pattern.matches(path), "{pattern:?} matches {path}");
        }
    }

    #[test]
    fn a_plain_pattern_is_a_prefix() {
        check("/", &["/", "/cat?x=1"], &[""]);
        check("/cat", &["/cat", "/cats/1"], &["/", "/a/cat"]);
    }

    #[test]
    fn a_final_dollar_is_the_end() {
        check("/cat$", &["/cat"], &["/cats", "/cat/", "/cat?x=1"]);
    }

    #[test]
    fn a_star_is_anything() {
        check("/a*z", &["/az", "/a/b/z", "/abzc"], &["/a", "/za"]);
        check("/*.php", &["/x.php", "/x.php?y", "/.php"], &["/x.ph"]);
    }

    #[test]
    fn a_star_and_a_dollar_are_anything_up_to_the_end() {
        check("/v*chunk.js$", &["/v1/chunk.js", "/vchunk.js", "/v/chunk.js/chunk.js"], &["/v/chunk.js?1"]);
        // Text that matched before the star cannot match again after it.
        check("/aba*ba$", &["/ababa"], &["/aba"]);
    }

    #[test]
    fn several_stars_are_allowed() {
        check("/a*b*c", &["/abc", "/a-b-c-d", "/abcc"], &["/ac", "/acb"]);
        check("/a*b*c$", &["/abcbc"], &["/abcb"]);
        check("/*", &["/", "/x"], &[]);
        check("/**$", &["/", "/x"], &[]);
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        for text in ["", "cat", "*", "$", "/a$b", "/a$$"] {
            assert!(RobotsPattern::parse(text).is_err(), "{text}");
        }
    }
}
