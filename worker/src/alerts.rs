//! Alerts, wired: at each look of the cron the first shard of a site reads what there is to read, and posts
//! the notices that follow to every channel. When somebody is called is `insight::alert`'s to decide, which
//! channel has heard what `insight::channel`'s.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use budget::Budgets;
use insight::alert::{Alerts, Effect, Input, Mute, Observation, Reading};
use insight::bulletin::Raised;
use insight::channel::{Answered, Configured, Deliveries};
use insight::look;
use insight::notice::Notice;
use insight::target::{Level, Signal};
use ledger::traffic::Traffic;
use ledger::{Counts, Span};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wire::{Refusal, UnixMillis};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Env, Error, Request, Result, SqlStorage, Storage};

use crate::alarm::Alarm;
use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::shard::{self, Shard, now};
use crate::watching::{self, Name, Seen};
use crate::{health, history, leave, post, standing};

/// The alerts of a site, as its first shard keeps them.
#[derive(Debug)]
pub(crate) struct Calls {
    storage: Storage,
    env: Env,
    alarm: Rc<Alarm>,
    /// Notices that are on their way right now, and to whom.
    posting: RefCell<BTreeSet<(u64, String)>>,
}

impl Calls {
    pub(crate) fn new(storage: Storage, env: Env, alarm: Rc<Alarm>) -> Self {
        Self { storage, env, alarm, posting: RefCell::default() }
    }

    fn sql(&self) -> SqlStorage {
        self.storage.sql()
    }

    fn alerts(&self, site: &str) -> Result<Alerts> {
        let Some(text) = shard::kept::<String>(&self.sql(), "alerts")? else {
            return Ok(Alerts::of(site.to_owned()));
        };
        let later = "the alerts are of a later version; deploy a Worker that knows it";
        Alerts::stored(&text).ok_or_else(|| Error::RustError(later.into()))
    }

    fn deliveries(&self) -> Result<Deliveries> {
        Ok(shard::kept(&self.sql(), "deliveries")?.unwrap_or_default())
    }

    /// Takes what happened: stores it first, and posts then.
    fn take(self: &Rc<Self>, site: &str, config: &Config, input: Input) -> Result<()> {
        let mut alerts = self.alerts(site)?;
        let effects = alerts.handle(input, now());
        shard::keep(&self.sql(), "alerts", &alerts.text())?;
        for effect in effects {
            match effect {
                Effect::Notify(notice) => self.notify(site, config, notice)?,
                Effect::WakeAt(at) => self.wake(at),
                Effect::Record(record) => history::record(&self.sql(), &record)?,
            }
        }
        Ok(())
    }

    fn wake(&self, at: UnixMillis) {
        let alarm = Rc::clone(&self.alarm);
        spawn_local(async move {
            if let Err(error) = alarm.by(at).await {
                worker::console_error!(
                    "the alarm of the notices could not be set; the cron goes on: {error}"
                );
            }
        });
    }

    /// To each channel by itself, so that one that is slow keeps no other from hearing.
    fn notify(self: &Rc<Self>, site: &str, config: &Config, notice: Notice) -> Result<()> {
        let number = notice.number;
        let notice = Rc::new(notice);
        if config.channels.is_empty() {
            return self.heard(site, number, None);
        }
        for channel in self.deliveries()?.open(number, &config.channels).into_iter().cloned() {
            if !self.posting.borrow_mut().insert((number, channel.name.clone())) {
                continue;
            }
            let (calls, site, notice) = (Rc::clone(self), site.to_owned(), Rc::clone(&notice));
            let dashboard = config.dashboard.clone();
            spawn_local(async move {
                let answer = told(&channel, &notice, &dashboard).await;
                calls.posting.borrow_mut().remove(&(number, channel.name.clone()));
                if let Err(error) = calls.heard(&site, number, Some((&channel.name, answer))) {
                    worker::console_error!("who was told notice {number} could not be stored: {error}");
                }
            });
        }
        Ok(())
    }

    fn heard(self: &Rc<Self>, site: &str, notice: u64, answer: Option<(&str, Answered)>) -> Result<()> {
        let config = Config::of(&self.env).map_err(|mistake| Error::RustError(mistake.to_string()))?;
        let mut deliveries = self.deliveries()?;
        if let Some((channel, answer)) = answer {
            deliveries.heard(notice, channel, answer);
        }
        let is_told = deliveries.is_told(notice, &config.channels);
        let by = deliveries.taken(notice);
        if is_told {
            deliveries.forget(notice);
        }
        shard::keep(&self.sql(), "deliveries", &deliveries)?;
        if is_told { self.take(site, &config, Input::Told { notice, by }) } else { Ok(()) }
    }
}

