//! Reading: `GET /api/vitals/…` and `GET /api/budgets`. What is asked is parsed here, what it comes to
//! is the ledger's and the verdicts' business.

use insight::figures;
use ledger::{Bots, Dimension, Groups, Query, Span, Window, reaching_back};
use serde_json::json;
use wire::reading::{Compared, Line, Reading, VERSION};
use wire::{Device, Metric, Refusal, UnixMillis};
use worker::{Date, Env, Request};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::standing::{Known, Page};
use crate::{budgets, leave, refusals, shard, verdicts, watching};

/// Each route and device with its verdicts.
pub(crate) async fn summary(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", PAGE, None)?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let budgets = budgets::ruling(&groups.rulings)?;
    let cache = asked.cache(&query);
    let summary = verdicts::summary(asked.site, &query, groups, &budgets);
    answer::read(request, JSON, cache, serde_json::to_vec(&summary).map_err(worker::Error::from)?)
}

/// Groups over time.
pub(crate) async fn series(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let step = match asked.parameters.get("step") {
        Some("minute") => Span::Minute,
        None | Some("hour") => Span::Hour,
        Some("day") => Span::Day,
        Some(_) => return Err(Refusal::BadQuery { name: "step", want: "minute, hour or day" }.into()),
    };
    let query = asked.parameters.query("", &asked.parameters.by()?, Some(step))?;
    lines(request, env, config, asked, query, false).await
}

/// A page of routes.
pub(crate) async fn routes(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let mut by = asked.parameters.by()?;
    if !by.contains(&Dimension::Route) {
        by.insert(0, Dimension::Route);
    }
    let query = asked.parameters.query("", &by, None)?;
    lines(request, env, config, asked, query, false).await
}

/// Groups with their distributions.
pub(crate) async fn distribution(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", &asked.parameters.by()?, None)?;
    lines(request, env, config, asked, query, true).await
}

/// Two releases or two spans of time: what begins with `a.` and `b.` is asked of one of them.
pub(crate) async fn compare(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let (before, after) =
        (asked.parameters.query("a.", PAGE, None)?, asked.parameters.query("b.", PAGE, None)?);
    if before == after {
        return Err(Refusal::BadQuery {
            name: "b.release",
            want: "another than `a.release`, or of another time",
        }
        .into());
    }
    let a = shard::read(env, config, &asked.site, &before).await?;
    let b = shard::read(env, config, &asked.site, &after).await?;
    let budgets = budgets::ruling(&b.rulings)?;
    let cache = asked.cache(&after);
    let compared = Compared {
        v: VERSION,
        site: asked.site,
        a: verdicts::whole(&before, &a),
        b: verdicts::whole(&after, &b),
        lines: verdicts::differences(PAGE, &a, &b, &budgets),
    };
    answer::read(request, JSON, cache, serde_json::to_vec(&compared).map_err(worker::Error::from)?)
}

async fn lines(
    request: &Request,
    env: &Env,
    config: &Config,
    asked: Asked,
    query: Query,
    with_buckets: bool,
) -> Outcome {
    let metric = asked.parameters.metric()?;
    let (offset, limit) = asked.parameters.page()?;
    let groups = shard::read(env, config, &asked.site, &query).await?;
    let cache = asked.cache(&query);
    let format = asked.parameters.get("format").unwrap_or("json");
    if format == "sketch" {
        return sketch(request, cache, &groups, metric);
    }
    let mut lines = verdicts::lines(&query, &groups, metric, with_buckets);
    let next = offset.saturating_add(limit);
    let next = (lines.len() > next).then_some(next);
    lines = lines.into_iter().skip(offset).take(limit).collect();
    match format {
        "json" => {
            let whole = verdicts::whole(&query, &groups);
            let reading = Reading { v: VERSION, site: asked.site, whole, lines, next };
            answer::read(request, JSON, cache, serde_json::to_vec(&reading).map_err(worker::Error::from)?)
        }
        "csv" => answer::read(request, "text/csv; charset=utf-8", cache, csv(&query, &lines).into_bytes()),
        _ => Err(Refusal::BadQuery { name: "format", want: "json, csv or sketch" }.into()),
    }
}

