//! Whether an answer may be stored, and on what terms. RFC 9111 §3 in its order, and where a shared
//! cache before other people's sites must be more careful than that, the reason.

use crate::date;
use crate::directives::{Directives, Scope};
use crate::ground::{Ground, Grounds, Source};
use crate::message::{RequestHead, ResponseHead};
use crate::rules::Rules;
use crate::stored::{Stored, Terms, initial_age, sent};
use crate::tags;
use crate::vary;

/// What is stored of an answer; nothing where it may not be. The grounds say which rule decided.
#[must_use]
pub fn storable(
    request: &RequestHead,
    response: &ResponseHead,
    rules: &Rules,
    stamp: u64,
    grounds: &mut Grounds,
) -> Option<Stored> {
    let directives = Directives::of(&response.headers);
    match refusal(request, response, &directives, rules, grounds) {
        Some(ground) => {
            grounds.note(ground);
            None
        }
        None => keep(response, &directives, rules, stamp, grounds),
    }
}

/// The first rule that forbids it.
fn refusal(
    request: &RequestHead,
    response: &ResponseHead,
    directives: &Directives,
    rules: &Rules,
    grounds: &mut Grounds,
) -> Option<Ground> {
    let status = response.status;
    if request.method != "GET" {
        return Some(Ground::NotARead { method: request.method.clone() });
    }
    if !(200..=599).contains(&status) {
        return Some(Ground::NotFinal { status });
    }
    if status == 206 || status == 304 {
        return Some(Ground::Partial);
    }
    // RFC 9111 §7.1: what one request brought about must not be what others get.
    if MOMENTARY.contains(&status) {
        return Some(Ground::Momentary { status });
    }
    match (directives.must_understand, UNDERSTOOD.contains(&status)) {
        (true, false) => return Some(Ground::NotUnderstood { status }),
        // RFC 9111 §5.2.2.3: who understands ignores no-store.
        (true, true) => grounds.note(Ground::MustUnderstand { status }),
        (false, _) if directives.no_store => return Some(Ground::NoStore),
        (false, _) => grounds.note(Ground::Understood { status }),
    }
    if directives.private == Scope::Everything {
        return Some(Ground::Private);
    }
    if rules.heeds_visitors && crate::directives::Wishes::of(&request.headers).no_store {
        return Some(Ground::VisitorForbidsStore);
    }
    if request.headers.has("authorization") {
        let is_shared = directives.public || directives.must_revalidate || directives.s_maxage.is_some();
        if !is_shared {
            return Some(Ground::Authorized);
        }
        grounds.note(Ground::AuthorizedButShared);
    }
    let hidden = |name: &str| {
        let of = |scope: &Scope| scope.fields().iter().any(|field| field == name);
        of(&directives.private) || of(&directives.no_cache)
    };
    // RFC 9111 §7.3 leaves it to the origin; origins forget. One that names the field remembered.
    if response.headers.has("set-cookie") && !hidden("set-cookie") {
        return Some(Ground::SetsCookie);
    }
    if tags::of(&response.headers).is_none() {
        return Some(Ground::TooManyTags { most: tags::MOST_OF_AN_ANSWER });
    }
    vary::names(&response.headers, &rules.vary).err()
}

fn keep(
    response: &ResponseHead,
    directives: &Directives,
    rules: &Rules,
    stamp: u64,
    grounds: &mut Grounds,
) -> Option<Stored> {
    let mut terms = Terms::of(response, directives);
    if terms.source == Source::None
        && let Some((lifetime, source)) = implied(response, directives, rules)
    {
        (terms.lifetime, terms.source) = (lifetime, source);
    }
    // RFC 9111 §3, its last condition: no-cache alone does not make every status storable.
    let is_usual = GUESSABLE.contains(&response.status) || NOT_THERE.contains(&response.status);
    let never_needs_lifetime = directives.public || directives.no_cache == Scope::Everything && is_usual;
    if terms.source == Source::None && !never_needs_lifetime {
        grounds.note(Ground::NoLifetime { status: response.status });
        return None;
    }
    grounds.note(Ground::Lifetime { seconds: terms.lifetime, source: terms.source });

    let mut headers = response.headers.clone();
    headers.end_hop();
    let hidden: Vec<&str> =
        directives.private.fields().iter().chain(directives.no_cache.fields()).map(String::as_str).collect();
    if !hidden.is_empty() {
        headers.retain(|name| !hidden.contains(&name));
        grounds.note(Ground::PrivateFields { names: hidden.join(", ") });
    }
    headers.retain(|name| !NOT_KEPT.contains(&name));
    if date::parse(headers.first("date").unwrap_or_default()).is_none() {
        headers.set("date", &date::format(response.received.0 / 1000));
    }
    let stored = Stored {
        status: response.status,
        headers,
        initial_age: initial_age(response),
        received: response.received,
        stamp,
        tags: tags::of(&response.headers).unwrap_or_default(),
        terms,
        etag_is_ours: false,
    };
    let is_stale = stored.terms.never_without_validation || stored.staleness(response.received).is_some();
    let may_be_stale =
        rules.while_revalidating(&stored.terms).max(rules.in_place_of_error(&stored.terms)) > 0;
    if is_stale && !may_be_stale && stored.validators().next().is_none() {
        grounds.note(Ground::UselessUnvalidated);
        return None;
    }
    grounds.note(Ground::Stored);
    Some(stored)
}

/// The lifetime where the origin says none: the route's word, or else a guess.
fn implied(response: &ResponseHead, directives: &Directives, rules: &Rules) -> Option<(u64, Source)> {
    let status = response.status;
    if directives.no_cache == Scope::Everything {
        return None;
    }
    if NOT_THERE.contains(&status) {
        return (rules.negative_ttl > 0).then_some((rules.negative_ttl, Source::Negative));
    }
    if !GUESSABLE.contains(&status) && !directives.public {
        return None;
    }
    if let Some(ttl) = rules.ttl
        && GUESSABLE.contains(&status)
    {
        return Some((ttl, Source::Route));
    }
    // RFC 9111 §4.2.2: a tenth of the time since it changed, and here a day at most.
    let modified = date::parse(response.headers.first("last-modified")?)?;
    let lifetime = (sent(response).saturating_sub(modified) / 10).min(MOST_GUESSED);
    Some((lifetime, Source::Heuristic))
}

/// RFC 9110 §15.1, without those about what is not there and without 206.
const GUESSABLE: &[u16] = &[200, 203, 204, 300, 301, 308];
/// What is not there, not allowed, or not to be had, for everybody.
const NOT_THERE: &[u16] = &[404, 410];
/// What we know the meaning of for a cache.
const UNDERSTOOD: &[u16] =
    &[200, 203, 204, 300, 301, 302, 303, 307, 308, 401, 402, 403, 404, 405, 410, 414, 451, 501];
/// About one request, or one moment.
const MOMENTARY: &[u16] = &[400, 408, 413, 417, 421, 425, 426, 428, 429, 431, 500, 502, 503, 504, 505];
/// What is ours to say, or was for caches before us.
const NOT_KEPT: &[&str] = &["age", "cache-tag", "surrogate-key", "set-cookie", "alt-svc", "server-timing"];
const MOST_GUESSED: u64 = 24 * 3600;
