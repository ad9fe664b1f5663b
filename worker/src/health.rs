//! `GET /api/health/advanced`: how healthy a site is, for people and for monitors. It asks the shards for
//! their counts and the first one for what it owes, and the origin, through the first shard, how it is. What
//! all that means is `insight::health`'s to say, and who reads which part of it `insight::bulletin`'s.

use std::cell::{Cell as Slot, RefCell};
use std::collections::BTreeMap;

use budget::Budgets;
use insight::bulletin::{
    Backend, Bulletin, Cache, Details, Losses, Memory, Operations, Origin, Queues, Requests, Vital,
};
use insight::health::{self, Budgeted, Has, Health, Status};
use insight::look;
use ledger::traffic::Traffic;
use ledger::{Counts, Groups, OTHER, Query, Span, Tally, Window};
use serde::{Deserialize, Serialize};
use wire::{Device, Metric, UnixMillis};
use worker::{Date, Env, Method, Request, Result, web_sys};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::read::PAGE;
use crate::shard::{self, Shard, now};
use crate::{budgets, leave, post, traffic, watching};

/// What the first shard knows besides its counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) operations: Operations,
    heard_at: Option<UnixMillis>,
    missed: f64,
}

/// The document, in as much of it as the request may know.
pub(crate) async fn advanced(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    let is_public = config.sites.get(&site).is_some_and(|site| site.public);
    let holds_token = leave::reads(request, env)?;
    let whole = whole_of(env, config, &site).await?;
    let Whole { bulletin, .. } = &whole;
    let bulletin = Bulletin {
        details: bulletin.details.clone().filter(|_| is_public || holds_token),
        operations: bulletin.operations.clone().filter(|_| holds_token),
        ..bulletin.clone()
    };
    let cache = if holds_token || !is_public { "private, max-age=5" } else { "public, max-age=5" };
    let body = serde_json::to_vec(&bulletin).map_err(worker::Error::from)?;
    let status = if bulletin.status == "fail" { 503 } else { 200 };
    let response = answer::read(request, KIND, cache, body)?;
    Ok(if response.status_code() == 200 { response.with_status(status) } else { response })
}

/// All that is known of a site, whoever may know it.
#[derive(Clone)]
pub(crate) struct Whole {
    at: u64,
    pub(crate) bulletin: Bulletin,
}

/// The same as a few seconds ago, where somebody asked then: who asks often must not cost more.
pub(crate) async fn whole_of(env: &Env, config: &Config, site: &str) -> Result<Whole, Failure> {
    let asked_at = Date::now().as_millis();
    let known = KEPT.with_borrow(|kept| kept.get(site).cloned());
    if let Some(known) = known.filter(|known| asked_at.saturating_sub(known.at) < FRESH) {
        return Ok(known);
    }
    let now = UnixMillis(asked_at);
    let query = day(now);
    let groups = shard::read(env, config, site, &query).await?;
    let counts = shard::counts(env, config, site).await?;
    let rules = budgets::ruling(&groups.rulings)?;
    let (traffic, answers) = answered(env, site, now).await?;
    let standing: Standing = shard::first(env, site, "standing", &groups.heard_at).await?;
    let whole = Whole::of(site, &query, &groups, &counts, &rules, &traffic, answers, standing, now);
    KEPT.with_borrow_mut(|kept| kept.insert(site.to_owned(), whole.clone()));
    Ok(whole)
}

/// What the edge answered in the last hour; and whether it answers at all, by the last day.
async fn answered(env: &Env, site: &str, now: UnixMillis) -> Result<(Traffic, bool), Failure> {
    let hour =
        traffic::windows(env, site, Span::Minute, now.before(Span::Hour.millis()), now.after(1)).await?;
    let mut last = Traffic::default();
    hour.iter().for_each(|(_, traffic)| last.merge(traffic));
    let answers =
        !last.is_empty() || !traffic::read(env, site, now.before(Span::Day.millis()), now).await?.is_empty();
    Ok((last, answers))
}

/// The last day, by page.
fn day(now: UnixMillis) -> Query {
    Query {
        from: Window::of(Span::Minute, now.before(Span::Day.millis())).start,
        to: now.after(Span::Minute.millis()),
        bots: ledger::Bots::default(),
        only: Vec::new(),
        by: PAGE.to_vec(),
        step: None,
    }
}

/// What is not there, of a site that has such a thing or has not.
const fn unknown<T>(has: bool) -> Has<T> {
    if has { Has::Unknown } else { Has::NotUsed }
}

