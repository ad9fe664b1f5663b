//! The heads of requests and responses, as a shell hands them over. Bodies never come here.

use wire::UnixMillis;

use crate::headers::Headers;

/// The head of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// In capitals, as it came.
    pub method: String,
    /// The header fields.
    pub headers: Headers,
}

/// The head of a response of the origin, and when it was asked for and got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// When the request was sent.
    pub requested: UnixMillis,
    /// When the head had come.
    pub received: UnixMillis,
}

impl RequestHead {
    /// GET with these fields.
    #[must_use]
    pub fn get(headers: Headers) -> Self {
        Self { method: "GET".into(), headers }
    }

    /// Whether nothing is changed by it, so that a stored answer may do (RFC 9110 §9.2.1).
    #[must_use]
    pub fn is_get_or_head(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD")
    }

    /// Whether it may change something at the origin.
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        !matches!(&*self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }
}
