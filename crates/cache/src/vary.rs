//! Variants (RFC 9111 §4.1). Values are normalized for the key alone; the origin gets them as they were sent,
//! but for Accept-Encoding, whose normalized form the origin gets.

use std::borrow::Cow;

use crate::decision_log::DecisionReason;
use crate::headers::{Headers, members};
use wire::sorting::SortSlice;

/// Returns the sorted names of the request fields on which a response varies, or the reason why it cannot be
/// shared.
pub fn names(response: &Headers, allowed: &[String]) -> Result<Vec<String>, DecisionReason> {
    let mut names: Vec<String> =
        response.members("vary").iter().map(|name| name.to_ascii_lowercase()).collect();
    // An origin that compresses without Vary would break clients that do not support the coding.
    if response.has("content-encoding") {
        names.push("accept-encoding".to_owned());
    }
    // An origin that allows one page origin by CORS without Vary would lock out the others.
    if response.first("access-control-allow-origin").is_some_and(|origin| origin != "*") {
        names.push("origin".to_owned());
    }
    names.order();
    names.dedup();
    if names.iter().any(|name| name == "*") {
        return Err(DecisionReason::VariesOnAll);
    }
    match names.iter().find(|name| !allowed.contains(name)) {
        Some(name) => Err(DecisionReason::VariesOn { name: name.clone() }),
        None => Ok(names),
    }
}

/// Returns the part of the storage key that names a request's variant; empty if the response does not vary.
#[must_use]
pub fn variant_key(names: &[String], request: &Headers) -> String {
    let mut variant = String::new();
    for name in names {
        let value = request.joined(name);
        variant.push('\n');
        variant.push_str(name);
        // An absent field and an empty one are different variants.
        if let Some(value) = value {
            variant.push('=');
            variant.push_str(&normalize_value(name, &value));
        }
    }
    variant
}

/// Returns a value in the form that all values of its meaning share: in one case, without whitespace, and
/// ordered by weight. Nothing is left out, because the origin may use every part of it.
fn normalize_value<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if !matches!(name, "accept" | "accept-language") {
        return value.into();
    }
    let mut all: Vec<(u32, String)> = members(value).map(normalize_member).collect();
    // RFC 9110 §12.4.2: the weight is the preference. Among equal ones, the order may be.
    all.order_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",").into()
}

fn normalize_member(member: &str) -> (u32, String) {
    let (_, weight) = parse_weighted(member);
    // A quoted value may depend on case and whitespace.
    if member.contains('"') {
        return (weight, member.to_owned());
    }
    let text: String = member.chars().filter(|char| !matches!(char, ' ' | '\t')).collect();
    let lower = text.to_ascii_lowercase();
    let is_plain_weight =
        |part: &&str| part.strip_prefix("q=").is_some_and(|text| parse_weight(text).is_some());
    let parts: Vec<&str> = lower.split(';').filter(|part| !is_plain_weight(part)).collect();
    (weight, format!("{};q={weight}", parts.join(";")))
}

/// Reduces Accept-Encoding to the codings that stored responses have, so that browsers share variants.
pub(crate) fn normalize_codings(request: &mut Headers) {
    let Some(text) = request.joined("accept-encoding") else { return };
    match shared_codings(&text) {
        codings if codings.is_empty() => request.remove("accept-encoding"),
        codings => request.set("accept-encoding", &codings),
    }
}

/// Returns the codings of an Accept-Encoding that stored responses have, in the form of the key.
pub(crate) fn shared_codings(accept_encoding: &str) -> String {
    let named: Vec<(&str, u32)> = members(accept_encoding).map(parse_weighted).collect();
    let codings: Vec<&str> =
        PREFERRED_CODINGS.iter().copied().filter(|coding| coding_weight(&named, coding) > 0).collect();
    codings.join(", ")
}

/// Returns the weight of a content coding in thousandths (RFC 9110 §12.5.3).
fn coding_weight(all: &[(&str, u32)], coding: &str) -> u32 {
    let listed = |wanted: &str| all.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    listed(coding).or_else(|| listed("*")).map_or(0, |(_, weight)| *weight)
}

