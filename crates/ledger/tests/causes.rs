//! Properties of causes: for any order of beacons, corrections and folds, they are the causes of the latest
//! records, and the limit of names changes no total.
#![expect(clippy::unwrap_used, reason = "a test may fail by panic")]

use std::collections::BTreeMap;

use ledger::causes::{CauseDelta, CauseKey, CauseTotals, apply_deltas, keys_to_load};
use ledger::{
    ClientInfo, FoldedView, Horizon, LabelGranularity, MetricLimits, Retention, RouteTemplates, ViewRecord,
};
use proptest::prelude::*;
use wire::{Beacon, Metric, UnixMillis};

const T0: UnixMillis = UnixMillis(1_800_000_000_000);
const DAY_MS: u64 = 86_400_000;

/// The record of a slow view with its route, element and subparts.
fn view_record((route, element, parts): (u8, u8, [u32; 3]), agent: &str) -> ViewRecord {
    let [delay, handlers, frame] = parts;
    let body = format!(
        r##"{{"v":1,"site":"s","id":"0123456789abcdef","nav":"navigate","path":"/{}","m":{{"INP":900,"LCP":9000}},
        "a":{{"INP":{{"interactionTarget":"#{}","inputDelay":{delay},"processingDuration":{handlers},
        "presentationDelay":{frame}}},"LCP":{{"url":"https://a.example/{}.png"}}}}}}"##,
        char::from(b'a' + route % 2),
        element_name(element),
        element_name(element % 5),
    );
    ViewRecord::from_beacon(
        &Beacon::parse(body.as_bytes()).unwrap(),
        ClientInfo { user_agent: agent, ..ClientInfo::default() },
        &RouteTemplates::default(),
    )
}

/// A unique name without digits.
fn element_name(element: u8) -> String {
    format!("e{}{}", char::from(b'a' + element / 16), char::from(b'a' + element % 16))
}

fn folded_view(record: ViewRecord) -> FoldedView {
    FoldedView {
        record,
        limits: MetricLimits::default(),
        sent: 1,
        received: 1,
        granularity: LabelGranularity::Full,
    }
}

const HUMAN_AGENT: &str = "Mozilla/5.0 Chrome/156.0.0.0";

type Sends = Vec<(u8, (u8, u8, [u32; 3]))>;

fn sends(elements: u8) -> impl Strategy<Value = Sends> {
    let one = (0..12_u8, (any::<u8>(), 0..elements, [0..5000_u32, 0..5000_u32, 0..5000_u32]));
    prop::collection::vec(one, 0..80)
}

/// The causes after these beacons, folded in groups.
fn causes_after(sends: &Sends, group: usize) -> BTreeMap<CauseKey, CauseTotals> {
    let (mut known, mut all) = (BTreeMap::<u8, FoldedView>::new(), BTreeMap::<CauseKey, CauseTotals>::new());
    for group in sends.chunks(group) {
        let steps: Vec<CauseDelta> = group
            .iter()
            .map(|(view, content)| {
                let after = folded_view(view_record(*content, HUMAN_AGENT));
                let before = known.insert(*view, after.clone());
                CauseDelta { start: T0.saturating_add(u64::from(*view % 3) * DAY_MS), before, after }
            })
            .collect();
        let horizon = Horizon::default();
        let stored = keys_to_load(&steps, &horizon)
            .into_iter()
            .filter_map(|key| Some((key.clone(), all.remove(&key)?)))
            .map(|(key, causes)| (key, CauseTotals::from_json(&causes.to_json().unwrap()).unwrap()))
            .collect();
        all.extend(apply_deltas(&steps, stored, &horizon));
        all.retain(|_, causes| !causes.is_empty());
    }
    all
}

/// The latest beacon of each view.
fn latest_sends(sends: &Sends) -> Sends {
    sends.iter().copied().collect::<BTreeMap<_, _>>().into_iter().collect()
}

proptest! {
    #[test]
    fn causes_match_the_latest_records(sends in sends(20), group in 1..20_usize) {
        prop_assert_eq!(causes_after(&sends, group), causes_after(&latest_sends(&sends), 1));
    }

    #[test]
    fn the_limit_of_names_changes_no_total(sends in sends(250), group in 1..20_usize) {
        let totals = |all: BTreeMap<CauseKey, CauseTotals>| -> Vec<_> {
            let sum = |names: &BTreeMap<String, u64>| names.values().sum::<u64>();
            all.into_iter()
                .map(|(key, causes)| {
                    let names = (sum(&causes.elements), sum(&causes.sources));
                    (key, causes.n, causes.with_parts, causes.millis, names)
                })
                .collect()
        };
        prop_assert_eq!(totals(causes_after(&sends, group)), totals(causes_after(&latest_sends(&sends), 1)));
    }
}

#[test]
fn random_element_names_do_not_grow_storage() {
    let mut causes = CauseTotals::default();
    for element in 0..250 {
        let step = CauseDelta {
            start: T0,
            before: None,
            after: folded_view(view_record((0, element, [1, 2, 3]), HUMAN_AGENT)),
        };
        let all = apply_deltas(&[step], BTreeMap::new(), &Horizon::default());
        all.values().for_each(|other| causes.merge(other));
    }
    assert_eq!((causes.elements.len(), causes.elements["(other)"], causes.n), (31, 220, 500));
}

#[test]
fn bots_and_expired_views_have_no_causes() {
    let step = |agent| CauseDelta {
        start: T0,
        before: None,
        after: folded_view(view_record((0, 0, [1, 2, 3]), agent)),
    };
    let affected = |agent, horizon: &Horizon| keys_to_load(&[step(agent)], horizon).len();
    assert_eq!(
        (affected(HUMAN_AGENT, &Horizon::default()), affected("Googlebot/2.1", &Horizon::default())),
        (2, 0)
    );
    let later = Horizon::default().advanced(&Retention::default(), T0.saturating_add(500 * DAY_MS));
    assert_eq!(affected(HUMAN_AGENT, &later), 0);
}

#[test]
fn fast_views_keep_no_attribution() {
    let record = view_record((0, 0, [1, 2, 3]), HUMAN_AGENT);
    let mut limits = wire::beacon::Values::default();
    limits.set(Metric::Inp, 1000);
    let attribution = record.with_slow_attribution(&MetricLimits(limits)).attribution;
    // INP is within its limit; LCP has none, and is above the good threshold.
    assert_eq!(attribution.iter().map(|(metric, _)| metric).collect::<Vec<_>>(), [Metric::Lcp]);
}

#[test]
fn the_mean_of_each_subpart_is_over_the_views_with_subparts() {
    let slow_view = |parts| CauseDelta {
        start: T0,
        before: None,
        after: folded_view(view_record((0, 0, parts), HUMAN_AGENT)),
    };
    let deltas = [slow_view([100, 200, 300]), slow_view([200, 300, 500])];
    let all = apply_deltas(&deltas, BTreeMap::new(), &Horizon::default());
    let (_, causes) = all.iter().find(|(key, _)| key.metric == Metric::Inp).unwrap();
    assert_eq!(
        causes.mean_parts(Metric::Inp).map(|(_, mean)| mean).collect::<Vec<_>>(),
        [150.0, 250.0, 400.0]
    );
    assert_eq!((causes.is_empty(), CauseTotals::default().is_empty()), (false, true));
}
