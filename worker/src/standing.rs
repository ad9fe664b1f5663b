//! From counts to a standing: each budgeted cell with its verdict, its watch and its burn; how a release
//! compares; and the scores. The rules are the budget's; this only lays them beside the numbers.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use budget::{Budgets, Comparison, FieldScore, Form, Part, Rule, Verdict, Windows};
use insight::figures::{natural, quantile, unit};
use ledger::{Cell, Counts, Dimension, Groups, Kept, OTHER, Query, Rulings, Span, Tally, Track, Window};
use wire::standing::{self, Burn, Regression, Score, ScorePart, Standing, Stratum, VERSION, Watch};
use wire::{Device, Metric, UnixMillis};
use worker::Result;

use crate::watching::{self, Name, Seen, tally};

/// What is known of a site.
pub(crate) struct Known<'a> {
    pub(crate) site: String,
    pub(crate) query: &'a Query,
    pub(crate) groups: &'a Groups,
    /// The release before, and its views.
    pub(crate) against: Option<(String, Groups)>,
    pub(crate) budgets: &'a Budgets,
    pub(crate) counts: &'a Counts,
    pub(crate) seen: &'a BTreeMap<Name, Seen>,
    pub(crate) now: UnixMillis,
    pub(crate) page: Page,
}

/// Which cells are told.
pub(crate) struct Page {
    /// Those of one metric.
    pub(crate) metric: Option<Metric>,
    /// Whether those come first that need somebody's eyes.
    pub(crate) by_trouble: bool,
    pub(crate) offset: usize,
    /// All, where it is not said.
    pub(crate) limit: Option<usize>,
}

/// A cell that is not told yet: what it takes to tell which ones are.
struct Found<'a> {
    rule: Rule<'a>,
    route: Option<&'a str>,
    device: Option<Device>,
    tally: Option<Cow<'a, Tally>>,
    judged: budget::Tally,
    verdict: Verdict,
}