/// The one series that the question leaves, as the bytes of its sketch.
fn sketch(request: &Request, cache: &str, groups: &Groups, metric: Option<Metric>) -> Outcome {
    let want = "asked for where one series is left: give `metric`, and no `by` that leaves several";
    let mut tallies = verdicts::tallies(groups, metric);
    match (tallies.next(), tallies.next()) {
        (Some((_, _, tally)), None) => {
            answer::read(request, "application/octet-stream", cache, tally.sketch.encode())
        }
        _ => Err(Refusal::BadQuery { name: "format", want }.into()),
    }
}

/// RFC 4180: a line of names, then one for each line of the answer. Nothing for what is unknown.
fn csv(query: &Query, lines: &[Line]) -> String {
    let quoted = |text: &str| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    };
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let mut head = vec!["at".to_owned()];
    head.extend(query.by.iter().map(|dimension| quoted(&dimension.name())));
    head.extend(COLUMNS.iter().map(|&name| name.to_owned()));
    let mut rows = vec![head.join(",")];
    for Line { at, group, metric, unit, stats, .. } in lines {
        let mut row = vec![at.map(|at| at.0.to_string()).unwrap_or_default()];
        row.extend(query.by.iter().map(|dimension| {
            quoted(group.get(dimension.name().as_ref()).cloned().flatten().as_deref().unwrap_or_default())
        }));
        row.extend([(*metric).to_owned(), (*unit).to_owned(), stats.n.to_string(), stats.visits.to_string()]);
        let [low, high] = stats.p75_interval.map_or([None, None], |interval| interval.map(Some));
        let [good, middling, poor] = [stats.good, stats.needs_improvement, stats.poor].map(Some);
        let numbers =
            [stats.p50, stats.p75, low, high, stats.p90, stats.p95, stats.p99, good, middling, poor];
        row.extend(numbers.map(number));
        rows.push(row.join(","));
    }
    rows.push(String::new());
    rows.join("\r\n")
}

/// How the site stands against its budgets. With a path it is asked for the limits of that path, as it
/// was before these had an address of their own.
pub(crate) async fn standing(request: &Request, env: &Env, config: &Config) -> Outcome {
    if pairs(request)?.iter().any(|(name, _)| name == "path") {
        return limits(request, env).await;
    }
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", PAGE, None)?;
    let against = asked.parameters.against(&query)?;
    let page = asked.parameters.cells()?;
    let groups = shard::read_by_latest(env, config, &asked.site, &query).await?;
    let against = match against {
        Some((release, query)) => Some((release, shard::read(env, config, &asked.site, &query).await?)),
        None => None,
    };
    let (counts, seen) = watching::look(env, config, &asked.site).await?;
    let known = Known {
        site: asked.site.clone(),
        query: &query,
        groups: &groups,
        against,
        budgets: &budgets::ruling(&groups.rulings)?,
        counts: &counts,
        seen: &seen,
        now: asked.now,
        page,
    };
    let body = serde_json::to_vec(&known.standing()?).map_err(worker::Error::from)?;
    answer::read(request, JSON, asked.cache(&query), body)
}

/// The field's limits of a path: what the demo page and the client hold a visit against.
pub(crate) async fn limits(request: &Request, env: &Env) -> Outcome {
    let now = UnixMillis(Date::now().as_millis());
    let parameters = Parameters { given: pairs(request)?, now };
    let path = parameters.get("path").unwrap_or("/");
    let device = parameters.device()?.unwrap_or(Device::Desktop);
    let budgets = budgets::known(env).await?;
    let limits: serde_json::Map<String, serde_json::Value> = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let limit = budgets.limit(path, device, metric)?;
            let max = figures::natural(metric, limit.max);
            Some((
                metric.name().into(),
                json!({ "max": max, "percentile": limit.percentile, "line": limit.line }),
            ))
        })
        .collect();
    let document = json!({ "v": 1, "path": path, "device": device.name(), "limits": limits });
    Ok(answer::open_json(document.to_string())?)
}