/// Posts a notice to one channel. The answer is the first that is not a receipt.
async fn told(channel: &Configured, notice: &Notice, dashboard: &str) -> Answered {
    let key = format!("{}.notice.{}", notice.site, notice.number);
    let bearer = channel.token.as_ref().map(|token| format!("Bearer {token}"));
    let mut fields = vec![("content-type", "application/json"), ("idempotency-key", key.as_str())];
    fields.extend(bearer.as_ref().map(|bearer| ("authorization", bearer.as_str())));
    let mut last = Answered::Status(204);
    for body in notice.posts(&channel.channel, dashboard) {
        last = match post::post(&channel.url, &fields, body.to_string().into(), PATIENCE).await {
            Ok(answered) => Answered::Status(answered.status),
            Err(_) => Answered::None,
        };
        if !matches!(last, Answered::Status(200..=299)) {
            break;
        }
    }
    last
}

impl Shard {
    /// Reads what there is to read, and lets the alerts know.
    pub(crate) fn read_for_alerts(
        &self,
        site: &str,
        config: &Config,
        budgets: &Budgets,
        counts: &Counts,
        seen: &[Seen],
        traffic: &Traffic,
    ) -> Result<()> {
        let mut all = budgeted(budgets, counts, seen);
        all.extend(look::of_traffic(traffic));
        all.push(Observation::of_site(Reading::Memory(health::memory().percent)));
        let hours = self.hours()?;
        let heard_at = self.heard_last(None)?.filter(|_| self.is_monitored());
        if let Some((heard_at, (views, _))) = heard_at.zip(hours.get(look::VIEWS)) {
            all.push(Observation::of_site(Reading::Silence(views.missed(heard_at, now()))));
        }
        for backend in self.backends(site)? {
            let reading = Reading::Backlog(backend.waiting);
            let series = Some(backend.name);
            all.push(Observation { route: None, device: None, series, reading });
        }
        all.extend(look::odd(&hours, now()));
        self.calls.take(site, config, Input::Look(all))
    }

    /// Says again what no channel has taken, and what has waited.
    pub(crate) fn call(&self, site: &str) -> Result<()> {
        let config = self.config()?;
        self.calls.take(site, &config, Input::Woken)
    }

    /// What is raised, and what is muted.
    pub(crate) fn alerts_shown(&self, site: &str) -> Result<Value> {
        let (alerts, deliveries, config) =
            (self.calls.alerts(site)?, self.calls.deliveries()?, self.config()?);
        let mute = |(number, mute): (&u64, &Mute)| {
            let mut shown = serde_json::to_value(mute).unwrap_or_default();
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("number".into(), (*number).into());
            }
            shown
        };
        let channel = |channel: &Configured| {
            let waiting = deliveries.waiting(&channel.name);
            let trouble = deliveries.troubles.get(&channel.name);
            json!({ "name": channel.name, "waiting": waiting, "trouble": trouble })
        };
        Ok(json!({
            "v": 1,
            "site": site,
            "at": now(),
            "raised": alerts.raised(now()),
            "mutes": alerts.mutes().iter().map(mute).collect::<Vec<_>>(),
            "channels": config.channels.iter().map(channel).collect::<Vec<_>>(),
            "overflow": alerts.overflow,
        }))
    }

    /// How many are raised; and how many notices wait.
    pub(crate) fn alerts_counted(&self, site: &str) -> Result<(Raised, u64)> {
        let alerts = self.calls.alerts(site)?;
        let raised = alerts.raised(now());
        let critical = raised.iter().filter(|shown| shown.level == Level::Critical).count() as u64;
        Ok((Raised { raised: raised.len() as u64, critical }, alerts.untold() as u64))
    }

    /// Somebody looks after an alert. Whether there is such a one.
    pub(crate) fn acknowledge(&self, site: &str, asked: Acknowledging) -> Result<bool> {
        let is_raised = self.calls.alerts(site)?.raised(now()).iter().any(|shown| shown.key == asked.key);
        let Acknowledging { key, by } = asked;
        self.calls.take(site, &*self.config()?, Input::Acknowledge { key, by })?;
        Ok(is_raised)
    }

    /// Somebody wants not to hear of something. Its number; none where as many as may are silenced.
    pub(crate) fn silence(&self, site: &str, mute: Mute) -> Result<Option<u64>> {
        let last = |alerts: &Alerts| alerts.mutes().keys().next_back().copied();
        let before = last(&self.calls.alerts(site)?);
        self.calls.take(site, &*self.config()?, Input::Mute(mute))?;
        Ok(last(&self.calls.alerts(site)?).filter(|number| Some(*number) != before))
    }

    /// Somebody wants to hear of it again.
    pub(crate) fn unsilence(&self, site: &str, number: u64) -> Result<bool> {
        let is_known = self.calls.alerts(site)?.mutes().contains_key(&number);
        self.calls.take(site, &*self.config()?, Input::Unmute(number))?;
        Ok(is_known)
    }
}