impl Known<'_> {
    /// The document.
    pub(crate) fn standing(&self) -> Result<Standing> {
        let mut found = self.found();
        let mut verdicts: BTreeMap<String, u64> = BTreeMap::new();
        for cell in &found {
            *verdicts.entry(cell.verdict.name().to_owned()).or_default() += 1;
        }
        if self.page.by_trouble {
            found.sort_by_cached_key(|cell| self.trouble(cell));
        }
        let end = self.page.limit.map(|limit| self.page.offset.saturating_add(limit));
        let next = end.filter(|end| *end < found.len());
        let told: Vec<Found<'_>> =
            found.into_iter().skip(self.page.offset).take(self.page.limit.unwrap_or(usize::MAX)).collect();
        let routes: Option<BTreeSet<&str>> =
            self.page.limit.map(|_| told.iter().filter_map(|cell| cell.route).collect());
        let is_told = |route: &str| routes.as_ref().is_none_or(|routes| routes.contains(route));
        let rulings = &self.groups.rulings;
        let ruled = rulings.in_force();
        let refused = rulings.refused().map(|refused| standing::Refused {
            at: refused.at,
            source: refused.source.name().to_owned(),
            why: refused.why.clone(),
        });
        Ok(Standing {
            v: VERSION,
            site: self.site.clone(),
            from: self.query.from,
            to: self.query.to,
            heard_at: self.groups.heard_at,
            release: self.asked(&Dimension::Release).map(str::to_owned),
            against: self.against.as_ref().map(|(release, _)| release.clone()),
            views: self.groups.cells.values().fold(0, |sum, cell| sum.saturating_add(cell.views)),
            budgets: standing::Ruling {
                since: ruled.map(|ruling| ruling.since).unwrap_or_default(),
                source: ruled.map_or("asset", |ruling| ruling.source.name()).to_owned(),
                refused,
            },
            verdicts,
            cells: self.cells(&told, rulings)?,
            regressions: self.regressions(is_told),
            scores: self.scores(is_told),
            next,
        })
    }

    fn asked(&self, dimension: &Dimension) -> Option<&str> {
        self.query.only.iter().find(|(other, _)| other == dimension).map(|(_, value)| value.as_str())
    }

    fn pages(&self) -> impl Iterator<Item = (&str, Device, &Cell)> {
        let page = |(group, cell)| {
            let (route, device) = ledger::Group::page(group, &self.query.by)?;
            Some((route, device, cell))
        };
        self.groups.cells.iter().filter_map(page)
    }

    /// All cells: the whole site first, then as the file has it.
    fn found(&self) -> Vec<Found<'_>> {
        let metrics =
            || Metric::ALL.into_iter().filter(|metric| self.page.metric.is_none_or(|only| only == *metric));
        let mut found = Vec::new();
        let mut sites: BTreeMap<(usize, Device), (Rule<'_>, Option<Tally>)> = BTreeMap::new();
        let mut ruled = BTreeSet::new();
        for (route, device, cell) in self.pages() {
            for metric in metrics() {
                let Some(rule) = watching::ruling(self.budgets, route, device, metric) else { continue };
                let tally = cell.metrics.get(&metric);
                ruled.insert(rule.place);
                if rule.is_sitewide() {
                    let (_, sum) = sites.entry((rule.place, device)).or_insert((rule, None));
                    merge(sum, tally);
                }
                if route != OTHER {
                    found.push(Found::of(rule, Some(route), Some(device), tally.map(Cow::Borrowed)));
                }
            }
        }
        if self.asked(&Dimension::Route).is_none() {
            for ((_, device), (rule, tally)) in sites {
                found.push(Found::of(rule, None, Some(device), tally.map(Cow::Owned)));
            }
            let device = self.asked(&Dimension::Device).and_then(Device::named);
            let is_asked = |rule: &Rule<'_>| {
                device.is_none_or(|device| rule.device.is_none_or(|own| own == device))
                    && self.page.metric.is_none_or(|only| only == rule.metric)
            };
            for rule in self.budgets.rules().filter(|rule| !ruled.contains(&rule.place) && is_asked(rule)) {
                found.push(Found::of(rule, None, rule.device, None));
            }
        }
        found.sort_by_key(|cell| (cell.rule.place, cell.route, cell.device));
        found
    }

    /// What orders cells by how much they need somebody's eyes: those of the whole site, then those that are
    /// proven broken, at their limit or alarming, by the views that were let down beyond what is forgiven.
    fn trouble(&self, cell: &Found<'_>) -> (u8, i64) {
        let beyond = -cell.judged.beyond(cell.rule.limit.percentile).round() as i64;
        let is_troubled = matches!(cell.verdict, Verdict::Violated | Verdict::AtLimit)
            || cell
                .name()
                .and_then(|name| self.seen.get(&name))
                .is_some_and(|seen| seen.watched.alarm == budget::Alarm::Raised);
        match cell.route {
            None => (0, 0),
            Some(_) if is_troubled => (1, beyond),
            Some(_) => (2, beyond),
        }
    }

    fn cells(&self, told: &[Found<'_>], rulings: &Rulings) -> Result<Vec<standing::Cell>> {
        let history = History::of(rulings)?;
        let met = watching::met(self.budgets, self.counts);
        Ok(told.iter().map(|cell| self.cell(cell, &met, &history)).collect())
    }

    fn cell(
        &self,
        found: &Found<'_>,
        met: &BTreeMap<Name, watching::Met<'_>>,
        history: &History,
    ) -> standing::Cell {
        let Found { rule, tally, judged, .. } = found;
        let Rule { pattern, metric, limit, .. } = *rule;
        let (value, interval) = quantile(metric, tally.as_deref(), limit.percentile);
        let name = found.name();
        let since = found.device.and_then(|device| history.since(rule, found.route, device));
        let seen = name.as_ref().and_then(|name| self.seen.get(name));
        let track = name.as_ref().and_then(|name| met.get(name)).map(|met| &met.track);
        standing::Cell {
            pattern: pattern.to_owned(),
            route: found.route.map(str::to_owned),
            device: found.device,
            metric: metric.name().to_owned(),
            unit: unit(metric).to_owned(),
            max: natural(metric, limit.max),
            percentile: limit.percentile,
            severity: limit.severity.name().to_owned(),
            min_samples: limit.min_samples,
            line: limit.line,
            n: judged.n(),
            k: judged.within,
            verdict: found.verdict.name().to_owned(),
            p_value: judged.p_value(limit.percentile),
            value,
            interval,
            counting_since: since.filter(|since| *since > self.query.from),
            watch: seen.map(|seen| Watch {
                e_value: seen.evidence.evidence(limit.percentile).min(1e9),
                alarm: seen.watched.alarm == budget::Alarm::Raised,
                changed_at: seen.watched.changed_at,
                since: seen.watched.since,
                n: seen.evidence.n(),
                k: seen.evidence.within,
            }),
            burn: track.map(|track| burn(track, limit.percentile, self.now)),
        }
    }

    fn regressions(&self, is_told: impl Fn(&str) -> bool) -> Vec<Regression> {
        let Some((_, before)) = &self.against else { return Vec::new() };
        let mut routes: BTreeMap<(Metric, &str), Vec<Stratum>> = BTreeMap::new();
        for (group, cell) in &self.groups.cells {
            let Some((route, device)) = group.page(&self.query.by) else { continue };
            for (metric, after) in &cell.metrics {
                if self.page.metric.is_some_and(|only| only != *metric) {
                    continue;
                }
                let Some(rule) = watching::ruling(self.budgets, route, device, *metric) else { continue };
                let before = before.cells.get(group).and_then(|cell| cell.metrics.get(metric));
                let kept = |tally: Option<&Tally>| {
                    let Kept { n, k } = tally.map(|tally| tally.against(rule.limit.max)).unwrap_or_default();
                    standing::Kept { n, k }
                };
                let stratum = Stratum { device, before: kept(before), after: kept(Some(after)) };
                routes.entry((*metric, route)).or_default().push(stratum);
            }
        }
        routes.values_mut().for_each(|strata| strata.sort_by_key(|stratum| stratum.device));
        let mut all = Vec::new();
        for metric in Metric::ALL {
            let of_metric = routes.iter().filter(|((other, _), _)| *other == metric);
            let site: Vec<Stratum> = of_metric.clone().flat_map(|(_, strata)| strata).copied().collect();
            if self.asked(&Dimension::Route).is_none() {
                all.extend(
                    regression(None, metric, &site).map(|whole| Regression { strata: Vec::new(), ..whole }),
                );
            }
            let told = of_metric.filter(|((_, route), _)| is_told(route));
            all.extend(told.filter_map(|((_, route), strata)| regression(Some(route), metric, strata)));
        }
        all
    }

    fn scores(&self, is_told: impl Fn(&str) -> bool) -> Vec<Score> {
        let mut site: BTreeMap<Device, Cell> = BTreeMap::new();
        let mut routes: BTreeMap<&str, Vec<(Device, &Cell)>> = BTreeMap::new();
        for (route, device, cell) in self.pages() {
            site.entry(device).or_default().merge(cell);
            if is_told(route) {
                routes.entry(route).or_default().push((device, cell));
            }
        }
        let site: Vec<(Device, &Cell)> = site.iter().map(|(device, cell)| (*device, cell)).collect();
        let whole = self.asked(&Dimension::Route).is_none().then(|| scored(None, &site));
        let routes = routes.iter().flat_map(|(route, cells)| scored(Some(route), cells));
        whole.into_iter().flatten().chain(routes).collect()
    }
}

