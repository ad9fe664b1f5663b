//! Whatever the order in which views are told, corrected and counted: the causes are those of the views
//! as they were last told, and no total is lost when names find no room.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::causes::{CauseKey, Causes, Moved, moved, touched};
use ledger::{Counted, Horizon, Limits, Place, Retention, Templates, Told, Visitor};
use proptest::prelude::*;
use wire::{Beacon, Metric, UnixMillis};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
const DAY: u64 = 86_400_000;

/// A view as it was told: on which of three days and two routes, what was slow, and which element it named.
fn told((route, element, parts): (u8, u8, [u32; 3]), agent: &str) -> Told {
    let [delay, handlers, frame] = parts;
    let body = format!(
        r##"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/{}","m":{{"INP":900,"LCP":9000}},
        "a":{{"INP":{{"interactionTarget":"#{}","inputDelay":{delay},"processingDuration":{handlers},
        "presentationDelay":{frame}}},"LCP":{{"url":"https://a.example/{}.png"}}}}}}"##,
        char::from(b'a' + route % 2),
        name(element),
        name(element % 5),
    );
    Told::of(
        &Beacon::parse(body.as_bytes()).unwrap(),
        Visitor { agent, mobile_hint: None, country: None },
        &Templates::default(),
    )
}

/// A name without digits, of which each element is another.
fn name(element: u8) -> String {
    format!("e{}{}", char::from(b'a' + element / 16), char::from(b'a' + element % 16))
}

fn counted(told: Told) -> Counted {
    Counted { told, limits: Limits::default(), sent: 1, heard: 1, place: Place::Own }
}

const PEOPLE: &str = "Mozilla/5.0 Chrome/156.0.0.0";

type Sends = Vec<(u8, (u8, u8, [u32; 3]))>;

fn sends(elements: u8) -> impl Strategy<Value = Sends> {
    let one = (0..12_u8, (any::<u8>(), 0..elements, [0..5000_u32, 0..5000_u32, 0..5000_u32]));
    prop::collection::vec(one, 0..80)
}

/// The causes after these sends, counted in groups of so many.
fn after(sends: &Sends, group: usize) -> BTreeMap<CauseKey, Causes> {
    let (mut known, mut all) = (BTreeMap::<u8, Counted>::new(), BTreeMap::<CauseKey, Causes>::new());
    for group in sends.chunks(group) {
        let steps: Vec<Moved> = group
            .iter()
            .map(|(view, what)| {
                let after = counted(told(*what, PEOPLE));
                let before = known.insert(*view, after.clone());
                Moved { start: T0.after(u64::from(*view % 3) * DAY), before, after }
            })
            .collect();
        let horizon = Horizon::default();
        let stored = touched(&steps, &horizon)
            .into_iter()
            .filter_map(|key| Some((key.clone(), all.remove(&key)?)))
            .map(|(key, causes)| (key, Causes::stored(&causes.text()).unwrap()))
            .collect();
        all.extend(moved(&steps, stored, &horizon));
        all.retain(|_, causes| !causes.is_empty());
    }
    all
}

/// What each view told last.
fn last(sends: &Sends) -> Sends {
    sends.iter().copied().collect::<BTreeMap<_, _>>().into_iter().collect()
}

proptest! {
    #[test]
    fn causes_are_those_of_what_was_told_last(sends in sends(20), group in 1..20_usize) {
        prop_assert_eq!(after(&sends, group), after(&last(&sends), 1));
    }

    #[test]
    fn no_total_is_lost_when_names_find_no_room(sends in sends(250), group in 1..20_usize) {
        let totals = |all: BTreeMap<CauseKey, Causes>| -> Vec<_> {
            let sum = |names: &BTreeMap<String, u64>| names.values().sum::<u64>();
            all.into_iter()
                .map(|(key, causes)| {
                    let names = (sum(&causes.elements), sum(&causes.sources));
                    (key, causes.n, causes.timed, causes.millis, names)
                })
                .collect()
        };
        prop_assert_eq!(totals(after(&sends, group)), totals(after(&last(&sends), 1)));
    }
}

#[test]
fn whoever_names_random_elements_grows_nothing() {
    let mut causes = Causes::default();
    for element in 0..250 {
        let step = Moved { start: T0, before: None, after: counted(told((0, element, [1, 2, 3]), PEOPLE)) };
        let all = moved(&[step], BTreeMap::new(), &Horizon::default());
        all.values().for_each(|other| causes.merge(other));
    }
    assert_eq!((causes.elements.len(), causes.elements["(other)"], causes.n), (31, 220, 500));
}

#[test]
fn programs_give_no_causes_and_what_is_no_longer_kept_has_none() {
    let step = |agent| Moved { start: T0, before: None, after: counted(told((0, 0, [1, 2, 3]), agent)) };
    let of = |agent, horizon: &Horizon| touched(&[step(agent)], horizon).len();
    assert_eq!((of(PEOPLE, &Horizon::default()), of("Googlebot/2.1", &Horizon::default())), (2, 0));
    let later = Horizon::default().advanced(&Retention::default(), T0.after(500 * DAY));
    assert_eq!(of(PEOPLE, &later), 0);
}

#[test]
fn nobody_asks_why_a_visit_was_fast() {
    let told = told((0, 0, [1, 2, 3]), PEOPLE);
    let mut limits = wire::beacon::Values::default();
    limits.set(Metric::Inp, 1000);
    let kept = told.with_reasons_of_slow(&Limits(limits)).reasons;
    // INP keeps its budget; LCP has none, and is above what is good.
    assert_eq!(kept.iter().map(|(metric, _)| metric).collect::<Vec<_>>(), [Metric::Lcp]);
}
