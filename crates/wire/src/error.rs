//! Why something from outside was not taken: one enum for the boundary, each variant a sentence,
//! and the one place where a refusal becomes a status and an RFC 9457 problem.

use core::fmt;
use std::borrow::Cow;

use serde::Serialize;

/// What was wrong, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// The body is longer than a beacon may be.
    TooLarge {
        /// The most bytes that are read.
        limit: usize,
    },
    /// The body is not JSON, or a field has another type than it must have.
    Malformed {
        /// The path of the field, or empty for the whole body.
        field: String,
        /// What the parser says.
        reason: String,
    },
    /// A later version than this Worker reads.
    UnknownVersion {
        /// The version found.
        found: u64,
    },
    /// A field has the right type and an impossible value.
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// The site is not one that this Worker serves.
    UnknownSite {
        /// The name found.
        site: String,
    },
    /// The page's origin is not on the site's list.
    ForeignOrigin {
        /// The origin found.
        origin: String,
    },
    /// The query parameter has an impossible value.
    BadQuery {
        /// The parameter's name.
        name: &'static str,
        /// What would be right.
        expected: &'static str,
    },
    /// A socket is made here, and none was asked for.
    UpgradeRequired,
    /// Too many requests from one client network or for one site.
    TooManyRequests {
        /// Seconds until it is worth trying again.
        retry_after: u32,
    },
    /// The token is missing or wrong.
    Unauthorized,
    /// The call needs the token of another secret, and it is missing or wrong.
    NeedsToken {
        /// The secret's name.
        secret: &'static str,
    },
    /// The path exists, the method does not.
    MethodNotAllowed {
        /// The methods that do, as an `Allow` header lists them.
        allow: String,
    },
    /// No such path.
    NotFound,
    /// Our own storage did not answer; nothing was acknowledged.
    Unavailable {
        /// Which part.
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
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } | Self::BadQuery { .. } => 400,
            Self::Unauthorized | Self::NeedsToken { .. } => 401,
            Self::ForeignOrigin { .. } => 403,
            Self::NotFound | Self::UnknownSite { .. } => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::TooLarge { .. } => 413,
            Self::UnknownVersion { .. } | Self::OutOfRange { .. } => 422,
            Self::UpgradeRequired => 426,
            Self::TooManyRequests { .. } => 429,
            Self::Unavailable { .. } => 503,
        }
    }

    /// The short, stable name by which refusals are counted.
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
            Self::Unauthorized | Self::NeedsToken { .. } => "unauthorized",
            Self::MethodNotAllowed { .. } => "wrong-method",
            Self::NotFound => "not-found",
            Self::Unavailable { .. } => "unavailable",
        }
    }

    /// The field at fault, where there is one.
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

    /// The RFC 9457 problem document, as JSON.
    #[must_use]
    pub fn problem_json(&self) -> String {
        let problem = Problem {
            r#type: format!("urn:edge-vitals:{}", self.code()),
            title: self.code(),
            status: self.status(),
            detail: self.to_string(),
            field: self.field(),
        };
        serde_json::to_string(&problem).unwrap_or_default()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "The body is longer than {limit} bytes."),
            Self::Malformed { field, reason } if field.is_empty() => {
                write!(f, "The body is not a beacon: {}.", truncate(reason))
            }
            Self::Malformed { field, reason } => {
                write!(f, "`{field}` is not readable: {}.", truncate(reason))
            }
            Self::UnknownVersion { found } => write!(
                f,
                "The beacon has version {found}; this Worker reads versions up to {}. Deploy the Worker before the client.",
                crate::beacon::VERSION
            ),
            Self::OutOfRange { field, expected: want } => write!(f, "`{field}` must be {want}."),
            Self::UnknownSite { site } => {
                write!(f, "There is no site `{}` here; add it to SITES in wrangler.toml.", truncate(site))
            }
            Self::ForeignOrigin { origin } => write!(
                f,
                "The origin `{}` is not on this site's list in SITES of wrangler.toml.",
                truncate(origin)
            ),
            Self::BadQuery { name, expected: want } => write!(f, "The parameter `{name}` must be {want}."),
            Self::UpgradeRequired => write!(f, "This is a WebSocket; ask with `Upgrade: websocket`."),
            Self::TooManyRequests { retry_after } => {
                write!(f, "Too many requests; try again in {retry_after} s.")
            }
            Self::Unauthorized => write!(f, "This needs `Authorization: Bearer` with the site's read token."),
            Self::NeedsToken { secret } => {
                write!(f, "This needs `Authorization: Bearer` with the secret {secret}.")
            }
            Self::MethodNotAllowed { allow } => write!(f, "This path takes {allow}."),
            Self::NotFound => write!(f, "There is nothing at this path."),
            Self::Unavailable { component: part } => {
                write!(f, "The {part} did not answer, and nothing was stored; send it again.")
            }
        }
    }
}

impl std::error::Error for ApiError {}

/// At most 120 characters of what somebody sent, so that an answer never grows with the question.
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
        let refusal = ApiError::OutOfRange { field: "m.LCP", expected: "at most 600000 ms" };
        assert_eq!(
            refusal.problem_json(),
            r#"{"type":"urn:edge-vitals:out-of-range","title":"out-of-range","status":422,"detail":"`m.LCP` must be at most 600000 ms.","field":"m.LCP"}"#
        );
    }

    #[test]
    fn long_input_is_truncated_in_the_problem() {
        let long = "é".repeat(10_000);
        let echo = ApiError::Malformed { field: String::new(), reason: long.clone() };
        let field = ApiError::Malformed { field: "site".into(), reason: long.clone() };
        for refusal in [ApiError::UnknownSite { site: long }, echo, field] {
            assert!(refusal.problem_json().len() < 500, "{refusal}");
        }
    }
}