/// Whose numbers are asked for, by somebody who may know them.
pub(crate) struct Asked {
    pub(crate) site: String,
    is_public: bool,
    pub(crate) parameters: Parameters,
    now: UnixMillis,
}

impl Asked {
    pub(crate) fn of(request: &Request, env: &Env, config: &Config) -> Result<Self, Failure> {
        let now = UnixMillis(Date::now().as_millis());
        let parameters = Parameters { given: pairs(request)?, now };
        let site = match parameters.get("site") {
            Some(name) => name.to_owned(),
            None => config.sites.keys().next().cloned().unwrap_or_default(),
        };
        may_read(request, env, config, &site)?;
        let is_public = config.sites.get(&site).is_some_and(|site| site.public);
        Ok(Self { site, is_public, parameters, now })
    }

    /// How long an answer may be kept, and by whom. What lies behind changes no more, but for a late
    /// correction.
    pub(crate) const fn cache(&self, query: &Query) -> &'static str {
        let is_past = query.to.0 < self.now.before(Span::Day.millis()).0;
        match (self.is_public, is_past) {
            (true, true) => "public, max-age=300",
            (true, false) => "public, max-age=5",
            (false, true) => "private, max-age=300",
            (false, false) => "private, max-age=5",
        }
    }
}

pub(crate) fn may_read(request: &Request, env: &Env, config: &Config, name: &str) -> Result<(), Failure> {
    match config.sites.get(name) {
        Some(site) if site.public => return Ok(()),
        None if name != refusals::NOBODYS => {
            return Err(Refusal::UnknownSite { site: name.to_owned() }.into());
        }
        _ => {}
    }
    if leave::reads(request, env)? { Ok(()) } else { Err(Refusal::Unauthorized.into()) }
}

fn pairs(request: &Request) -> worker::Result<Vec<(String, String)>> {
    Ok(request.url()?.query_pairs().map(|(name, value)| (name.into(), value.into())).collect())
}

pub(crate) struct Parameters {
    given: Vec<(String, String)>,
    now: UnixMillis,
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.given.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The question; what begins with `side` goes before what does not.
    pub(crate) fn query(
        &self,
        side: &'static str,
        by: &[Dimension],
        step: Option<Span>,
    ) -> Result<Query, Refusal> {
        let to = self.moment(side, "to")?.unwrap_or(self.now);
        let from = match (self.moment(side, "from")?, self.window()?) {
            (Some(_), Some(_)) => {
                return Err(Refusal::BadQuery { name: "window", want: "left out beside `from`" });
            }
            (Some(from), None) => from,
            (None, window) => reaching_back(to, window.unwrap_or(Span::Day.millis())),
        };
        if from > to {
            return Err(Refusal::BadQuery { name: "from", want: "before `to`" });
        }
        let bots = match self.get("bots") {
            None | Some("exclude") => Bots::Exclude,
            Some("include") => Bots::Include,
            Some("only") => Bots::Only,
            Some(_) => return Err(Refusal::BadQuery { name: "bots", want: "exclude, include or only" }),
        };
        self.device()?;
        let mut only: Vec<(Dimension, String)> = Vec::new();
        for (name, value) in &self.given {
            let own = name.strip_prefix(side).filter(|_| !side.is_empty());
            let Some(dimension) = Dimension::named(own.unwrap_or(name)) else { continue };
            only.retain(|(other, _)| own.is_none() || *other != dimension);
            if own.is_some() || only.iter().all(|(other, _)| *other != dimension) {
                only.push((dimension, value.clone()));
            }
        }
        Ok(Query {
            from: Window::of(Span::Minute, from).start,
            // The minute that is going on belongs to the answer.
            to: Window::of(Span::Minute, to).start.after(Span::Minute.millis()),
            bots,
            only,
            by: by.to_vec(),
            step,
        })
    }

