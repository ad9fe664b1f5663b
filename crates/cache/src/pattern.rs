//! Path patterns, compared byte by byte with the forwarded path. Nothing is decoded, so that the origin
//! sees the same path as the pattern.

use serde::Deserialize;

use crate::path_reading::{FoldedPattern, FoldedSegment, PathReadings, is_single_segment, stays_below};

/// A path pattern such as `/users/{id}/*`. A final `**` matches the rest of the path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PathPattern {
    text: String,
    segments: Vec<PatternSegment>,
    folded: FoldedPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternSegment {
    Literal(String),
    /// One segment, with an optional capture name.
    Single(Option<String>),
    /// The rest of the path.
    Rest,
}

/// The captured segments with their names.
pub(crate) type Captures<'a> = Vec<(&'a str, &'a str)>;

impl PathPattern {
    /// Returns the text of the pattern.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the captures of a path; none if it does not match.
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

    /// Returns true if an origin may read the path as one that matches.
    pub(crate) fn claims(&self, path: &PathReadings) -> bool {
        self.folded.claims(path)
    }

    /// Returns true if the path matches as it is, and in every other reading too, but for its case.
    pub(crate) fn surely_matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut segments = rest.split('/');
        for part in &self.segments {
            let is_sure = match (part, segments.next()) {
                (PatternSegment::Rest, segment) => {
                    return segment.into_iter().chain(segments).all(stays_below);
                }
                (PatternSegment::Literal(literal), Some(segment)) => {
                    segment == literal && (segment.is_empty() || is_single_segment(segment))
                }
                (PatternSegment::Single(_), Some(segment)) => is_single_segment(segment),
                (PatternSegment::Literal(_) | PatternSegment::Single(_), None) => false,
            };
            if !is_sure {
                return false;
            }
        }
        segments.next().is_none()
    }

    /// Returns the capture names.
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
        let invalid = |problem: &str| Err(format!("the path \"{text}\" {problem}"));
        let Some(rest) = text.strip_prefix('/') else { return invalid("must begin with /") };
        if text.contains(['?', '#']) {
            return invalid("must end before ? and #");
        }
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            if segments.last() == Some(&PatternSegment::Rest) {
                return invalid("has a segment after **, which matches the rest of the path");
            }
            let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            segments.push(match (segment, name) {
                ("**", _) => PatternSegment::Rest,
                ("*", _) => PatternSegment::Single(None),
                (_, Some(name)) if is_name(name) => PatternSegment::Single(Some(name.to_owned())),
                (_, Some(_)) => {
                    return invalid("has a capture name with characters other than letters, digits, - and _");
                }
                _ if segment.contains(['*', '{', '}']) => {
                    return invalid("has *, { or } within a segment; a wildcard matches a whole segment");
                }
                _ => PatternSegment::Literal(segment.to_owned()),
            });
        }
        let folded = FoldedPattern::new(segments.iter().map(|segment| match segment {
            PatternSegment::Literal(literal) => FoldedSegment::Literal(literal.clone()),
            PatternSegment::Single(_) => FoldedSegment::Any,
            PatternSegment::Rest => FoldedSegment::Rest,
        }));
        Ok(Self { text, segments, folded })
    }
}

/// Fills captures into a text such as `user:{id}`, in one pass, because a captured value may look like a name
/// in braces itself.
pub(crate) fn fill_template(template: &str, captures: &Captures<'_>) -> String {
    let mut parts = template.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap_or((part, ""));
        let capture = captures.iter().find(|(known, _)| *known == name);
        filled.push_str(capture.map_or("", |(_, value)| value));
        filled.push_str(rest);
    }
    filled
}

/// Returns true for a path with a character that some origins interpret as a delimiter and others do not.
#[must_use]
pub(crate) fn is_ambiguous(path: &str) -> bool {
    // Fast path: few paths have any of these.
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