impl Whole {
    #[expect(clippy::too_many_arguments, reason = "each is a fact of the one document")]
    fn of(
        site: &str,
        query: &Query,
        groups: &Groups,
        counts: &Counts,
        budgets: &Budgets,
        traffic: &Traffic,
        answers: bool,
        standing: Standing,
        now: UnixMillis,
    ) -> Self {
        let Standing { operations, heard_at, missed } = standing;
        let heard_at = groups.heard_at.max(heard_at);
        let cells = budgeted(query, groups, budgets);
        let requests = Requests::of(traffic, Span::Hour.millis());
        let cache = Cache::of(traffic);
        let health = Health::of(
            &health::Known {
                vitals: cells.iter().map(|(cell, _)| cell.clone()).collect(),
                requests: requests.as_ref().map_or(unknown(answers), |requests| {
                    let load = &requests.whole;
                    let p95 = load.p95.unwrap_or_default();
                    Has::Known(health::Requests { n: load.n, p95, errors: load.error_rate })
                }),
                hit_ratio: cache.as_ref().and_then(|cache| cache.hit_ratio).map_or(Has::NotUsed, Has::Known),
                origin: operations.origin.as_ref().map_or(Has::NotUsed, |origin| {
                    Has::Known(health::Origin { is_up: origin.is_up, took: origin.took })
                }),
                heard_at,
                missed,
            },
            now,
        );
        let total = groups.total();
        let vital = |(cell, measured): &(Budgeted, Option<&Tally>)| {
            let page = ledger::Page { route: cell.route.clone(), device: cell.device };
            let key = (page, cell.metric.name().to_owned(), cell.limit.max);
            let hours = counts.tracks.get(&key).map(|track| &track.hours);
            Vital::of(cell, *measured, hours.and_then(|hours| hours.keys().next_back().copied()))
        };
        let (vitals, more_vitals) = Vital::worst(cells.iter().map(vital).collect());
        let mut bulletin = Bulletin::of(site, &health, env!("CARGO_PKG_VERSION"), now);
        bulletin.details = Some(Details {
            reasons: health.reasons.clone(),
            because: health.parts.iter().map(|part| (part.name, part.because.clone())).collect(),
            heard_at,
            missed,
            losses: Losses {
                views: total.views,
                sent: total.sent,
                heard: total.heard,
                lost: total.lost,
                refused: groups.refused.clone(),
            },
            vitals,
            more_vitals,
            requests,
            cache,
        });
        bulletin.operations = Some(operations);
        Self { at: now.0, bulletin }
    }
}

/// Every budgeted cell with what was measured of it; and the budgets that no view has met.
fn budgeted<'a>(query: &Query, groups: &'a Groups, budgets: &Budgets) -> Vec<(Budgeted, Option<&'a Tally>)> {
    let mut cells = Vec::new();
    let mut met = std::collections::BTreeSet::new();
    let pages = groups.cells.iter().filter_map(|(group, cell)| Some((group.page(&query.by)?, cell)));
    for ((route, device), cell) in pages.filter(|((route, _), _)| *route != OTHER) {
        for metric in Metric::ALL {
            let Some(rule) = budgets.rule(route, device, metric) else { continue };
            met.insert(rule.place);
            let measured = cell.metrics.get(&metric);
            cells.push((of_cell(route, device, &rule, measured), measured));
        }
    }
    for rule in budgets.rules().filter(|rule| !met.contains(&rule.place)) {
        cells.push((of_cell(rule.pattern, rule.device.unwrap_or(Device::Phone), &rule, None), None));
    }
    cells
}

fn of_cell(route: &str, device: Device, rule: &budget::Rule<'_>, measured: Option<&Tally>) -> Budgeted {
    let kept = measured.map(|tally| tally.against(rule.limit.max)).unwrap_or_default();
    let (route, metric, limit) = (route.to_owned(), rule.metric, rule.limit);
    Budgeted { route, device, metric, limit, tally: watching::tally(kept) }
}

