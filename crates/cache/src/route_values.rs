//! The values of a route's keys that have a form of their own: hosts, origins, field names and lifetimes.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// The host of a route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostPattern {
    name: String,
    is_wildcard: bool,
}

/// The origin of a route: a scheme and a host.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct OriginUrl(String);

/// The name of a header field, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FieldName(pub String);

/// A lifetime: a class or seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ttl(pub(crate) u64);

impl HostPattern {
    /// Returns a host that matches.
    pub(crate) fn example(&self) -> String {
        if self.is_wildcard { format!("www.{}", self.name) } else { self.name.clone() }
    }

    /// Returns true if a requested host is meant. A pattern without a port stands for every port.
    pub(crate) fn matches(&self, host: &str) -> bool {
        let host = match host.rsplit_once(':') {
            Some((name, port))
                if !self.name.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                name
            }
            _ => host,
        };
        match self.is_wildcard {
            true => host.strip_suffix(&self.name).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1),
            false => host == self.name,
        }
    }
}

impl OriginUrl {
    /// Returns the scheme and host, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for HostPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let pattern = text.strip_prefix("*.").unwrap_or(&text);
        let (name, port) = match pattern.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (pattern, None),
        };
        let is_host = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || ".-".contains(char);
        let mistake = if text.contains("://") {
            "has no scheme: write www.example.com instead of https://www.example.com"
        } else if text.contains('/') {
            "has no path: write it under `path`"
        } else if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            "is in lower case, as browsers send it"
        } else if name.is_empty() || !name.chars().all(is_host) {
            "is like www.example.com, or *.example.com for all names below"
        } else if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            "has a port from 0 to 65535 or none; without one, every port is meant"
        } else {
            return Ok(Self { name: pattern.to_owned(), is_wildcard: pattern.len() < text.len() });
        };
        Err(format!("\"{text}\" is no host of a route, which {mistake}"))
    }
}

impl TryFrom<String> for OriginUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match rest {
            Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => Ok(Self(text)),
            _ => {
                Err(format!("the origin \"{text}\" must be like https://origin.example.com, without a path"))
            }
        }
    }
}

impl TryFrom<String> for FieldName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        if name.is_empty() || !name.bytes().all(crate::headers::is_token_byte) {
            return Err(format!("\"{text}\" is not a valid header field name"));
        }
        if UNSHAREABLE_HEADERS.contains(&name.as_str()) {
            return Err(format!(
                "responses that depend on {text} are not shared; for cookies, use `cookies`"
            ));
        }
        Ok(Self(name))
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TtlVisitor;
        impl de::Visitor<'_> for TtlVisitor {
            type Value = Ttl;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of seconds, or short, medium, long or very_long")
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Ttl, E> {
                Ok(Ttl(seconds))
            }

            fn visit_str<E: de::Error>(self, class: &str) -> Result<Ttl, E> {
                let known = TTL_CLASSES.iter().find(|(name, _)| *name == class);
                known.map(|(_, seconds)| Ttl(*seconds)).ok_or_else(|| {
                    E::custom(format!(
                        "\"{class}\" is not a lifetime class; use short, medium, long, very_long or a number of seconds"
                    ))
                })
            }
        }
        deserializer.deserialize_any(TtlVisitor)
    }
}

const TTL_CLASSES: &[(&str, u64)] = &[("short", 60), ("medium", 300), ("long", 600), ("very_long", 1800)];
/// Fields whose value differs for each client (RFC 9111 §7.3).
pub(crate) const UNSHAREABLE_HEADERS: &[&str] =
    &["cookie", "set-cookie", "authorization", "user-agent", "proxy-authorization"];
