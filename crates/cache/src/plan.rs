//! What is done for a request, given what is stored. The plan is the whole decision: a shell looks up,
//! asks here, and performs.

use wire::UnixMillis;

use crate::directives::Wishes;
use crate::ground::{Ground, Grounds};
use crate::message::RequestHead;
use crate::rules::Rules;
use crate::stored::Stored;
use crate::tags::Standing;

/// What is stored under the key of a request, as far as the plan must know it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The answer that is for this request.
    pub stored: &'a Stored,
    /// Whether it was purged.
    pub standing: Standing,
    /// Whether it is asked for so often that it pays to fetch it anew before it goes stale.
    pub is_hot: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Serve what is stored.
    Serve,
    /// Serve what is stored, and ask the origin meanwhile with these fields.
    ServeThenRevalidate(Conditions),
    /// Ask the origin first with these fields. If it fails, serve what is stored where `or_stale`.
    Revalidate {
        /// What to ask with.
        conditions: Conditions,
        /// Whether what is stored may stand in for an error.
        or_stale: bool,
    },
    /// Nothing that is stored is of use: fetch. If it fails, serve what is stored where `or_stale`.
    Fetch {
        /// Whether what is stored may stand in for an error.
        or_stale: bool,
    },
    /// 504: the visitor wants nothing of the origin.
    NotCached,
}

