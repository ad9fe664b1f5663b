//! What would help: recommendations that follow from a bottleneck by named rules, each with its evidence
//! and with the seconds that it would save at most, and how these are reckoned. A rule that has too
//! little to go by says nothing.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::{Device, Metric};

use crate::bottleneck::{PageMetric, SubpartKind, rank};
use crate::signals::{AlertBounds, Signal};
use crate::stats_format::{display_unit, display_value, percentile_with_interval};

/// A rule by which advice is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AdviceRule {
    /// Visits that miss the cache lose what hits do not.
    CacheMisses,
    /// A query takes longer than it may.
    SlowQuery,
    /// The origin is slow, and no cache stands before it.
    SlowOrigin,
    /// The largest element's resource is asked for late.
    LateResource,
    /// It takes long to load.
    HeavyResource,
    /// It is there, and not painted.
    LateRender,
    /// The main thread is busy when visitors act.
    BusyThread,
    /// The handlers take long.
    SlowHandler,
    /// The next frame takes long to be drawn.
    SlowFrame,
    /// Something moves.
    ShiftingElement,
    /// Going back loads the page anew.
    BackForwardCache,
}

/// A recommendation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Advice {
    /// By which rule.
    pub rule: AdviceRule,
    /// The route.
    pub route: String,
    /// The class of devices.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// What visitors meet there.
    #[serde(rename = "place")]
    pub impact: Impact,
    /// What is the case, in a sentence.
    pub finding: String,
    /// What to do.
    pub action: &'static str,
    /// The numbers that it rests on.
    pub evidence: Vec<AdviceEvidence>,
    /// Seconds that visitors would have been spared in the span that was looked at, at most; none for
    /// layout shifts.
    pub gain: Option<f64>,
    /// How the gain is reckoned.
    #[serde(rename = "reckoned")]
    pub gain_basis: &'static str,
}

/// What visitors meet at a place that advice is about, in the units that people use.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Impact {
    /// Visits that were measured.
    pub visits: u64,
    /// Those over budget.
    pub over: u64,
    /// The budget; the good threshold where there is none.
    pub limit: f64,
    /// The 75th percentile.
    pub p75: Option<f64>,
    /// The values between which the true one lies, 95 times in 100.
    pub interval: Option<[f64; 2]>,
    /// `ms`, or nothing for a layout shift.
    pub unit: &'static str,
    /// Seconds over budget, of all visits together; none for layout shifts.
    pub seconds: Option<f64>,
    /// Of what all visits of the site lose, so many percent.
    pub share: f64,
}

/// A number that advice rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdviceEvidence {
    /// Of what.
    pub what: String,
    /// The number.
    pub value: f64,
    /// In which unit.
    pub unit: &'static str,
}

