//! What a 304 of the origin makes of what is stored (RFC 9111 §4.3.3 and §4.3.4).

use crate::ground::Grounds;
use crate::headers::Headers;
use crate::message::{RequestHead, ResponseHead};
use crate::rules::Rules;
use crate::store::storable;
use crate::stored::Stored;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freshened {
    /// What is stored holds, with the fields that the origin sent.
    Still(Box<Stored>),
    /// It holds for this request, and may not be kept any longer.
    Once(Box<Stored>),
    /// The origin speaks of something else than what is stored: it must be fetched whole.
    Another,
}

/// Brings what is stored up to date by a 304 to a request that asked about it.
#[must_use]
pub fn freshen(
    stored: &Stored,
    request: &RequestHead,
    answer: &ResponseHead,
    rules: &Rules,
    stamp: u64,
    grounds: &mut Grounds,
) -> Freshened {
    // RFC 9111 §4.3.4: a strong tag names what it is about.
    let own = stored.headers.first("etag").filter(|_| !stored.etag_is_ours);
    let is_other = |tag: &str| !tag.starts_with("W/") && own.is_some_and(|own| own != tag);
    if answer.headers.first("etag").is_some_and(is_other) {
        return Freshened::Another;
    }
    let response = ResponseHead {
        status: stored.status,
        headers: merged(stored, &answer.headers),
        requested: answer.requested,
        received: answer.received,
    };
    let mut kept = Grounds::new();
    match storable(request, &response, rules, stamp, &mut kept) {
        Some(mut fresh) => {
            fresh.etag_is_ours = stored.etag_is_ours;
            // An origin tags its whole answers; one that does not repeat the tags does not revoke them.
            if fresh.tags.is_empty() {
                fresh.tags.clone_from(&stored.tags);
            }
            for ground in kept.iter() {
                grounds.note(ground.clone());
            }
            Freshened::Still(Box::new(fresh))
        }
        None => {
            if let Some(ground) = kept.last() {
                grounds.note(ground.clone());
            }
            let headers = { response.headers };
            Freshened::Once(Box::new(Stored {
                headers,
                received: answer.received,
                initial_age: 0,
                ..stored.clone()
            }))
        }
    }
}

/// RFC 9111 §3.2: every field of the new answer replaces those of its name, but for those that are
/// about the body that was not sent.
fn merged(stored: &Stored, update: &Headers) -> Headers {
    let mut update = update.clone();
    update.end_hop();
    update.retain(|name| !OF_THE_BODY.contains(&name));
    let mut merged = stored.headers.clone();
    // What was added to what is stored says nothing of this answer.
    merged.remove("age");
    if !update.has("date") {
        merged.remove("date");
    }
    merged.retain(|name| !update.has(name));
    for (name, value) in update.iter() {
        merged.append(name, value);
    }
    merged
}

const OF_THE_BODY: &[&str] = &["content-length", "content-encoding", "content-range", "content-type", "etag"];
