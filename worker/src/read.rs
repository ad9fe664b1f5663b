//! Reading: `GET /api/vitals/summary` and `GET /api/budgets`.

use ledger::{Bots, Query, Span, Window};
use serde_json::json;
use subtle::ConstantTimeEq;
use wire::{Device, Metric, Refusal, UnixMillis};
use worker::{Date, Env, Request};

use crate::answer::{self, Failure, Outcome};
use crate::config::Config;
use crate::{budgets, refusals, shard, verdicts};

pub(crate) async fn summary(request: &Request, env: &Env, config: &Config) -> Outcome {
    let parameters = Parameters::of(request)?;
    let name = match parameters.get("site") {
        Some(name) => name.to_owned(),
        None => config.sites.keys().next().cloned().unwrap_or_default(),
    };
    may_read(request, env, config, &name)?;
    let now = UnixMillis(Date::now().as_millis());
    let query = parameters.query(now)?;
    let budgets = budgets::in_force(env).await?;
    let groups = shard::read(env, config, &name, &query).await?;
    let summary = verdicts::summary(name, &query, groups, &budgets);
    Ok(answer::json(serde_json::to_string(&summary).map_err(worker::Error::from)?)?)
}

/// The field's limits of a path: what the demo page and the client hold a visit against.
pub(crate) async fn limits(request: &Request, env: &Env) -> Outcome {
    let parameters = Parameters::of(request)?;
    let path = parameters.get("path").unwrap_or("/");
    let device = parameters.device()?.unwrap_or(Device::Desktop);
    let budgets = budgets::in_force(env).await?;
    let limits: serde_json::Map<String, serde_json::Value> = Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let limit = budgets.limit(path, device, metric)?;
            let max = verdicts::natural(metric, limit.max);
            Some((
                metric.name().into(),
                json!({ "max": max, "percentile": limit.percentile, "line": limit.line }),
            ))
        })
        .collect();
    let document = json!({ "v": 1, "path": path, "device": device.name(), "limits": limits });
    Ok(answer::json(document.to_string())?)
}

fn may_read(request: &Request, env: &Env, config: &Config, name: &str) -> Result<(), Failure> {
    match config.sites.get(name) {
        Some(site) if site.public => return Ok(()),
        None if name != refusals::NOBODYS => {
            return Err(Refusal::UnknownSite { site: name.to_owned() }.into());
        }
        _ => {}
    }
    let given = request.headers().get("authorization")?.unwrap_or_default();
    let given = given.strip_prefix("Bearer ").unwrap_or_default();
    let token = env.secret("READ_TOKEN").map(|token| token.to_string()).unwrap_or_default();
    let same: bool = given.as_bytes().ct_eq(token.as_bytes()).into();
    // Where no token is set, none opens.
    if same && !token.is_empty() { Ok(()) } else { Err(Refusal::Unauthorized.into()) }
}

struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn of(request: &Request) -> worker::Result<Self> {
        Ok(Self(request.url()?.query_pairs().map(|(name, value)| (name.into(), value.into())).collect()))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn query(&self, now: UnixMillis) -> Result<Query, Refusal> {
        let to = self.moment("to")?.unwrap_or(now);
        let from = self.moment("from")?.unwrap_or(to.before(Span::Day.millis()));
        if from > to {
            return Err(Refusal::BadQuery { name: "from", want: "before `to`" });
        }
        let bots = match self.get("bots") {
            None | Some("exclude") => Bots::Exclude,
            Some("include") => Bots::Include,
            Some("only") => Bots::Only,
            Some(_) => return Err(Refusal::BadQuery { name: "bots", want: "exclude, include or only" }),
        };
        Ok(Query {
            from: Window::of(Span::Minute, from).start,
            // The minute that is going on belongs to the answer.
            to: Window::of(Span::Minute, to).start.after(Span::Minute.millis()),
            bots,
            route: self.get("route").map(str::to_owned),
            device: self.device()?,
            release: self.get("release").map(str::to_owned),
        })
    }

    fn device(&self) -> Result<Option<Device>, Refusal> {
        let want = "phone, tablet or desktop";
        let named = |name| Device::named(name).ok_or(Refusal::BadQuery { name: "device", want });
        self.get("device").map(named).transpose()
    }

    fn moment(&self, name: &'static str) -> Result<Option<UnixMillis>, Refusal> {
        let want = "milliseconds since the Unix epoch";
        let read = |text: &str| text.parse().map(UnixMillis).map_err(|_| Refusal::BadQuery { name, want });
        self.get(name).map(read).transpose()
    }
}