/// Parses a member such as `gzip;q=0.5` into its name and its weight in thousandths.
fn parse_weighted(member: &str) -> (&str, u32) {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(1000, |text| parse_weight(text).unwrap_or(0));
    (name, weight)
}

/// Parses a weight into thousandths. It has at most three decimal places (RFC 9110 §12.4.2).
fn parse_weight(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let whole: u32 = whole.parse().ok()?;
    let rest: u32 = match rest.len() {
        0 => 0,
        length @ 1..=3 => rest.parse::<u32>().ok()?.saturating_mul([100, 10, 1].get(length - 1).copied()?),
        _ => return None,
    };
    whole.checked_mul(1000)?.checked_add(rest).filter(|weight| *weight <= 1000)
}

/// Content codings in order of preference.
const PREFERRED_CODINGS: &[&str] = &["zstd", "br", "gzip"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_reduced_to_those_of_stored_responses() {
        let normalized = |field: &str| {
            let mut request = Headers::parse(field);
            normalize_codings(&mut request);
            request.first("accept-encoding").unwrap_or_default().to_owned()
        };
        let table = [
            ("accept-encoding: gzip, deflate, br, zstd", "zstd, br, gzip"),
            ("accept-encoding: br;q=0.5, gzip", "br, gzip"),
            ("accept-encoding: br;q=0, gzip;q=0.001", "gzip"),
            ("accept-encoding: *", "zstd, br, gzip"),
            ("accept-encoding: identity", ""),
            ("accept-encoding: gzip;q=nonsense", ""),
        ];
        for (field, expect) in table {
            assert_eq!(normalized(field), expect, "{field}");
        }
    }

    #[test]
    fn values_of_one_meaning_share_a_key_and_no_part_is_left_out() {
        let key_for =
            |name: &str, value: &str| variant_key(&[name.to_owned()], &[(name, value)].into_iter().collect());
        let same = [
            ("accept-language", "gsw-CH, de;q=0.9", "GSW-ch,de ; q=0.90"),
            ("accept-language", "en;q=0.1, fr;q=0.3", "fr;q=0.3, en;q=0.1"),
            ("accept-language", "de", "de;q=1.0"),
            ("accept", "text/html, */*;q=0.8", "*/*;q=0.8,TEXT/HTML"),
        ];
        for (name, one, other) in same {
            assert_eq!(key_for(name, one), key_for(name, other), "{one} | {other}");
        }
        let different = [
            ("accept-language", "gsw-CH, de;q=0.9", "gsw-CH"),
            ("accept-language", "de, en", "en, de"),
            ("accept-language", "de;q=0.5", "de;q=0.6"),
            ("accept-language", "de;q=nonsense", "de"),
            ("accept", "a/b;profile=\"X\"", "a/b;profile=\"x\""),
            ("accept", "application/json", "application/json;v=1"),
            ("x-other", "A", "a"),
        ];
        for (name, one, other) in different {
            assert_ne!(key_for(name, one), key_for(name, other), "{one} | {other}");
        }
    }

    #[test]
    fn absent_and_empty_fields_are_different_variants() {
        let names = ["accept".to_owned()];
        let key_for = |text: &str| variant_key(&names, &Headers::parse(text));
        assert_ne!(key_for(""), key_for("accept:"));
        assert_ne!(key_for("accept: a"), key_for("accept:"));
        assert_eq!(key_for("Accept: a"), key_for("accept:  a "));
    }

    #[test]
    fn varying_on_an_unlisted_field_is_refused() {
        let allowed = ["accept".to_owned()];
        let names_for = |text: &str| names(&Headers::parse(text), &allowed);
        assert_eq!(names_for("vary: Accept, accept"), Ok(vec!["accept".to_owned()]));
        assert_eq!(names_for("vary: accept\nvary: *"), Err(DecisionReason::VariesOnAll));
        assert_eq!(names_for("vary: Cookie"), Err(DecisionReason::VariesOn { name: "cookie".into() }));
    }
}