impl Shard {
    /// How the site is, with its score: by the same grounds as the document.
    pub(crate) async fn looks(&self, site: &str, config: &Config) -> Result<(Status, u8)> {
        let now = now();
        let query = day(now);
        let groups = self.read_all(site, config, &query).await?;
        let counts = self.count_all(site, config).await?;
        let rules = self.ruled(budgets::FRESH).await?.budgets;
        let since = |span: Span| self.answered(span, now.before(span.millis()), now.after(1));
        let mut last = Traffic::default();
        since(Span::Hour)?.0.values().for_each(|traffic| last.merge(traffic));
        let answers = !last.is_empty() || since(Span::Day)?.0.values().any(|traffic| !traffic.is_empty());
        let standing = self.standing(site, groups.heard_at).await?;
        let whole = Whole::of(site, &query, &groups, &counts, &rules, &last, answers, standing, now);
        Ok((whole.bulletin.health, whole.bulletin.score))
    }

    /// What this one owes and how it is, for the whole site.
    pub(crate) async fn standing(&self, site: &str, heard_at: Option<UnixMillis>) -> Result<Standing> {
        let config = self.config()?;
        let pushes = self.pushes.status(site, &config.backends)?;
        let push: Vec<Backend> =
            pushes.into_iter().map(|(name, status)| Backend::of(name, site, status)).collect();
        let journal = self.uncounted()?;
        let heard_at = self.heard_last(heard_at)?;
        let hours = self.hours()?;
        let is_monitored = self.is_monitored();
        let missed = heard_at
            .filter(|_| is_monitored)
            .zip(hours.get(look::VIEWS))
            .map_or(0.0, |(at, (hours, _))| hours.missed(at, now()));
        let (alerts, notices) = self.alerts_counted(site)?;
        let operations = Operations {
            monitoring: if is_monitored { "on" } else { "stopped" }.to_owned(),
            memory: memory(),
            queues: Queues {
                journal,
                push: push.iter().map(|backend| backend.waiting).sum(),
                parked: push.iter().map(|backend| backend.parked.len() as u64).sum(),
                notices,
            },
            push,
            origin: match config.origin_of(site) {
                Some(url) => self.origin.ask(url).await,
                None => None,
            },
            alerts,
        };
        Ok(Standing { operations, heard_at, missed })
    }
}

/// The memory of this module. It never shrinks.
pub(crate) fn memory() -> Memory {
    #[cfg(target_arch = "wasm32")]
    let bytes = core::arch::wasm32::memory_size::<0>() as u64 * 65_536;
    #[cfg(not(target_arch = "wasm32"))]
    let bytes = 0;
    Memory::of(bytes)
}

/// The origin's own health, asked by one object and seldom, so that many who ask us are one who asks it.
#[derive(Debug, Default)]
pub(crate) struct OriginAsked {
    last: RefCell<Option<Origin>>,
    /// Since when somebody asks. Who was cut off while asking asks no more.
    asking: Slot<Option<UnixMillis>>,
}

impl OriginAsked {
    /// What it says; while somebody else is asking, what it said last.
    async fn ask(&self, url: &str) -> Option<Origin> {
        let asked_at = now();
        let last = self.last.borrow().clone();
        let is_since = |moment: UnixMillis, span: u64| asked_at.0.abs_diff(moment.0) < span;
        let is_fresh = last.as_ref().is_some_and(|last| is_since(last.asked_at, ASKS_EACH));
        if is_fresh || self.asking.get().is_some_and(|since| is_since(since, ASKS_EACH)) {
            return last;
        }
        self.asking.set(Some(asked_at));
        let fields = [("accept", "application/health+json, application/json"), ("user-agent", "edge-vitals")];
        let (status, body) = match post::ask(Method::Get, url, &fields, None, PATIENCE).await {
            Ok(response) => {
                let status = response.status_code();
                let body = post::some_of(web_sys::Response::from(response).body(), MOST_BYTES).await;
                (Some(status), body.unwrap_or_default())
            }
            Err(_) => (None, Vec::new()),
        };
        let took = now().0.saturating_sub(asked_at.0) as f64;
        let said = Origin::read(status, &body, took, asked_at);
        self.asking.set(None);
        *self.last.borrow_mut() = Some(said.clone());
        Some(said)
    }
}

thread_local! {
    // Plain data, one for each configured site: nothing in it belongs to a request.
    static KEPT: RefCell<BTreeMap<String, Whole>> = RefCell::default();
}

pub(crate) const KIND: &str = "application/health+json";
/// Milliseconds for which one answer serves all who ask.
const FRESH: u64 = 5_000;
const ASKS_EACH: u64 = 10_000;
const PATIENCE: u32 = 5_000;
/// An origin that goes on for ever is not listened to.
const MOST_BYTES: usize = 65_536;