    /// How long the span is, where it is said so.
    fn window(&self) -> Result<Option<u64>, Refusal> {
        let read = |text: &str| {
            let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let spans = [("m", Span::Minute), ("h", Span::Hour), ("d", Span::Day)];
            let (_, span) = spans.into_iter().find(|(name, _)| *name == unit)?;
            let count: u64 = count.parse().ok().filter(|count| (1..=9999).contains(count))?;
            Some(count * span.millis())
        };
        let want = "a whole number of minutes, hours or days, such as `30m`, `24h` or `28d`";
        let window = |text| read(text).ok_or(Refusal::BadQuery { name: "window", want });
        self.get("window").map(window).transpose()
    }

    /// The release to compare with, and the question about it.
    pub(crate) fn against(&self, query: &Query) -> Result<Option<(String, Query)>, Refusal> {
        let Some(against) = self.get("against") else { return Ok(None) };
        match self.get("release") {
            Some(release) if release != against => {}
            _ => {
                return Err(Refusal::BadQuery {
                    name: "against",
                    want: "given with `release`, and another one",
                });
            }
        }
        let mut query = query.clone();
        query.only.retain(|(dimension, _)| *dimension != Dimension::Release);
        query.only.push((Dimension::Release, against.to_owned()));
        Ok(Some((against.to_owned(), query)))
    }

    fn by(&self) -> Result<Vec<Dimension>, Refusal> {
        let want =
            "up to 4 of route, device, nav, cache, net, release, country, bot and dim.<name>, with commas";
        let wrong = Refusal::BadQuery { name: "by", want };
        let names = self.get("by").unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let by: Option<Vec<Dimension>> = names.map(Dimension::named).collect();
        by.filter(|by| by.len() <= MOST_DIMENSIONS).ok_or(wrong)
    }

    pub(crate) fn metric(&self) -> Result<Option<Metric>, Refusal> {
        let want = "FCP, LCP, CLS, INP, FID or TTFB";
        let named = |name| Metric::named(name).ok_or(Refusal::BadQuery { name: "metric", want });
        self.get("metric").map(named).transpose()
    }

    /// Which cells of a standing are told: all of them, unless a page is asked for.
    fn cells(&self) -> Result<Page, Refusal> {
        let by_trouble = match self.get("sort") {
            None | Some("file") => false,
            Some("trouble") => true,
            Some(_) => return Err(Refusal::BadQuery { name: "sort", want: "file or trouble" }),
        };
        let (offset, limit) = self.page()?;
        let limit = self.get("limit").map(|_| limit);
        Ok(Page { metric: self.metric()?, by_trouble, offset, limit })
    }

    fn page(&self) -> Result<(usize, usize), Refusal> {
        let whole = |name: &'static str, want, otherwise: usize| match self.get(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| Refusal::BadQuery { name, want }),
        };
        let want = "a whole number from 1 to 5000";
        let limit = whole("limit", want, 1000)?;
        if !(1..=MOST_LINES).contains(&limit) {
            return Err(Refusal::BadQuery { name: "limit", want });
        }
        Ok((whole("offset", "a whole number, as `next` says it", 0)?, limit))
    }

    fn device(&self) -> Result<Option<Device>, Refusal> {
        let want = "phone, tablet or desktop";
        let named = |name| Device::named(name).ok_or(Refusal::BadQuery { name: "device", want });
        self.get("device").map(named).transpose()
    }

    fn moment(&self, side: &str, name: &'static str) -> Result<Option<UnixMillis>, Refusal> {
        let want = "milliseconds since the Unix epoch";
        let read = |text: &str| text.parse().map(UnixMillis).map_err(|_| Refusal::BadQuery { name, want });
        self.get(&format!("{side}{name}")).or_else(|| self.get(name)).map(read).transpose()
    }
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const PAGE: &[Dimension] = &[Dimension::Route, Dimension::Device];
const COLUMNS: &[&str] = &[
    "metric",
    "unit",
    "n",
    "visits",
    "p50",
    "p75",
    "p75_low",
    "p75_high",
    "p90",
    "p95",
    "p99",
    "good",
    "needs_improvement",
    "poor",
];
const MOST_DIMENSIONS: usize = 4;
const MOST_LINES: usize = 5000;