impl<'a> Found<'a> {
    fn of(
        rule: Rule<'a>,
        route: Option<&'a str>,
        device: Option<Device>,
        tally: Option<Cow<'a, Tally>>,
    ) -> Self {
        let judged =
            self::tally(tally.as_ref().map(|tally| tally.against(rule.limit.max)).unwrap_or_default());
        Self { rule, route, device, tally, judged, verdict: rule.limit.verdict(judged) }
    }

    /// As it is watched. A budget that no view has met is not, unless it names a class of devices.
    fn name(&self) -> Option<Name> {
        let pattern = if self.route.is_some() { "" } else { self.rule.pattern };
        Some(Name {
            route: self.route.map(str::to_owned),
            device: self.device?,
            metric: self.rule.metric.name().to_owned(),
            pattern: pattern.to_owned(),
        })
    }
}

/// The budgets that have ruled, each with the moment since when.
struct History(Vec<(UnixMillis, Budgets)>);

impl History {
    fn of(rulings: &Rulings) -> Result<Self> {
        let read = |ruling: &ledger::Ruling| {
            let budgets = Budgets::parse(&ruling.text);
            budgets
                .map(|budgets| (ruling.since, budgets))
                .map_err(|mistake| worker::Error::RustError(mistake.to_string()))
        };
        rulings.ruled().iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// Since when views are judged by that limit. One that came back still has its counts of before.
    fn since(&self, rule: &Rule<'_>, route: Option<&str>, device: Device) -> Option<UnixMillis> {
        let holds = |budgets: &Budgets| match route {
            Some(route) => {
                budgets.limit(route, device, rule.metric).is_some_and(|limit| limit.max == rule.limit.max)
            }
            None => budgets.rules().any(|other| {
                (other.pattern, other.metric, other.device, other.limit.max)
                    == (rule.pattern, rule.metric, rule.device, rule.limit.max)
            }),
        };
        self.0.iter().find(|(_, budgets)| holds(budgets)).map(|(since, _)| *since)
    }
}

fn merge(sum: &mut Option<Tally>, tally: Option<&Tally>) {
    match (sum.as_mut(), tally) {
        (Some(sum), Some(tally)) => sum.merge(tally),
        (None, Some(tally)) => *sum = Some(tally.clone()),
        (_, None) => {}
    }
}

/// The spans over which burning is looked at.
pub(crate) fn windows(track: &Track, now: UnixMillis) -> Windows {
    let six_hours = Window::of(Span::Hour, now).start.before(6 * Span::Hour.millis());
    Windows {
        half_hour: tally(track.half_hour),
        six_hours: tally(track.since(six_hours)),
        three_days: tally(track.since(UnixMillis(0))),
    }
}

fn burn(track: &Track, percentile: u8, now: UnixMillis) -> Burn {
    let windows = windows(track, now);
    let rate = |tally: budget::Tally| (tally.n() > 0).then(|| tally.burn_rate(percentile));
    Burn {
        half_hour: rate(windows.half_hour),
        six_hours: rate(windows.six_hours),
        three_days: rate(windows.three_days),
        asks: windows.burn(percentile).map(|burn| burn.name().to_owned()),
    }
}

fn regression(route: Option<&str>, metric: Metric, strata: &[Stratum]) -> Option<Regression> {
    let tally = |kept: standing::Kept| budget::Tally::of(kept.n, kept.k);
    let all: Vec<budget::Stratum> = strata
        .iter()
        .map(|stratum| budget::Stratum { before: tally(stratum.before), after: tally(stratum.after) })
        .collect();
    let found = Comparison::of(&all)?;
    Some(Regression {
        route: route.map(str::to_owned),
        metric: metric.name().to_owned(),
        strata: strata.to_vec(),
        points_worse: found.points_worse,
        p_value: found.p_value,
        regression: found.is_regression(),
    })
}

/// The score of each device class, and before them the one of all; of the whole site with their parts.
fn scored(route: Option<&str>, cells: &[(Device, &Cell)]) -> Vec<Score> {
    let own = |(device, cell): &(Device, &Cell)| {
        let p75 = |(metric, tally): (&Metric, &Tally)| {
            Some((*metric, natural(*metric, tally.sketch.percentile(75)?.middle())))
        };
        let scored = FieldScore::of(cell.views, cell.metrics.iter().filter_map(p75), Form::of(*device))?;
        Some((*device, scored))
    };
    let (devices, classes): (Vec<Device>, Vec<FieldScore>) = cells.iter().filter_map(own).unzip();
    let told = |device, scored: &FieldScore| Score {
        route: route.map(str::to_owned),
        device,
        views: scored.views,
        score: scored.score,
        parts: if route.is_none() { parts(scored) } else { Vec::new() },
    };
    let all = FieldScore::all(&classes).map(|all| told(None, &all));
    let each = devices.into_iter().zip(&classes).map(|(device, scored)| told(Some(device), scored));
    all.into_iter().chain(each).collect()
}

fn parts(scored: &FieldScore) -> Vec<ScorePart> {
    let part = |(part, weight): (&Part, f64)| ScorePart {
        metric: part.metric.name().to_owned(),
        score: part.score,
        weight,
    };
    scored.shares().map(part).collect()
}
