//! Errors of the API: each variant is a sentence with its cause, place and remedy, an HTTP status and an RFC 9457
//! problem.

use core::fmt;
use std::borrow::Cow;

use serde::Serialize;

use crate::routes::Right;

/// An error of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The body exceeds the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body is not JSON, or a field has the wrong type.
    Malformed {
        /// The path of the field; empty for the whole body.
        field: String,
        /// The parser's message.
        reason: String,
    },
    /// The version is newer than this Worker.
    UnknownVersion {
        /// The version in the body.
        found: u64,
    },
    /// A field has an invalid value.
    OutOfRange {
        /// The name of the field.
        field: &'static str,
        /// The valid values.
        expected: &'static str,
    },
    /// The site is not in SITES.
    UnknownSite {
        /// The requested site.
        site: String,
    },
    /// The page's origin is not in the site's list.
    ForeignOrigin {
        /// The page's origin.
        origin: String,
    },
    /// A query parameter has an invalid value.
    BadQuery {
        /// The parameter's name.
        name: &'static str,
        /// The valid values.
        expected: &'static str,
    },
    /// The request is not a WebSocket handshake.
    UpgradeRequired,
    /// Too many requests from one client network or for one site.
    TooManyRequests {
        /// Seconds to wait before the next attempt.
        retry_after: u32,
    },
    /// The site has had as many beacons as it accepts in a day.
    OverQuota {
        /// Seconds to wait before the next attempt.
        retry_after: u32,
    },
    /// A token with a right is missing, or there is no such site: the answer does not tell which.
    Unauthorized {
        /// The right.
        right: Right,
    },
    /// The query reads too much.
    TooDear {
        /// The rows that it would read, by an estimate.
        rows: u64,
        /// The rows that one query may read.
        limit: u64,
    },
    /// The path does not support the method.
    MethodNotAllowed {
        /// The supported methods, as an `Allow` field lists them.
        allow: String,
    },
    /// The state of the site does not allow the change.
    Conflict {
        /// The reason and the remedy, as the rest of a sentence after "The call was refused: ".
        reason: String,
    },
    /// The path is unknown.
    NotFound,
    /// A component did not answer; nothing was acknowledged.
    Unavailable {
        /// The component.
        component: &'static str,
    },
}

