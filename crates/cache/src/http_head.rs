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

/// A request as the shell has read it.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with a port where it is not the usual one.
    pub host: &'a str,
    /// The path as it came.
    pub path: &'a str,
    /// The query as it came, without its question mark.
    pub query: &'a str,
    /// The head.
    pub head: &'a RequestHead,
    /// The visitor's address.
    pub client_ip: &'a str,
}

/// A URL split without decoding or normalising any part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlParts<'a> {
    /// The scheme.
    pub scheme: &'a str,
    /// The host, with its port if the URL names one.
    pub host: &'a str,
    /// The path.
    pub path: &'a str,
    /// The query without its question mark.
    pub query: &'a str,
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

    /// Returns true if the response is to be a page: by Sec-Fetch-Dest, or else by Accept.
    pub(crate) fn is_for_document(&self) -> bool {
        match self.headers.first("sec-fetch-dest") {
            Some(destination) => destination == "document",
            None => self.headers.first("accept").is_some_and(|accept| accept.contains("text/html")),
        }
    }
}

impl<'a> UrlParts<'a> {
    /// Splits an absolute URL with a path. A fragment is dropped.
    #[must_use]
    pub fn parse(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let rest = rest.strip_prefix("//")?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
        let at = before.find('/')?;
        Some(Self { scheme, host: before.get(..at)?, path: before.get(at..)?, query })
    }
}
