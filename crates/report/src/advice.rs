//! Recommendations from named rules on bottlenecks, each with its evidence, its maximum gain in seconds, and
//! the basis of that estimate. A rule without enough data gives no advice.

use std::collections::BTreeMap;

use serde::Serialize;
use wire::{Device, Metric};

use crate::bottleneck::{PageMetric, SubpartKind, rank};
use crate::signals::{AlertBounds, Signal};
use crate::stats_format::{display_unit, display_value, percentile_with_interval};
use wire::sorting::{CollectOrdered, SortSlice};

/// The rules that give advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AdviceRule {
    /// Cache misses exceed the budget more than hits.
    CacheMisses,
    /// A query exceeds its target.
    SlowQuery,
    /// The origin is slow and the cache does not hide it.
    SlowOrigin,
    /// The LCP resource is requested late.
    LateResource,
    /// The LCP resource loads slowly.
    HeavyResource,
    /// The LCP element is rendered late.
    LateRender,
    /// The main thread is busy when visitors interact.
    BusyThread,
    /// Event handlers are slow.
    SlowHandler,
    /// The next frame is presented late.
    SlowFrame,
    /// An element causes layout shifts.
    ShiftingElement,
    /// Back/forward navigations reload the page.
    BackForwardCache,
}

/// A recommendation.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Advice {
    /// The rule.
    pub rule: AdviceRule,
    /// The route.
    pub route: String,
    /// The device class.
    pub device: Device,
    /// The metric's name.
    pub metric: &'static str,
    /// The impact on visits.
    #[serde(rename = "place")]
    pub impact: Impact,
    /// The finding in a sentence.
    pub finding: String,
    /// The recommended action.
    pub action: &'static str,
    /// The numbers behind the finding.
    pub evidence: Vec<AdviceEvidence>,
    /// The most seconds that visitors would have been spared in the time span; `None` for layout shifts.
    pub gain: Option<f64>,
    /// The basis of the estimated gain.
    #[serde(rename = "reckoned")]
    pub gain_basis: &'static str,
}

/// The impact of a bottleneck on visits, in display units.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Impact {
    /// Measured visits.
    pub visits: u64,
    /// Visits over budget.
    pub over: u64,
    /// The budget, or the good threshold without one.
    pub limit: f64,
    /// The 75th percentile.
    pub p75: Option<f64>,
    /// The 95 % confidence interval of the percentile.
    pub interval: Option<[f64; 2]>,
    /// `ms`, or empty for CLS.
    pub unit: &'static str,
    /// Seconds over budget of all visits together; `None` for layout shifts.
    pub seconds: Option<f64>,
    /// The percentage of the site's seconds over budget.
    pub share: f64,
}

/// A number behind a finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AdviceEvidence {
    /// The description of the number.
    pub what: String,
    /// The number.
    pub value: f64,
    /// The unit.
    pub unit: &'static str,
}

/// Returns all advice on these metrics, the greatest gain first. Advice without a gain comes last.
#[must_use]
pub fn advise(metrics: &[PageMetric<'_>]) -> Vec<Advice> {
    let rules: [fn(&PageMetric<'_>) -> Vec<Advice>; 5] =
        [cache_misses, slow_queries, long_subparts, layout_shifts, back_forward_reloads];
    let mut advice: Vec<Advice> =
        metrics.iter().flat_map(|page| rules.iter().flat_map(|rule| rule(page))).collect();
    let ranked = rank(metrics);
    let shares: BTreeMap<(&str, Device, &str), f64> =
        ranked.iter().map(|one| ((one.route.as_str(), one.device, one.metric), one.share)).collect_map();
    for one in &mut advice {
        one.impact.share = shares.get(&(&*one.route, one.device, one.metric)).copied().unwrap_or_default();
    }
    advice.order_by(|a, b| {
        let gain = |one: &Advice| one.gain.unwrap_or(-1.0);
        gain(b).total_cmp(&gain(a)).then_with(|| (&a.route, a.rule).cmp(&(&b.route, b.rule)))
    });
    advice
}

/// Judges LCP only, whose seconds include the time to first byte.
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
                // The gain cannot exceed the page's time over budget.
                Some(query.seconds_over.min(page.seconds_over_budget().unwrap_or(0.0))),
                "query time beyond the target, at most the page's time over budget",
            )
        })
        .collect()
}

/// A subpart is too long if it exceeds its share of the budget.
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
        // If misses are slower than hits, `cache_misses` gives the advice instead.
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

/// Returns the rule for a subpart, its share of the budget, and the action. The shares for LCP are web.dev's
/// guidance (about 40, 10, 40 and 10 %); those for INP are our own.
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

/// `share` relates to all bottlenecks together, so `advise` fills it in later.
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

/// The minimum number of visits for a finding.
const MIN_VISITS: u64 = 100;
/// Gains below these are negligible.
const MIN_SECONDS_PER_VISIT: f64 = 0.05;
const MIN_TOTAL_SECONDS: f64 = 10.0;
/// A subpart below this share of the loss is not the cause.
const MIN_LOSS_SHARE: f64 = 0.2;