/// The three readings of each budget on each route.
fn budgeted(budgets: &Budgets, counts: &Counts, seen: &[Seen]) -> Vec<Observation> {
    let now = now();
    let seen: BTreeMap<&Name, &Seen> = seen.iter().map(|seen| (&seen.name, seen)).collect();
    let day = now.before(Span::Day.millis());
    let met = watching::met(budgets, counts);
    let of_cell = |(name, met): (&Name, &watching::Met<'_>)| {
        let evidence = seen.get(name)?.evidence;
        let watched = look::Watched {
            route: name.route.clone()?,
            device: name.device,
            metric: met.rule.metric,
            limit: met.rule.limit,
            shown: watching::tally(met.track.since(day)),
            since_release: evidence,
            windows: standing::windows(&met.track, now),
        };
        Some(watched.observations())
    };
    met.iter().filter_map(of_cell).flatten().collect()
}

/// Who looks after which alert.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Acknowledging {
    key: String,
    by: String,
}

/// What is not to be told for a while.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Silencing {
    signal: Option<Signal>,
    route: Option<String>,
    from: Option<UnixMillis>,
    until: Option<UnixMillis>,
    minutes: Option<u64>,
    by: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsilencing {
    number: u64,
}

impl Silencing {
    fn mute(self, now: UnixMillis) -> core::result::Result<Mute, Refusal> {
        let Self { signal, route, from, until, minutes, by, reason } = self;
        let from = from.unwrap_or(now);
        let want = "`until`, a moment after `from`, or `minutes`; thirty days from now at most";
        let until = match (until, minutes) {
            (Some(until), None) => until,
            (None, Some(minutes)) => from.after(minutes.saturating_mul(60_000)),
            _ => return Err(Refusal::OutOfRange { field: "until", want }),
        };
        if until <= from || until <= now || until > now.after(LONGEST_MUTE) {
            return Err(Refusal::OutOfRange { field: "until", want });
        }
        Ok(Mute {
            signal,
            route: bounded("route", route)?,
            from,
            until,
            by: word("by", by)?,
            reason: word("reason", reason)?,
        })
    }
}

fn word(field: &'static str, text: String) -> core::result::Result<String, Refusal> {
    let is_right = (1..=LONGEST_WORD).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_right { Ok(text) } else { Err(Refusal::OutOfRange { field, want: "1 to 300 bytes in one line" }) }
}

fn bounded(field: &'static str, text: Option<String>) -> core::result::Result<Option<String>, Refusal> {
    text.map(|text| word(field, text)).transpose()
}

/// `GET /api/alerts`: what is raised, and what is muted.
pub(crate) async fn shown(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::reads(request, env)?, leave::READ)?;
    let shown: Value = shard::first(env, &site, "alerts", &()).await?;
    Ok(answer::json(shown.to_string())?)
}

/// `POST /api/alerts/ack`: somebody looks after an alert.
pub(crate) async fn ack(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    let asked: Acknowledging = leave::body(request).await?;
    let asked = Acknowledging { key: word("key", asked.key)?, by: word("by", asked.by)? };
    let is_raised: bool = shard::first(env, &site, "ack", &asked).await?;
    Ok(answer::json(json!({ "v": 1, "site": site, "acknowledged": is_raised }).to_string())?)
}

/// `POST /api/alerts/silence`: something is not to be told for a while.
pub(crate) async fn silence(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    let asked: Silencing = leave::body(request).await?;
    let number: Option<u64> = shard::first(env, &site, "silence", &asked.mute(now())?).await?;
    let want = "asked for when fewer than 200 are silenced; take one back";
    let number = number.ok_or(Refusal::OutOfRange { field: "silence", want })?;
    Ok(answer::json(json!({ "v": 1, "site": site, "number": number }).to_string())?)
}

/// `POST /api/alerts/unsilence`: it is to be told again.
pub(crate) async fn unsilence(request: &Request, env: &Env, config: &Config) -> Outcome {
    let site = leave::site(request, config)?;
    leave::demand(leave::carries(request, env, leave::MANAGE)?, leave::MANAGE)?;
    let asked: Unsilencing = leave::body(request).await?;
    let was_silenced: bool = shard::first(env, &site, "unsilence", &asked.number).await?;
    Ok(answer::json(json!({ "v": 1, "site": site, "was_silenced": was_silenced }).to_string())?)
}

const PATIENCE: u32 = 10_000;
/// Milliseconds.
const LONGEST_MUTE: u64 = 30 * 24 * 3_600_000;
const LONGEST_WORD: usize = 300;