/// The fields with which the origin is asked whether what is stored still holds.
pub type Conditions = Vec<(&'static str, String)>;

/// What to do for a request that may be answered from the cache.
#[must_use]
pub fn plan(
    found: Option<Found<'_>>,
    request: &RequestHead,
    rules: &Rules,
    now: UnixMillis,
    grounds: &mut Grounds,
) -> Plan {
    let wishes = Wishes::of(&request.headers);
    let plan = match found {
        None => {
            grounds.note(Ground::NothingStored);
            Plan::Fetch { or_stale: false }
        }
        Some(found) => judge(found, &heeded(wishes, rules), rules, now, grounds),
    };
    match plan {
        // RFC 9111 §5.2.1.7; kept even where other wishes are not, because it spares the origin.
        Plan::Fetch { .. } | Plan::Revalidate { .. } if wishes.only_if_cached => {
            grounds.note(Ground::OnlyIfCached);
            Plan::NotCached
        }
        plan => plan,
    }
}

/// Whether what is stored may stand in for an error of the origin.
#[must_use]
pub fn stands_in(stored: &Stored, rules: &Rules, now: UnixMillis, grounds: &mut Grounds) -> bool {
    let by = stored.staleness(now).unwrap_or(0);
    if stored.terms.must_revalidate || stored.terms.never_without_validation {
        grounds.note(Ground::MustRevalidate);
        return false;
    }
    let window = rules.in_place_of_error(&stored.terms);
    let stands = window > 0 && by <= window;
    grounds.note(match stands {
        true => Ground::StaleIfError { by, window },
        false => Ground::NoStaleForError { by, window },
    });
    stands
}

fn heeded(wishes: Wishes, rules: &Rules) -> Wishes {
    match rules.heeds_visitors {
        true => wishes,
        false => Wishes { only_if_cached: wishes.only_if_cached, ..Wishes::default() },
    }
}

fn judge(found: Found<'_>, wishes: &Wishes, rules: &Rules, now: UnixMillis, grounds: &mut Grounds) -> Plan {
    let stored = found.stored;
    match found.standing {
        Standing::Purged => {
            grounds.note(Ground::PurgedHard);
            return Plan::Fetch { or_stale: false };
        }
        Standing::Unknown => {
            grounds.note(Ground::PurgesUnknown);
            let or_stale = rules.trusts_unknown && stands_in(stored, rules, now, grounds);
            return Plan::Fetch { or_stale };
        }
        Standing::Stale => grounds.note(Ground::PurgedSoft),
        Standing::Good => {}
    }
    let staleness = match (found.standing, stored.staleness(now)) {
        (Standing::Stale, by) => Some(by.unwrap_or(0)),
        (_, by) => by,
    };
    let lifetime = stored.terms.lifetime;
    let source = stored.terms.source;
    match staleness {
        None => grounds.note(Ground::Fresh { age: stored.age(now), lifetime, source }),
        Some(by) => grounds.note(Ground::Stale { by, lifetime, source }),
    }
    if stored.terms.never_without_validation {
        grounds.note(Ground::NeverWithoutValidation);
        return ask(stored, rules, now, grounds);
    }
    if let Some(ground) = unwelcome(stored, wishes, now) {
        grounds.note(ground);
        return ask(stored, rules, now, grounds);
    }
    match staleness {
        None => serve_fresh(found, now, grounds),
        Some(by) => serve_stale(stored, by, wishes, rules, now, grounds),
    }
}

/// What the visitor asks for beyond freshness, if it is not so.
fn unwelcome(stored: &Stored, wishes: &Wishes, now: UnixMillis) -> Option<Ground> {
    let age = stored.age(now);
    let left = stored.left(now);
    if wishes.no_cache {
        return Some(Ground::VisitorWantsValidation);
    }
    // max-stale widens what max-age allows (RFC 9111 §5.2.1.1).
    if let Some(max_age) = wishes.max_age
        && age > max_age.saturating_add(wishes.max_stale.unwrap_or(0))
    {
        return Some(Ground::VisitorWantsYounger { max_age, age });
    }
    match wishes.min_fresh {
        Some(min_fresh) if left < min_fresh => Some(Ground::VisitorWantsFresher { min_fresh, left }),
        _ => None,
    }
}

fn serve_fresh(found: Found<'_>, now: UnixMillis, grounds: &mut Grounds) -> Plan {
    let left = found.stored.left(now);
    let lifetime = found.stored.terms.lifetime;
    // Others get what is stored meanwhile, so that nobody waits when it goes stale.
    if found.is_hot && lifetime >= LEAST_REFRESHED && left <= lifetime / 10 {
        grounds.note(Ground::RefreshedEarly { left });
        return Plan::ServeThenRevalidate(conditions(found.stored, grounds));
    }
    Plan::Serve
}

fn serve_stale(
    stored: &Stored,
    by: u64,
    wishes: &Wishes,
    rules: &Rules,
    now: UnixMillis,
    grounds: &mut Grounds,
) -> Plan {
    // RFC 9111 §5.2.2.2: not even where something else would allow it.
    if stored.terms.must_revalidate {
        grounds.note(Ground::MustRevalidate);
        return ask(stored, rules, now, grounds);
    }
    let window = rules.while_revalidating(&stored.terms);
    if window > 0 && by <= window {
        grounds.note(Ground::StaleWhileRevalidate { by, window });
        return Plan::ServeThenRevalidate(conditions(stored, grounds));
    }
    if let Some(max_stale) = wishes.max_stale
        && !stored.terms.forbids_implied_stale
        && by <= max_stale
    {
        grounds.note(Ground::VisitorTakesStale { max_stale });
        return Plan::Serve;
    }
    ask(stored, rules, now, grounds)
}

fn ask(stored: &Stored, rules: &Rules, now: UnixMillis, grounds: &mut Grounds) -> Plan {
    let conditions = conditions(stored, grounds);
    // Whether it stands in is said when there is an error; here it is only prepared for.
    let or_stale = stands_in(stored, rules, now, &mut Grounds::new());
    match conditions.is_empty() {
        true => Plan::Fetch { or_stale },
        false => Plan::Revalidate { conditions, or_stale },
    }
}

fn conditions(stored: &Stored, grounds: &mut Grounds) -> Conditions {
    let conditions: Conditions = stored.validators().map(|(name, value)| (name, value.to_owned())).collect();
    grounds.note(match conditions.first() {
        Some(("if-none-match", _)) => Ground::Validates { with: "its ETag" },
        Some(_) => Ground::Validates { with: "Last-Modified" },
        None => Ground::CannotValidate,
    });
    conditions
}

/// Below this many seconds, going stale costs nobody much.
const LEAST_REFRESHED: u64 = 20;
