//! The memory tier: its bound, its order of eviction, variants, and what it notes of uncacheable responses.

#![expect(clippy::expect_used, reason = "a test that cannot go on fails")]

use std::rc::Rc;

use cache::{
    CacheEntry, DecisionLog, Headers, MemoryCache, MemoryEntry, RequestHead, ResponseHead, RoutePolicy,
    UnixMillis, storable_entry,
};

const START: UnixMillis = UnixMillis(1_700_000_000_000);
/// More than the overhead of an entry, so that bodies decide.
const BODY: u32 = 100_000;

fn entry(max_age: u64) -> CacheEntry {
    let headers = Headers::parse(&format!("cache-control: max-age={max_age}"));
    let answer = ResponseHead { status: 200, headers, requested: START, received: START };
    let request = RequestHead::get(Headers::new());
    storable_entry(&request, &answer, &RoutePolicy::default(), 0, &mut DecisionLog::new()).expect("stored")
}

fn page(path: &str, max_age: u64, body_length: u32) -> Rc<MemoryEntry<()>> {
    Rc::new(MemoryEntry::new(entry(max_age), (), body_length, format!("https://www.example{path}")))
}

fn cache(max_bytes: usize) -> MemoryCache<()> {
    let mut cache = MemoryCache::default();
    cache.set_max_bytes(max_bytes);
    cache
}

fn has(cache: &mut MemoryCache<()>, key: &str) -> bool {
    cache.get(key, &Headers::new()).is_some()
}

#[test]
fn the_least_recently_used_entry_makes_room_and_no_more_than_needed() {
    let mut cache = cache(2 * BODY as usize + BODY as usize / 2);
    cache.insert("a".into(), page("/a", 60, BODY));
    cache.insert("b".into(), page("/b", 60, BODY));
    assert!(has(&mut cache, "a"), "now the most recently used");
    cache.insert("c".into(), page("/c", 60, BODY));
    assert_eq!(["a", "b", "c"].map(|key| has(&mut cache, key)), [true, false, true]);
    // An entry in its own place takes the room of the one that it replaces.
    cache.insert("c".into(), page("/c", 60, BODY));
    assert!(has(&mut cache, "a") && has(&mut cache, "c"));
    assert!(has(&mut cache, "c"), "now the most recently used");
    cache.insert("d".into(), page("/d", 60, BODY));
    assert_eq!(["a", "c", "d"].map(|key| has(&mut cache, key)), [false, true, true]);
}

#[test]
fn entries_up_to_the_very_limit_are_kept_and_one_beyond_it_changes_nothing() {
    let exact = {
        // The size of an entry shows in the smallest limit that keeps it.
        let keeps = |limit: usize| {
            let mut cache = cache(limit);
            cache.insert("a".into(), page("/a", 60, 1000));
            has(&mut cache, "a")
        };
        (1000..4000).find(|limit| keeps(*limit)).expect("a limit")
    };
    let mut two = cache(2 * exact);
    two.insert("a".into(), page("/a", 60, 1000));
    two.insert("b".into(), page("/b", 60, 1000));
    assert!(has(&mut two, "a") && has(&mut two, "b"));
    two.insert("c".into(), page("/c", 60, BODY));
    assert!(has(&mut two, "a") && has(&mut two, "b") && !has(&mut two, "c"));
}

#[test]
fn variants_of_a_key_are_told_apart_by_the_fields_they_vary_on() {
    let mut cache = cache(10 * BODY as usize);
    cache.set_vary_fields("k", vec!["accept".into()]);
    let html = Headers::parse("accept: text/html");
    let storage_key = cache.storage_key("k", &html);
    cache.insert(storage_key, page("/k", 60, 10));
    assert!(cache.get("k", &html).is_some());
    assert!(cache.get("k", &Headers::parse("accept: image/png")).is_none());
    assert_eq!(cache.vary_fields("k").as_deref(), Some(&["accept".to_owned()][..]));
    cache.forget_vary_fields("k");
    assert!(cache.get("k", &html).is_none(), "the plain key has another entry");
}

#[test]
fn a_key_is_uncacheable_for_a_minute_or_until_something_is_stored() {
    let mut cache = cache(10 * BODY as usize);
    cache.mark_uncacheable("a", START);
    let later = |ms| START.saturating_add(ms);
    assert!(cache.is_uncacheable("a", START) && cache.is_uncacheable("a", later(59_999)));
    assert!(!cache.is_uncacheable("a", later(60_000)) && !cache.is_uncacheable("b", START));
    cache.insert("a".into(), page("/a", 60, 10));
    assert!(!cache.is_uncacheable("a", START));
}

/// Keys of attackers must not displace the knowledge of others, nor stay longer than it is good for.
#[test]
fn uncacheable_keys_are_bounded_and_expired_ones_make_room() {
    let mut cache = cache(BODY as usize);
    cache.mark_uncacheable("first", START);
    (0..20_000).for_each(|index| cache.mark_uncacheable(&format!("{index}"), START));
    assert!(cache.is_uncacheable("first", START) && !cache.is_uncacheable("19999", START));
    let expired = START.saturating_add(60_000);
    cache.mark_uncacheable("late", expired);
    assert!(cache.is_uncacheable("late", expired));
}

#[test]
fn entries_in_the_last_quarter_of_their_lifetime_are_listed_by_use() {
    let mut cache = cache(10 * BODY as usize);
    for (path, max_age, uses) in [("/a", 100, 1), ("/b", 100, 3), ("/fresh", 1000, 9), ("/c", 90, 2)] {
        let page = page(path, max_age, 10);
        (0..uses).for_each(|_| page.record_use());
        cache.insert(path.into(), page);
    }
    let listed = |seconds: u64, limit| cache.expiring_soon(START.saturating_add(seconds * 1000), limit);
    let urls =
        |paths: &[&str]| paths.iter().map(|path| format!("https://www.example{path}")).collect::<Vec<_>>();
    assert_eq!(listed(67, 9), urls(&[]));
    assert_eq!(listed(74, 9), urls(&["/c"]));
    assert_eq!(listed(75, 9), urls(&["/b", "/c", "/a"]));
    assert_eq!(listed(75, 2), urls(&["/b", "/c"]));
}