/// A problem document (RFC 9457 §3.1) with the invalid field as an extension member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem<'a> {
    /// `urn:edge-vitals:` and the title.
    r#type: String,
    /// The stable code of the problem.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// The cause and the remedy, in a sentence.
    detail: String,
    /// The invalid field or parameter, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl ApiError {
    /// Returns the HTTP status of the response.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } | Self::BadQuery { .. } => 400,
            Self::Unauthorized { .. } => 401,
            Self::ForeignOrigin { .. } => 403,
            Self::NotFound | Self::UnknownSite { .. } => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::Conflict { .. } => 409,
            Self::TooLarge { .. } => 413,
            Self::UnknownVersion { .. } | Self::OutOfRange { .. } | Self::TooDear { .. } => 422,
            Self::UpgradeRequired => 426,
            Self::TooManyRequests { .. } | Self::OverQuota { .. } => 429,
            Self::Unavailable { .. } => 503,
        }
    }

    /// Returns the stable name by which rejections are counted.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too-large",
            Self::Malformed { .. } => "malformed",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::OutOfRange { .. } => "out-of-range",
            Self::UnknownSite { .. } => "unknown-site",
            Self::ForeignOrigin { .. } => "foreign-origin",
            Self::BadQuery { .. } => "bad-query",
            Self::UpgradeRequired => "no-socket",
            Self::TooManyRequests { .. } => "too-many",
            Self::OverQuota { .. } => "over-quota",
            Self::Unauthorized { .. } => "unauthorized",
            Self::TooDear { .. } => "too-dear",
            Self::MethodNotAllowed { .. } => "wrong-method",
            Self::Conflict { .. } => "conflict",
            Self::NotFound => "not-found",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// Returns the invalid field or parameter, if there is one.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Malformed { field, .. } => Some(field.as_str()).filter(|field| !field.is_empty()),
            Self::OutOfRange { field, .. } => Some(field),
            Self::BadQuery { name, .. } => Some(name),
            Self::UnknownVersion { .. } => Some("v"),
            Self::UnknownSite { .. } => Some("site"),
            _ => None,
        }
    }

    /// Returns the RFC 9457 problem document as JSON.
    #[must_use]
    pub fn problem_json(&self) -> String {
        let problem = Problem {
            r#type: format!("urn:edge-vitals:{}", self.code()),
            title: self.code(),
            status: self.status(),
            detail: self.to_string(),
            field: self.field(),
        };
        // Strings and numbers are always writable; a body without them would hide the status.
        serde_json::to_string(&problem)
            .unwrap_or_else(|_| format!(r#"{{"type":"about:blank","status":{}}}"#, self.status()))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "The body exceeds {limit} bytes; send a shorter one."),
            Self::Malformed { field, reason } if field.is_empty() => {
                write!(f, "The body is invalid: {}.", truncate(reason))
            }
            Self::Malformed { field, reason } => {
                write!(f, "`{field}` is invalid: {}.", truncate(reason))
            }
            Self::UnknownVersion { found } => write!(
                f,
                "The beacon has version {found}; this Worker reads versions up to {}. Deploy the Worker before the client.",
                crate::beacon_version::VERSION
            ),
            Self::OutOfRange { field, expected } => write!(f, "`{field}` must be {expected}."),
            Self::Conflict { reason } => write!(f, "The call was refused: {reason}."),
            Self::UnknownSite { site } => {
                write!(f, "There is no site `{}` here; add it to SITES in wrangler.toml.", truncate(site))
            }
            Self::ForeignOrigin { origin } => write!(
                f,
                "The origin `{}` is not in the list of this site; add it to SITES in wrangler.toml.",
                truncate(origin)
            ),
            Self::BadQuery { name, expected } => write!(f, "The parameter `{name}` must be {expected}."),
            Self::UpgradeRequired => write!(f, "This path is a WebSocket; send `Upgrade: websocket`."),
            Self::TooManyRequests { retry_after } => {
                write!(f, "Too many requests; try again in {retry_after} s.")
            }
            Self::OverQuota { retry_after } => write!(
                f,
                "This site has had as many beacons as `beacons_per_day` allows; try again in {retry_after} s."
            ),
            Self::Unauthorized { right } => {
                let what = match right {
                    Right::Read => "This site is not public, or there is none of this name",
                    _ => "This call requires a token, or there is no site of this name",
                };
                let secret =
                    right.secret().map(|secret| format!(" the secret {secret} or")).unwrap_or_default();
                write!(
                    f,
                    "{what}; send `Authorization: Bearer` with{secret} a token that has the right `{}`.",
                    right.name()
                )
            }
            Self::TooDear { rows, limit } => write!(
                f,
                "The query would read about {rows} rows, and may read {limit} without a token; ask for a shorter time span, for whole days grouped only by route and device, or send a read token."
            ),
            Self::MethodNotAllowed { allow } => {
                write!(f, "This path does not support the method; use {allow}.")
            }
            Self::NotFound => write!(f, "This path does not exist."),
            Self::Unavailable { component } => {
                write!(f, "The {component} did not answer and nothing was stored; retry.")
            }
        }
    }
}

impl std::error::Error for ApiError {}

/// Truncates text of the request to 120 characters, so that the response stays short.
fn truncate(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(120) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_the_field_and_the_expected_value() {
        let error = ApiError::OutOfRange { field: "m.LCP", expected: "at most 600000 ms" };
        assert_eq!(
            error.problem_json(),
            r#"{"type":"urn:edge-vitals:out-of-range","title":"out-of-range","status":422,"detail":"`m.LCP` must be at most 600000 ms.","field":"m.LCP"}"#
        );
    }

    #[test]
    fn long_input_is_truncated_in_the_problem() {
        let long = "é".repeat(10_000);
        let echo = ApiError::Malformed { field: String::new(), reason: long.clone() };
        let field = ApiError::Malformed { field: "site".into(), reason: long.clone() };
        for error in [ApiError::UnknownSite { site: long }, echo, field] {
            assert!(error.problem_json().len() < 500, "{error}");
        }
    }
}
