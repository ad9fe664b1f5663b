//! The heads of requests and responses. Bodies stay with the shell.

use wire::UnixMillis;

use crate::headers::Headers;

/// The head of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestHead {
    /// The method, in upper case.
    pub method: String,
    /// The header fields.
    pub headers: Headers,
}

/// The head of a response of the origin, with the times of the request and of its arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Headers,
    /// The time at which the request was sent.
    pub requested: UnixMillis,
    /// The time at which the head arrived.
    pub received: UnixMillis,
}

/// A request as the shell received it.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// `https` or `http`.
    pub scheme: &'a str,
    /// The host, with its port unless that is the default of the scheme.
    pub host: &'a str,
    /// The path, not decoded.
    pub path: &'a str,
    /// The query without its question mark, not decoded.
    pub query: &'a str,
    /// The head.
    pub head: &'a RequestHead,
    /// The client's IP address.
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
    /// Creates a GET request with these header fields.
    #[must_use]
    pub fn get(headers: Headers) -> Self {
        Self { method: "GET".into(), headers }
    }

    /// Returns true for the methods to which a stored response may be served (RFC 9110 §9.2.3).
    #[must_use]
    pub fn is_get_or_head(&self) -> bool {
        matches!(&*self.method, "GET" | "HEAD")
    }

    /// Returns true for methods that are not safe (RFC 9110 §9.2.1).
    #[must_use]
    pub fn is_unsafe(&self) -> bool {
        !matches!(&*self.method, "GET" | "HEAD" | "OPTIONS" | "TRACE")
    }

    /// Returns true if a page is requested, by Sec-Fetch-Dest or else by Accept.
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
