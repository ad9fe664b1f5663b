//! Cache directives of responses and requests: Cache-Control (RFC 9111 §5.2), and CDN-Cache-Control, which
//! replaces it in responses (RFC 9213). Unknown directives are ignored (RFC 9111 §5.2.3).

use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::headers::{Headers, members};

/// The directives of a response that concern a shared cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    /// They come from CDN-Cache-Control, so that Expires is ignored (RFC 9213 §2.2).
    pub targeted: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: DirectiveScope,
    /// `private`.
    pub private: DirectiveScope,
    /// `public`.
    pub public: bool,
    /// `must-revalidate` or `proxy-revalidate`, which mean the same for a shared cache.
    pub must_revalidate: bool,
    /// `must-understand`.
    pub must_understand: bool,
    /// `s-maxage`, in seconds.
    pub s_maxage: Option<u64>,
    /// `max-age`, in seconds.
    pub max_age: Option<u64>,
    /// `stale-while-revalidate`, in seconds.
    pub stale_while_revalidate: Option<u64>,
    /// `stale-if-error`, in seconds.
    pub stale_if_error: Option<u64>,
}

/// The scope of a directive that may name header fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DirectiveScope {
    /// The directive is absent.
    #[default]
    Absent,
    /// The named fields.
    Fields(Vec<String>),
    /// The whole response.
    WholeResponse,
}

/// The directives of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// `no-cache`, or `Pragma: no-cache` without Cache-Control (RFC 9111 §5.4).
    pub no_cache: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `only-if-cached`.
    pub only_if_cached: bool,
    /// `max-age`.
    pub max_age: Option<u64>,
    /// `min-fresh`.
    pub min_fresh: Option<u64>,
    /// `max-stale`; without a value, any staleness.
    pub max_stale: Option<u64>,
}

impl ResponseDirectives {
    /// Returns the directives of a response.
    #[must_use]
    pub fn from_headers(headers: &Headers) -> Self {
        Self::parse_targeted(headers).unwrap_or_else(|| Self::parse_cache_control(headers))
    }

    /// RFC 9213 §2.2: a targeted field that is valid and not empty replaces all others.
    fn parse_targeted(headers: &Headers) -> Option<Self> {
        let text = headers.joined(TARGETED_FIELD)?;
        let dictionary: Dictionary = Parser::new(&text).parse().ok()?;
        if dictionary.is_empty() {
            return None;
        }
        let mut directives = Self { targeted: true, ..Self::default() };
        for (name, entry) in &dictionary {
            let ListEntry::Item(item) = entry else { continue };
            match &item.bare_item {
                BareItem::Boolean(true) => directives.apply(name.as_str(), None),
                BareItem::Integer(number) if i64::from(*number) >= 0 => {
                    directives.apply(name.as_str(), Some(&number.to_string()));
                }
                BareItem::String(text) => directives.apply_fields(name.as_str(), text.as_str()),
                // `?0` turns a directive off. Other types have no defined meaning.
                _ => {}
            }
        }
        Some(directives)
    }

    fn parse_cache_control(headers: &Headers) -> Self {
        let mut directives = Self::default();
        for member in headers.members("cache-control") {
            let (name, value) = split_directive(member);
            directives.apply(&name, value.as_deref());
        }
        directives
    }

    /// RFC 9111 §4.2.1: of conflicting directives, the most restrictive applies.
    fn apply(&mut self, name: &str, value: Option<&str>) {
        let smaller_of = |known: Option<u64>| match (known, value.and_then(parse_delta_seconds)) {
            (Some(known), Some(new)) => Some(known.min(new)),
            // RFC 9111 §4.2.1: a response with an invalid lifetime is stale.
            (_, None) => Some(0),
            (None, new) => new,
        };
        match name {
            "no-store" => self.no_store = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "s-maxage" => self.s_maxage = smaller_of(self.s_maxage),
            "max-age" => self.max_age = smaller_of(self.max_age),
            "stale-while-revalidate" => self.stale_while_revalidate = smaller_of(self.stale_while_revalidate),
            "stale-if-error" => self.stale_if_error = smaller_of(self.stale_if_error),
            "no-cache" | "private" => match value {
                None => self.widen_scope(name, DirectiveScope::WholeResponse),
                Some(fields) => self.apply_fields(name, fields),
            },
            _ => {}
        }
    }

    fn apply_fields(&mut self, name: &str, fields: &str) {
        let fields: Vec<String> = members(fields).map(str::to_ascii_lowercase).collect();
        // A directive with an empty list of fields applies to the whole response.
        self.widen_scope(
            name,
            if fields.is_empty() { DirectiveScope::WholeResponse } else { DirectiveScope::Fields(fields) },
        );
    }

    fn widen_scope(&mut self, name: &str, scope: DirectiveScope) {
        match name {
            "no-cache" => self.no_cache.widen(scope),
            "private" => self.private.widen(scope),
            _ => {}
        }
    }
}

impl DirectiveScope {
    /// Returns the named fields; none for any other scope.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Fields(names) => names,
            Self::Absent | Self::WholeResponse => &[],
        }
    }

    fn widen(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::WholeResponse, _) | (_, Self::Absent) => {}
            (Self::Fields(known), Self::Fields(new)) => known.extend(new),
            (_, more) => *self = more,
        }
    }
}

