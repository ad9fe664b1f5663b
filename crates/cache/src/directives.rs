//! What a response says to a shared cache: Cache-Control, or what is addressed to caches like this one
//! and replaces it. Read once; unknown directives say nothing to us.

use sfv::{BareItem, Dictionary, ListEntry, Parser};

use crate::headers::{Headers, members};

/// The directives that concern a shared cache.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// They were addressed to us (RFC 9213), so that Expires says nothing.
    pub targeted: bool,
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: Scope,
    /// `private`.
    pub private: Scope,
    /// `public`.
    pub public: bool,
    /// `must-revalidate` or `proxy-revalidate`: here they are the same.
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

/// To what a directive applies that may name fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// It was not said.
    #[default]
    Nothing,
    /// To the fields of these names.
    Fields(Vec<String>),
    /// To the response.
    Everything,
}

/// What a request asks of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `no-cache`, or `Pragma: no-cache` where there is no Cache-Control.
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

impl Directives {
    /// What a response says.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        Self::targeted(headers).unwrap_or_else(|| Self::untargeted(headers))
    }

    /// RFC 9213 §2.2: a field that is addressed to us counts alone, if it is valid and not empty.
    fn targeted(headers: &Headers) -> Option<Self> {
        let text = headers.joined(TARGETED)?;
        let dictionary: Dictionary = Parser::new(&text).parse().ok()?;
        if dictionary.is_empty() {
            return None;
        }
        let mut directives = Self { targeted: true, ..Self::default() };
        for (name, entry) in &dictionary {
            let ListEntry::Item(item) = entry else { continue };
            match &item.bare_item {
                BareItem::Boolean(true) => directives.take(name.as_str(), None),
                BareItem::Integer(number) if i64::from(*number) >= 0 => {
                    directives.take(name.as_str(), Some(&number.to_string()));
                }
                BareItem::String(text) => directives.take_fields(name.as_str(), text.as_str()),
                // `?0` says that it does not apply; of another type is said nothing that is defined.
                _ => {}
            }
        }
        Some(directives)
    }

    fn untargeted(headers: &Headers) -> Self {
        let mut directives = Self::default();
        for member in headers.members("cache-control") {
            let (name, value) = parted(member);
            directives.take(&name, value.as_deref());
        }
        directives
    }

    /// RFC 9111 §4.2.1: of directives that contradict each other, the most careful counts.
    fn take(&mut self, name: &str, value: Option<&str>) {
        let least = |known: Option<u64>| match (known, value.and_then(seconds)) {
            (Some(known), Some(new)) => Some(known.min(new)),
            // A lifetime that is no number is treated as stale.
            (_, None) => Some(0),
            (None, new) => new,
        };
        match name {
            "no-store" => self.no_store = true,
            "public" => self.public = true,
            "must-revalidate" | "proxy-revalidate" => self.must_revalidate = true,
            "must-understand" => self.must_understand = true,
            "s-maxage" => self.s_maxage = least(self.s_maxage),
            "max-age" => self.max_age = least(self.max_age),
            "stale-while-revalidate" => self.stale_while_revalidate = least(self.stale_while_revalidate),
            "stale-if-error" => self.stale_if_error = least(self.stale_if_error),
            "no-cache" | "private" => match value {
                None => self.scope(name, Scope::Everything),
                Some(fields) => self.take_fields(name, fields),
            },
            _ => {}
        }
    }

    fn take_fields(&mut self, name: &str, fields: &str) {
        let fields: Vec<String> = members(fields).map(str::to_ascii_lowercase).collect();
        // One that names no field is meant as one that has no names.
        self.scope(name, if fields.is_empty() { Scope::Everything } else { Scope::Fields(fields) });
    }

    fn scope(&mut self, name: &str, scope: Scope) {
        match name {
            "no-cache" => self.no_cache.widen(scope),
            "private" => self.private.widen(scope),
            _ => {}
        }
    }
}

impl Scope {
    /// The names of the fields, if it is about fields.
    #[must_use]
    pub fn fields(&self) -> &[String] {
        match self {
            Self::Fields(names) => names,
            Self::Nothing | Self::Everything => &[],
        }
    }

