//! Patterns of paths and hosts, compared byte by byte with what is forwarded: nothing is decoded, so
//! that no origin can read a path otherwise than we did.

use serde::Deserialize;

/// A pattern of paths: `/users/{id}/*`, and `**` at the end for all below.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPattern {
    text: String,
    segments: Vec<PatternSegment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternSegment {
    Literal(String),
    /// One segment, under a name or none.
    Single(Option<String>),
    /// All that is left.
    Rest,
}

/// What a pattern caught, by name.
pub(crate) type Captures<'a> = Vec<(&'a str, &'a str)>;

impl PathPattern {
    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it catches of a path, if it matches.
    #[must_use]
    pub fn captures<'a>(&'a self, path: &'a str) -> Option<Captures<'a>> {
        let mut captures = Captures::new();
        let mut segments = path.strip_prefix('/')?.split('/');
        for part in &self.segments {
            match part {
                PatternSegment::Rest => return Some(captures),
                PatternSegment::Literal(literal) => {
                    if segments.next()? != literal {
                        return None;
                    }
                }
                PatternSegment::Single(name) => {
                    let segment = segments.next().filter(|segment| !segment.is_empty())?;
                    if let Some(name) = name {
                        captures.push((name, segment));
                    }
                }
            }
        }
        segments.next().is_none().then_some(captures)
    }

    /// The names that it catches.
    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|part| match part {
            PatternSegment::Single(Some(name)) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl TryFrom<String> for PathPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("the path \"{text}\" {why}"));
        let Some(rest) = text.strip_prefix('/') else { return wrong("must begin with /") };
        if text.contains(['?', '#']) {
            return wrong("must end before ? and #");
        }
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segments.last() == Some(&PatternSegment::Rest) {
                return wrong("has something after **, which stands for all that is left");
            }
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            segments.push(match (segment, name) {
                ("**", _) => PatternSegment::Rest,
                ("*", _) => PatternSegment::Single(None),
                (_, Some(name)) if is_name(name) => PatternSegment::Single(Some(name.to_owned())),
                (_, Some(_)) => return wrong("has a capture whose name is not of letters, digits, - and _"),
                _ if segment.contains(['*', '{', '}']) => {
                    return wrong("has *, { or } within a segment; a wildcard stands for a whole one");
                }
                _ => PatternSegment::Literal(segment.to_owned()),
            });
        }
        Ok(Self { segments, text })
    }
}

/// Whether a path holds something that origins take for a delimiter and others for a letter.
#[must_use]
pub(crate) fn is_ambiguous(path: &str) -> bool {
    // Nearly every path has none of these.
    if !path.bytes().any(|byte| matches!(byte, b'%' | b';' | b'\\')) {
        return false;
    }
    let lower = path.to_ascii_lowercase();
    lower.contains([';', '\\']) || ENCODED_DELIMITERS.iter().any(|encoded| lower.contains(encoded))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// NUL, line feed, carriage return, `#`, `%`, `.`, `/`, `;`, `?`, `\`.
const ENCODED_DELIMITERS: &[&str] = &["%00", "%0a", "%0d", "%23", "%25", "%2e", "%2f", "%3b", "%3f", "%5c"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_capture_whole_segments_undecoded() {
        let captured = |pattern: &str, path: &str| {
            let pattern = PathPattern::try_from(pattern.to_owned()).expect(pattern);
            pattern.captures(path).map(|all| {
                all.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
            })
        };
        let table = [
            ("/a/{id}", "/a/7", Some("id=7")),
            ("/a/{id}", "/a/", None),
            ("/a/{id}", "/a/7/", None),
            ("/a/{id}", "/a/%37", Some("id=%37")),
            ("/a/*/c", "/a/b/c", Some("")),
            ("/**", "/", Some("")),
            ("/a/**", "/a/b/c", Some("")),
            ("/a/**", "/ab", None),
            ("/a", "/A", None),
            ("/", "/", Some("")),
        ];
        for (pattern, path, expect) in table {
            assert_eq!(captured(pattern, path).as_deref(), expect, "{pattern} {path}");
        }
    }

    #[test]
    fn invalid_patterns_are_refused() {
        for pattern in ["a", "/a*", "/**/b", "/{}", "/{a b}", "/a?b", ""] {
            assert!(PathPattern::try_from(pattern.to_owned()).is_err(), "{pattern}");
        }
    }
}
