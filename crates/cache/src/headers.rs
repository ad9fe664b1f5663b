//! Header fields in order of arrival. Repeated fields are kept apart, because only list fields may be
//! joined (RFC 9110 §5.3).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wire::sorting::CollectOrdered;

/// An ordered multimap. Names are in lower case, and values have no surrounding whitespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Creates an empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Parses lines of `name: value`. Other lines are ignored.
    #[must_use]
    pub fn parse(lines: &str) -> Self {
        let mut headers = Self::new();
        for (name, value) in lines.split('\n').filter_map(|line| line.split_once(':')) {
            headers.append(name, value);
        }
        headers
    }

    /// Appends a field. Ignores invalid names and values.
    pub fn append(&mut self, name: &str, value: &str) {
        let is_name = !name.is_empty() && name.bytes().all(is_token_byte);
        // RFC 9110 §5.5: no control characters but the tab. A line break would start another field.
        let is_plain = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
        let is_value =
            value.bytes().all(is_plain) || !value.chars().any(|char| char != '\t' && char.is_control());
        if is_name && is_value {
            self.0.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()));
        }
    }

    /// Replaces all fields of this name with one.
    pub fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }

    /// Removes all fields of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// Removes the fields for whose name `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| keep(name));
    }

    /// Returns the values of a field, one for each occurrence.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Returns the first value of a field.
    #[must_use]
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Returns true if there is a field of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// Returns the values of a list field, joined by commas (RFC 9110 §5.3).
    #[must_use]
    pub fn joined(&self, name: &str) -> Option<String> {
        let mut all = self.get_all(name);
        let first = all.next()?.to_owned();
        Some(all.fold(first, |joined, next| joined + ", " + next))
    }

    /// Returns the non-empty members of a list field (RFC 9110 §5.6.1).
    #[must_use]
    pub fn members(&self, name: &str) -> Vec<&str> {
        let fields = self.0.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        fields.flat_map(|(_, value)| members(value)).collect()
    }

    /// Returns the names.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(|(name, _)| &**name).collect_set()
    }

    /// Returns the fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Returns the approximate size of the fields in an HTTP/1.1 message, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum()
    }

    /// Removes the fields that are for the next hop only (RFC 9110 §7.6.1).
    pub fn remove_hop_by_hop(&mut self) {
        let named: BTreeSet<String> =
            self.members("connection").iter().map(|name| name.to_ascii_lowercase()).collect_set();
        self.retain(|name| !HOP_BY_HOP_HEADERS.contains(&name) && !named.contains(name));
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut headers = Self::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }
}

/// Returns the members of a list value. Commas within quotes do not separate members.
pub(crate) fn members(value: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    value
        .split(move |char| {
            let escapes = is_quoted && char == '\\' && !is_escaped;
            if char == '"' && !is_escaped {
                is_quoted = !is_quoted;
            }
            is_escaped = escapes;
            char == ',' && !is_quoted
        })
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|member| !member.is_empty())
}

/// Returns true for the characters of a token (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

/// Returns the names and values of a request's cookies (RFC 6265 §5.4).
pub(crate) fn parse_cookies(headers: &Headers) -> Vec<(&str, &str)> {
    let pairs = headers.get_all("cookie").flat_map(|value| value.split(';'));
    pairs
        .map(str::trim)
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').map_or((pair, ""), |(name, value)| (name.trim(), value.trim())))
        .collect()
}

const HOP_BY_HOP_HEADERS: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_fields_are_kept_in_order() {
        let headers = Headers::parse("A: 1\nb:2\na:  3 \nno field\n");
        assert_eq!(headers.get_all("A").collect::<Vec<_>>(), ["1", "3"]);
        assert_eq!(headers.joined("a").as_deref(), Some("1, 3"));
        assert_eq!(headers.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "a"]);
    }

    #[test]
    fn a_quoted_comma_does_not_split_members() {
        let headers = Headers::parse(r#"x: a, "b, \"c", , d"#);
        assert_eq!(headers.members("x"), ["a", r#""b, \"c""#, "d"]);
    }

    #[test]
    fn header_injection_is_refused() {
        let mut headers = Headers::new();
        headers.append("a", "b\r\nset-cookie: c");
        headers.append("a b", "c");
        headers.append("", "c");
        assert_eq!(headers, Headers::new());
    }

    #[test]
    fn text_beyond_ascii_is_kept_and_control_characters_are_not() {
        let mut headers = Headers::parse("a: café\tbar\nb: x\u{7f}\nc: \u{85}");
        headers.append("d", "\u{1}");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "café\tbar")]);
    }

    #[test]
    fn hop_by_hop_headers_are_removed() {
        let mut headers = Headers::parse("connection: X-Own, close\nx-own: 1\nkeep-alive: 5\nage: 1");
        headers.remove_hop_by_hop();
        assert_eq!(headers, Headers::parse("age: 1"));
    }
}