    fn widen(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::Everything, _) | (_, Self::Nothing) => {}
            (Self::Fields(known), Self::Fields(new)) => known.extend(new),
            (_, more) => *self = more,
        }
    }
}

impl Wishes {
    /// What a request asks.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        let mut wishes = Self::default();
        for member in headers.members("cache-control") {
            let (name, value) = parted(member);
            let value = value.as_deref();
            match &*name {
                "no-cache" => wishes.no_cache = true,
                "no-store" => wishes.no_store = true,
                "only-if-cached" => wishes.only_if_cached = true,
                "max-age" => wishes.max_age = value.and_then(seconds),
                "min-fresh" => wishes.min_fresh = value.and_then(seconds),
                "max-stale" => wishes.max_stale = Some(value.map_or(MOST, |text| seconds(text).unwrap_or(0))),
                _ => {}
            }
        }
        // RFC 9111 §5.4.
        if !headers.has("cache-control") && headers.members("pragma").contains(&"no-cache") {
            wishes.no_cache = true;
        }
        wishes
    }
}

/// RFC 9111 §1.2.2: digits alone; what does not fit is the greatest that fits.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().map_or(MOST, |number: u64| number.min(MOST)))
}

/// The name in lower case, and the value without its quotes.
fn parted(member: &str) -> (String, Option<String>) {
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

/// RFC 9111 §1.2.2: 2^31 seconds are for ever.
pub(crate) const MOST: u64 = 1 << 31;
/// RFC 9213 §3.1.
const TARGETED: &str = "cdn-cache-control";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &str, expect: &Directives) {
        assert_eq!(Directives::of(&Headers::parse(headers)), *expect, "{headers}");
    }

    #[test]
    fn names_are_of_any_case_and_values_with_or_without_quotes() {
        let expect = Directives { max_age: Some(60), no_store: true, ..Directives::default() };
        check("Cache-Control: MAX-AGE=60, No-Store", &expect);
        check("cache-control: max-age=\"60\"\ncache-control: no-store", &expect);
    }

    #[test]
    fn of_two_lifetimes_the_smaller_counts_and_one_that_is_no_number_is_none() {
        check(
            "cache-control: max-age=60, max-age=5",
            &Directives { max_age: Some(5), ..Directives::default() },
        );
        for text in ["max-age=-1", "max-age=1.5", "max-age=a", "max-age", "max-age="] {
            check(
                &format!("cache-control: {text}"),
                &Directives { max_age: Some(0), ..Directives::default() },
            );
        }
        check(
            "cache-control: max-age=99999999999999999999",
            &Directives { max_age: Some(MOST), ..Directives::default() },
        );
    }

    #[test]
    fn what_names_fields_is_about_fields() {
        let fields = Scope::Fields(vec!["set-cookie".into(), "x".into()]);
        check(
            "cache-control: private=\"Set-Cookie, X\", max-age=1",
            &Directives { private: fields, max_age: Some(1), ..Directives::default() },
        );
        check(
            "cache-control: private=\"x\", private",
            &Directives { private: Scope::Everything, ..Directives::default() },
        );
    }

    #[test]
    fn what_is_addressed_to_us_counts_alone_if_it_is_valid_and_not_empty() {
        let own = Directives { targeted: true, max_age: Some(600), ..Directives::default() };
        check("cache-control: no-store\ncdn-cache-control: max-age=600", &own);
        check("cdn-cache-control: max-age=600;a=1, unknown=(1 2), no-store=?0", &own);
        let other = Directives { max_age: Some(1), ..Directives::default() };
        for invalid in ["max-age=600,, x", "MAX-AGE=600", "", "max-age==1", "max-age=600, Ü"] {
            check(&format!("cache-control: max-age=1\ncdn-cache-control: {invalid}"), &other);
        }
    }

    #[test]
    fn wishes_are_read_and_pragma_where_there_is_nothing_else() {
        let of = |text| Wishes::of(&Headers::parse(text));
        assert!(of("pragma: no-cache").no_cache);
        assert!(!of("pragma: no-cache\ncache-control: max-age=1").no_cache);
        assert_eq!(of("cache-control: max-stale").max_stale, Some(MOST));
        assert_eq!(of("cache-control: max-stale=5, min-fresh=3").min_fresh, Some(3));
    }
}
