//! The rule for sharing a response of the origin: every request field that reached the origin is part of the
//! key, or the response says that it varies on it, or this client alone gets the response.
//!
//! Fields in the key always reach the origin: [`ALWAYS_KEYED`], and the route's `key_headers` and keyed
//! cookies. The fields of content negotiation ([`NEGOTIATED`] and the route's `vary`) reach it as the client
//! sent them, as far as the responses of the URL are expected to vary on them; all of them, if nothing is
//! known. No other field of a client reaches the origin in a request whose response may be shared.

/// The use of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every client with the same key and the same variant may get it.
    Shared,
    /// This client alone may get it.
    Private,
    /// It cannot be shared, and is not made from all fields of this client: request it again.
    AskAgain,
}

/// Decides on the use of a response. `varies_on` has the fields that the response names, without those in
/// the key; none if it cannot be stored. `forwarded` has the client's fields outside the key that reached
/// the origin, and `withheld` those that did not.
#[must_use]
pub fn decide(varies_on: Option<&[String]>, forwarded: &[String], withheld: &[String]) -> Sharing {
    let is_covered = varies_on.is_some_and(|names| {
        forwarded.iter().all(|name| names.contains(name)) && !withheld.iter().any(|name| names.contains(name))
    });
    match (is_covered, withheld.is_empty()) {
        (true, _) => Sharing::Shared,
        // A response for this client alone is made from everything that the client sent.
        (false, true) => Sharing::Private,
        (false, false) => Sharing::AskAgain,
    }
}

/// The fields that are part of every key. There are few codings, and origins that allow one page origin often
/// do not say that they vary.
pub const ALWAYS_KEYED: [&str; 2] = ["accept-encoding", "origin"];
/// The fields that reach the origin if its responses vary on them, on every route.
pub const NEGOTIATED: [&str; 2] = ["accept", "accept-language"];