impl RequestDirectives {
    /// Returns the directives of a request.
    #[must_use]
    pub fn from_headers(headers: &Headers) -> Self {
        let mut directives = Self::default();
        for member in headers.members("cache-control") {
            let (name, value) = split_directive(member);
            let value = value.as_deref();
            match &*name {
                "no-cache" => directives.no_cache = true,
                "no-store" => directives.no_store = true,
                "only-if-cached" => directives.only_if_cached = true,
                "max-age" => directives.max_age = value.and_then(parse_delta_seconds),
                "min-fresh" => directives.min_fresh = value.and_then(parse_delta_seconds),
                "max-stale" => {
                    directives.max_stale =
                        Some(value.map_or(MAX_DELTA_SECONDS, |text| parse_delta_seconds(text).unwrap_or(0)))
                }
                _ => {}
            }
        }
        // RFC 9111 §5.4.
        if !headers.has("cache-control") && headers.members("pragma").contains(&"no-cache") {
            directives.no_cache = true;
        }
        directives
    }
}

/// Parses a number of seconds (RFC 9111 §1.2.2). Numbers that are too large become the maximum.
pub(crate) fn parse_delta_seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(MAX_DELTA_SECONDS, |number: u64| number.min(MAX_DELTA_SECONDS)))
}

/// Splits a directive into its name in lower case and its value without quotes.
fn split_directive(member: &str) -> (String, Option<String>) {
    let (name, value) = match member.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (member, None),
    };
    let unquoted = |value: &str| {
        let value = value.trim();
        let inner = value.strip_prefix('"').map(|rest| rest.strip_suffix('"').unwrap_or(rest));
        inner.map_or_else(|| value.to_owned(), |inner| inner.replace('\\', ""))
    };
    (name.trim().to_ascii_lowercase(), value.map(unquoted))
}

/// The number of seconds that stands for infinity (RFC 9111 §1.2.2).
pub(crate) const MAX_DELTA_SECONDS: u64 = 1 << 31;
/// The targeted field of CDN caches (RFC 9213 §3.1).
const TARGETED_FIELD: &str = "cdn-cache-control";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &str, expect: &ResponseDirectives) {
        assert_eq!(ResponseDirectives::from_headers(&Headers::parse(headers)), *expect, "{headers}");
    }

    #[test]
    fn names_are_case_insensitive_and_values_may_be_quoted() {
        let expect =
            ResponseDirectives { max_age: Some(60), no_store: true, ..ResponseDirectives::default() };
        check("Cache-Control: MAX-AGE=60, No-Store", &expect);
        check("cache-control: max-age=\"60\"\ncache-control: no-store", &expect);
    }

    #[test]
    fn the_smaller_lifetime_wins_and_an_invalid_one_is_zero() {
        check(
            "cache-control: max-age=60, max-age=5",
            &ResponseDirectives { max_age: Some(5), ..ResponseDirectives::default() },
        );
        for text in ["max-age=-1", "max-age=1.5", "max-age=a", "max-age", "max-age="] {
            check(
                &format!("cache-control: {text}"),
                &ResponseDirectives { max_age: Some(0), ..ResponseDirectives::default() },
            );
        }
        check(
            "cache-control: max-age=99999999999999999999",
            &ResponseDirectives { max_age: Some(MAX_DELTA_SECONDS), ..ResponseDirectives::default() },
        );
    }

    #[test]
    fn qualified_directives_apply_to_the_named_fields() {
        let fields = DirectiveScope::Fields(vec!["set-cookie".into(), "x".into()]);
        check(
            "cache-control: private=\"Set-Cookie, X\", max-age=1",
            &ResponseDirectives { private: fields, max_age: Some(1), ..ResponseDirectives::default() },
        );
        check(
            "cache-control: private=\"x\", private",
            &ResponseDirectives { private: DirectiveScope::WholeResponse, ..ResponseDirectives::default() },
        );
    }

    #[test]
    fn a_valid_nonempty_targeted_field_replaces_cache_control() {
        let own = ResponseDirectives { targeted: true, max_age: Some(600), ..ResponseDirectives::default() };
        check("cache-control: no-store\ncdn-cache-control: max-age=600", &own);
        check("cdn-cache-control: max-age=600;a=1, unknown=(1 2), no-store=?0", &own);
        let other = ResponseDirectives { max_age: Some(1), ..ResponseDirectives::default() };
        for invalid in ["max-age=600,, x", "MAX-AGE=600", "", "max-age==1", "max-age=600, Ü"] {
            check(&format!("cache-control: max-age=1\ncdn-cache-control: {invalid}"), &other);
        }
    }

    #[test]
    fn pragma_counts_only_without_cache_control() {
        let parse = |text| RequestDirectives::from_headers(&Headers::parse(text));
        assert!(parse("pragma: no-cache").no_cache);
        assert!(!parse("pragma: no-cache\ncache-control: max-age=1").no_cache);
        assert_eq!(parse("cache-control: max-stale").max_stale, Some(MAX_DELTA_SECONDS));
        assert_eq!(parse("cache-control: max-stale=5, min-fresh=3").min_fresh, Some(3));
    }
}
