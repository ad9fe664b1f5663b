//! Security headers of responses: defaults where the origin sends none, and a route's overrides.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, de};

use crate::headers::{Headers, is_token_byte};

/// The `security_headers` of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityHeaders {
    /// Default headers are added unless the origin sends them.
    adds_defaults: bool,
    /// Headers that replace the origin's. None: the header is removed.
    overrides: BTreeMap<String, Option<String>>,
}

impl SecurityHeaders {
    /// Applies the security headers to the fields of a response.
    pub fn apply(&self, headers: &mut Headers, scheme: &str) {
        for (name, value) in &self.overrides {
            headers.remove(name);
            if let Some(value) = value.as_ref().filter(|_| applies_to_scheme(name, scheme)) {
                headers.append(name, value);
            }
        }
        let defaults = DEFAULT_HEADERS.iter().filter(|(name, _)| {
            self.adds_defaults && applies_to_scheme(name, scheme) && !self.overrides.contains_key(*name)
        });
        for (name, value) in defaults {
            if !headers.has(name) {
                headers.append(name, value);
            }
        }
    }
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self { adds_defaults: true, overrides: BTreeMap::new() }
    }
}

impl<'de> Deserialize<'de> for SecurityHeaders {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecurityHeadersVisitor;
        impl<'de> de::Visitor<'de> for SecurityHeadersVisitor {
            type Value = SecurityHeaders;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "true, false, or an object of header fields with their values, null to remove a field",
                )
            }

            fn visit_bool<E: de::Error>(self, adds_defaults: bool) -> Result<SecurityHeaders, E> {
                Ok(SecurityHeaders { adds_defaults, overrides: BTreeMap::new() })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<SecurityHeaders, A::Error> {
                let mut overrides = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
                    let name = name.to_ascii_lowercase();
                    let is_name = !name.is_empty() && name.bytes().all(is_token_byte);
                    if !is_name || RESERVED_HEADERS.contains(&&*name) {
                        return Err(de::Error::custom(format!(
                            "a route cannot set \"{name}\" in security_headers"
                        )));
                    }
                    let is_value = |value: &String| {
                        !value.is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                    };
                    if !value.iter().all(is_value) {
                        return Err(de::Error::custom(format!(
                            "the value of \"{name}\" must be visible ASCII characters or null"
                        )));
                    }
                    overrides.insert(name, value);
                }
                Ok(SecurityHeaders { adds_defaults: true, overrides })
            }
        }
        deserializer.deserialize_any(SecurityHeadersVisitor)
    }
}

/// Returns false for Strict-Transport-Security over HTTP (RFC 6797 §7.2).
fn applies_to_scheme(name: &str, scheme: &str) -> bool {
    name != "strict-transport-security" || scheme == "https"
}

const DEFAULT_HEADERS: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("x-frame-options", "SAMEORIGIN"),
    ("strict-transport-security", "max-age=31536000"),
];

/// Fields on which caching and message framing depend.
const RESERVED_HEADERS: &[&str] = &[
    "age",
    "cache-control",
    "cache-status",
    "cdn-cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "server-timing",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(config: &str, scheme: &str, origin: &str, expect: &str) {
        let security_headers: SecurityHeaders = serde_json::from_str(config).expect(config);
        let mut headers = Headers::parse(origin);
        security_headers.apply(&mut headers, scheme);
        assert_eq!(headers, Headers::parse(expect), "{config} on {origin}");
    }

    #[test]
    fn defaults_are_added_where_the_origin_sends_none() {
        let rest = "referrer-policy: strict-origin-when-cross-origin\nx-frame-options: SAMEORIGIN";
        check("true", "http", "x-content-type-options: own", &format!("x-content-type-options: own\n{rest}"));
        check(
            "true",
            "https",
            "x-content-type-options: own",
            &format!("x-content-type-options: own\n{rest}\nstrict-transport-security: max-age=31536000"),
        );
        check("false", "https", "a: b", "a: b");
    }

    #[test]
    fn a_route_sets_replaces_and_removes_headers() {
        let config = r#"{"X-Frame-Options": "DENY", "referrer-policy": null, "x-powered-by": null, "permissions-policy": "camera=()"}"#;
        check(
            config,
            "http",
            "x-frame-options: SAMEORIGIN\nreferrer-policy: unsafe-url\nx-powered-by: x",
            "permissions-policy: camera=()\nx-frame-options: DENY\nx-content-type-options: nosniff",
        );
        check(
            r#"{"strict-transport-security": "max-age=1"}"#,
            "http",
            "x-content-type-options: a\nreferrer-policy: b\nx-frame-options: c",
            "x-content-type-options: a\nreferrer-policy: b\nx-frame-options: c",
        );
    }

    #[test]
    fn reserved_and_invalid_headers_are_refused() {
        for config in [
            r#"{"Cache-Control": "x"}"#,
            r#"{"set-cookie": null}"#,
            r#"{"a b": "c"}"#,
            r#"{"a": "b\nc"}"#,
            r#"{"a": ""}"#,
            "1",
        ] {
            assert!(serde_json::from_str::<SecurityHeaders>(config).is_err(), "{config}");
        }
    }
}