/// All advice for these places, the greatest gain first; what has no seconds comes last.
#[must_use]
pub fn advise(metrics: &[PageMetric<'_>]) -> Vec<Advice> {
    let rules: [fn(&PageMetric<'_>) -> Vec<Advice>; 5] =
        [cache_misses, slow_queries, long_subparts, layout_shifts, back_forward_reloads];
    let mut advice: Vec<Advice> =
        metrics.iter().flat_map(|place| rules.iter().flat_map(|rule| rule(place))).collect();
    let ranked = rank(metrics);
    let shares: BTreeMap<(&str, Device, &str), f64> =
        ranked.iter().map(|one| ((one.route.as_str(), one.device, one.metric), one.share)).collect();
    for one in &mut advice {
        one.impact.share = shares.get(&(&*one.route, one.device, one.metric)).copied().unwrap_or_default();
    }
    advice.sort_by(|a, b| {
        let gain = |one: &Advice| one.gain.unwrap_or(-1.0);
        gain(b).total_cmp(&gain(a)).then_with(|| (&a.route, a.rule).cmp(&(&b.route, b.rule)))
    });
    advice
}

/// Not for the first byte alone: it is in LCP's seconds already.
fn cache_misses(page: &PageMetric<'_>) -> Vec<Advice> {
    let Some(cache) = page.loss_by_cache().filter(|_| page.metric == Metric::Lcp) else { return vec![] };
    let saved = cache.per_miss - cache.per_hit;
    let gain = saved * cache.misses as f64;
    if saved < MIN_SECONDS_PER_VISIT || gain < MIN_TOTAL_SECONDS {
        return vec![];
    }
    let missed = 100.0 * cache.misses as f64 / (cache.misses + cache.hits) as f64;
    let finding = format!(
        "{}: {missed:.0} % of visits miss the cache and exceed the budget by {:.2} s on average, hits by {:.2} s",
        metric_on_page(page),
        cache.per_miss,
        cache.per_hit
    );
    vec![new_advice(
        page,
        AdviceRule::CacheMisses,
        finding,
        "Give the route a longer cache class, and warm it after a purge.",
        vec![
            evidence("visits that miss the cache", missed, "%"),
            evidence("over budget per miss", cache.per_miss, "s"),
            evidence("over budget per hit", cache.per_hit, "s"),
        ],
        Some(gain),
        "misses × the additional time over budget per miss, as if every miss had been a hit",
    )]
}

fn slow_queries(page: &PageMetric<'_>) -> Vec<Advice> {
    let AlertBounds::Numeric(target) = Signal::QueryTime.rule().bounds else { return vec![] };
    let over = page.visits_over_budget();
    let slow = page.causes.queries.iter().filter(|query| {
        over > 0 && page.metric == Metric::Lcp && query.n >= target.min_events && query.p95 > target.target
    });
    slow.filter(|query| query.seconds_over >= MIN_TOTAL_SECONDS)
        .map(|query| {
            let finding = format!(
                "{}: the query `{}` takes {:.0} ms at the 95th percentile of {} runs; the target is {:.0} ms",
                metric_on_page(page),
                query.name,
                query.p95,
                query.n,
                target.target
            );
            new_advice(
                page,
                AdviceRule::SlowQuery,
                finding,
                "Run EXPLAIN on the query, add a missing index, or cache its result.",
                vec![
                    evidence("95th percentile of the query", query.p95, "ms"),
                    evidence("runs", query.n as f64, ""),
                ],
                // No more can be won than is lost.
                Some(query.seconds_over.min(page.seconds_over_budget().unwrap_or(0.0))),
                "query time beyond the target, at most the page's time over budget",
            )
        })
        .collect()
}

/// A part is too long where it takes more than its share of a visit that just keeps its budget.
fn long_subparts(page: &PageMetric<'_>) -> Vec<Advice> {
    let over = page.visits_over_budget();
    let Some(seconds) = page.seconds_over_budget().filter(|_| over >= MIN_VISITS) else { return vec![] };
    let each = seconds / over as f64;
    let all: f64 = page.causes.subparts.iter().map(|subpart| subpart.millis).sum();
    let mut advice_list = Vec::new();
    for subpart in &page.causes.subparts {
        let Some((rule, fair, action)) = rule_for_subpart(page.metric, subpart.part) else { continue };
        let beyond = (subpart.millis - fair * f64::from(page.limit)) / 1000.0;
        let saved = beyond.min(each);
        if saved < MIN_SECONDS_PER_VISIT
            || saved < each * MIN_LOSS_SHARE
            || saved * (over as f64) < MIN_TOTAL_SECONDS
        {
            continue;
        }
        // Where hits and misses differ, the cache is the answer, not the origin.
        if rule == AdviceRule::SlowOrigin
            && page
                .loss_by_cache()
                .is_some_and(|cache| cache.per_miss - cache.per_hit >= MIN_SECONDS_PER_VISIT)
        {
            continue;
        }
        let culprit = page.causes.culprits.iter().max_by_key(|culprit| culprit.visits);
        let by =
            culprit.map_or(String::new(), |culprit| format!("; most often reported: `{}`", culprit.name));
        let finding = format!(
            "{}: {:.0} % is {}{by}",
            metric_on_page(page),
            100.0 * subpart.millis / all.max(1.0),
            subpart.part.description()
        );
        let mut evidence_list = vec![
            evidence("visits over budget", over as f64, ""),
            evidence(&format!("{} in these visits", subpart.part.description()), subpart.millis, "ms"),
        ];
        evidence_list.extend(culprit.map(|culprit| {
            evidence(&format!("visits that report {}", culprit.name), culprit.visits as f64, "")
        }));
        advice_list.push(new_advice(
            page,
            rule,
            finding,
            action,
            evidence_list,
            Some(saved * over as f64),
            "visits over budget × the part's time beyond its share of the budget, at most their time over budget",
        ));
    }
    advice_list
}

fn layout_shifts(page: &PageMetric<'_>) -> Vec<Advice> {
    let over = page.visits_over_budget();
    let culprit = page.causes.culprits.iter().max_by_key(|culprit| culprit.visits);
    let Some(culprit) = culprit.filter(|_| page.metric == Metric::Cls && over >= MIN_VISITS) else {
        return vec![];
    };
    let finding = format!(
        "{}: `{}` shifts in {} of {over} visits over budget",
        metric_on_page(page),
        culprit.name,
        culprit.visits.min(over)
    );
    vec![new_advice(
        page,
        AdviceRule::ShiftingElement,
        finding,
        "Reserve its space: set a width and height, or a minimum height, before its content loads.",
        vec![
            evidence("visits over budget", over as f64, ""),
            evidence("visits that report it", culprit.visits as f64, ""),
        ],
        None,
        "layout shifts cost no time; affected visits are counted instead",
    )]
}

fn back_forward_reloads(page: &PageMetric<'_>) -> Vec<Advice> {
    let Some(views) = page.causes.back_forward.filter(|_| page.metric == Metric::Lcp) else { return vec![] };
    let all = views.loaded.saturating_add(views.restored);
    let share = 100.0 * views.restored as f64 / all.max(1) as f64;
    let each = page.seconds_over_budget().unwrap_or(0.0) / page.tally.sketch.n().max(1) as f64;
    let gain = each * views.loaded as f64;
    if all < MIN_VISITS || share >= 50.0 || gain < MIN_TOTAL_SECONDS {
        return vec![];
    }
    vec![new_advice(
        page,
        AdviceRule::BackForwardCache,
        format!(
            "{}: only {share:.0} % of {all} back/forward navigations were restored from the back/forward cache",
            metric_on_page(page)
        ),
        "Find what prevents use of the back/forward cache: an unload handler, `Cache-Control: no-store`, an open connection.",
        vec![evidence("restored", share, "%"), evidence("reloaded", views.loaded as f64, "")],
        Some(gain),
        "reloaded visits × the page's mean time over budget per visit",
    )]
}

/// Which rule speaks of a part, the share of the budget that the part may take, and what to do. The
/// shares of LCP's parts are web.dev's guidance (about 40, 10, 40 and 10 %); those of INP's are ours.
const fn rule_for_subpart(metric: Metric, part: SubpartKind) -> Option<(AdviceRule, f64, &'static str)> {
    Some(match (metric, part) {
        (Metric::Lcp, SubpartKind::TimeToFirstByte) => (
            AdviceRule::SlowOrigin,
            0.4,
            "Cache the document at the edge, or find what delays the origin's first byte.",
        ),
        (Metric::Lcp, SubpartKind::ResourceLoadDelay) => (
            AdviceRule::LateResource,
            0.1,
            "Reference the resource in the HTML, not in a script or style sheet; preload it with `fetchpriority=high`.",
        ),
        (Metric::Lcp, SubpartKind::ResourceLoadDuration) => (
            AdviceRule::HeavyResource,
            0.4,
            "Serve a smaller resource: a modern format, at the displayed size, from the edge cache.",
        ),
        (Metric::Lcp, SubpartKind::ElementRenderDelay) => (
            AdviceRule::LateRender,
            0.1,
            "Find what blocks rendering: style sheets, synchronous scripts, or a framework that renders late.",
        ),
        (Metric::Inp, SubpartKind::InputDelay) => {
            (AdviceRule::BusyThread, 0.25, "Split or defer the long tasks that run while visitors interact.")
        }
        (Metric::Inp, SubpartKind::ProcessingDuration) => (
            AdviceRule::SlowHandler,
            0.5,
            "Do only the work for the next frame in the handler, and yield before the rest.",
        ),
        (Metric::Inp, SubpartKind::PresentationDelay) => (
            AdviceRule::SlowFrame,
            0.25,
            "Update less of the page at once: a smaller DOM, `content-visibility`, no forced layout.",
        ),
        _ => return None,
    })
}

fn metric_on_page(page: &PageMetric<'_>) -> String {
    format!("{} of {} on {}s", page.metric.name(), page.route, page.device.name())
}

fn new_advice(
    page: &PageMetric<'_>,
    rule: AdviceRule,
    finding: String,
    action: &'static str,
    evidence: Vec<AdviceEvidence>,
    gain: Option<f64>,
    gain_basis: &'static str,
) -> Advice {
    Advice {
        rule,
        route: page.route.to_owned(),
        device: page.device,
        metric: page.metric.name(),
        impact: impact(page),
        finding: format!("{finding}."),
        action,
        evidence,
        gain,
        gain_basis,
    }
}

/// The share is of all places together, so it is known later.
fn impact(page: &PageMetric<'_>) -> Impact {
    let (p75, interval) = percentile_with_interval(page.metric, Some(page.tally), 75);
    Impact {
        visits: page.tally.sketch.n(),
        over: page.visits_over_budget(),
        limit: display_value(page.metric, page.limit),
        p75,
        interval,
        unit: display_unit(page.metric),
        seconds: page.seconds_over_budget(),
        share: 0.0,
    }
}

fn evidence(what: &str, value: f64, unit: &'static str) -> AdviceEvidence {
    AdviceEvidence { what: what.to_owned(), value, unit }
}

/// Fewer visits say nothing.
const MIN_VISITS: u64 = 100;
/// Seconds that nobody would notice, in one visit and in all.
const MIN_SECONDS_PER_VISIT: f64 = 0.05;
const MIN_TOTAL_SECONDS: f64 = 10.0;
/// A part that makes out less of the loss is not the cause.
const MIN_LOSS_SHARE: f64 = 0.2;
