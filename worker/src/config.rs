//! What wrangler.toml says: the sites, who may send for them, how many shards hold them, and for how long.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use insight::channel::Configured;
use insight::export::outlets::Outlets;
use ledger::outbox::Sink;
use ledger::{Retention, Templates};
use serde::Deserialize;
use worker::Env;

use crate::push::Backends;

/// The configuration of one deployment.
#[derive(Debug)]
pub(crate) struct Config {
    /// Each site by its name.
    pub(crate) sites: BTreeMap<String, Site>,
    /// Over how many objects a site's views are spread.
    pub(crate) shards: Shards,
    /// How long what is counted is kept.
    pub(crate) retention: Retention,
    /// Where closed windows are pushed to.
    pub(crate) backends: Backends,
    /// Where each site's origin tells its own health; under the name `backend` that of all the others.
    origins: Vec<Sink>,
    /// Who is told of alerts.
    pub(crate) channels: Vec<Configured>,
    /// Where exports go.
    pub(crate) outlets: Outlets,
    /// Where people look, as notices link it.
    pub(crate) dashboard: String,
}

/// One site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Site {
    /// The origins whose pages may send, besides the Worker's own; `*` for any.
    #[serde(default)]
    pub(crate) origins: Vec<String>,
    /// Whether everybody may read its summary. If not, the secret READ_TOKEN is needed.
    #[serde(default)]
    pub(crate) public: bool,
    /// Whether the visitor's country is a label.
    #[serde(default)]
    pub(crate) countries: bool,
    /// The templates of its paths, for pages that tell none.
    #[serde(default)]
    pub(crate) routes: Templates,
}

/// What is wrong in wrangler.toml.
#[derive(Debug)]
pub(crate) struct Mistake(String);

impl Config {
    /// The configuration of this deployment: it does not change while an isolate lives.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>, Mistake> {
        if let Some(known) = READ.with_borrow(Clone::clone) {
            return Ok(known);
        }
        let config = Rc::new(Self::read(env)?);
        READ.set(Some(Rc::clone(&config)));
        Ok(config)
    }

    fn read(env: &Env) -> Result<Self, Mistake> {
        // A table in wrangler.toml arrives as an object; on the command line it is given as text.
        let sites = match env.object_var::<BTreeMap<String, Site>>("SITES") {
            Ok(sites) => sites,
            Err(error) => match env.var("SITES") {
                Ok(text) => serde_json::from_str(&text.to_string())
                    .map_err(|error| Mistake(format!("SITES is not a table of sites: {error}")))?,
                Err(_) => return Err(Mistake(format!("SITES is not a table of sites: {error}"))),
            },
        };
        let shards = match env.var("SHARDS") {
            Err(_) => Shards::default(),
            Ok(text) => Shards::read(&text.to_string()).ok_or_else(|| {
                Mistake(
                    "SHARDS must be a number from 1 to 256, or like `1,4@1800000000000`: since then 4".into(),
                )
            })?,
        };
        let retention = match env.var("RETENTION_DAYS") {
            Err(_) => Retention::default(),
            Ok(text) => {
                let days = text.to_string().parse().ok().filter(|days| (1..=MOST_DAYS).contains(days));
                let mistake =
                    || Mistake(format!("RETENTION_DAYS must be a whole number from 1 to {MOST_DAYS}"));
                Retention::of_days(days.ok_or_else(mistake)?)
            }
        };
        let backends = Backends::read(env).map_err(Mistake)?;
        let origins = env.var("ORIGIN_HEALTH_URL").map(|text| text.to_string()).unwrap_or_default();
        let origins =
            Sink::read(&origins).map_err(|mistake| Mistake(format!("ORIGIN_HEALTH_URL: {mistake}")))?;
        let channels = env.secret("ALERT_CHANNELS").map(|text| text.to_string()).unwrap_or_default();
        let channels = Configured::read(&channels).map_err(|mistake| Mistake(mistake.to_string()))?;
        let text = |name: &str| env.var(name).ok().map(|text| text.to_string());
        let outlets =
            Outlets::read(text, env!("CARGO_PKG_VERSION")).map_err(|mistake| Mistake(mistake.to_string()))?;
        let dashboard = env.var("DASHBOARD_URL").map(|text| text.to_string()).unwrap_or_default();
        Ok(Self { sites, shards, retention, backends, origins, channels, outlets, dashboard })
    }

    /// Where a site's origin tells its own health.
    pub(crate) fn origin_of(&self, site: &str) -> Option<&str> {
        let named = |name: &str| self.origins.iter().find(|origin| origin.name == name);
        named(site).or_else(|| named("backend")).map(|origin| origin.url.as_str())
    }

    /// Whether pages of that origin may send for any site; the beacon's own site is checked later.
    pub(crate) fn knows(&self, origin: &str) -> bool {
        self.sites.values().any(|site| site.allows(origin))
    }
}

/// How many shards there are, and since when. A view belongs to the shards that there were when it
/// began, so that what corrects it finds it, and no history is lost.
#[derive(Debug)]
pub(crate) struct Shards(Vec<(u64, u32)>);

impl Shards {
    /// Each number of shards with the moment since which it holds; the first has always held.
    fn read(text: &str) -> Option<Self> {
        let mut all: Vec<(u64, u32)> = Vec::new();
        for part in text.split(',') {
            let (count, since) = part.trim().split_once('@').unwrap_or((part.trim(), "0"));
            let (since, count) = (since.parse().ok()?, count.parse().ok()?);
            let follows = all.last().map_or(since == 0, |(last, _)| since > *last);
            if !(1..=MOST_SHARDS).contains(&count) || !follows {
                return None;
            }
            all.push((since, count));
        }
        Some(Self(all))
    }

    /// How many hold the views that began then.
    pub(crate) fn at(&self, start: u64) -> u32 {
        self.0.iter().rev().find(|(since, _)| *since <= start).map_or(1, |(_, count)| *count)
    }

    /// All that hold anything.
    pub(crate) fn all(&self) -> std::ops::Range<u32> {
        0..self.0.iter().map(|(_, count)| *count).max().unwrap_or(1)
    }
}

impl Default for Shards {
    fn default() -> Self {
        Self(vec![(0, 1)])
    }
}

const MOST_SHARDS: u32 = 256;
/// Ten years.
const MOST_DAYS: u64 = 3650;

impl Site {
    /// Whether pages of that origin may send for this site.
    pub(crate) fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; mend [vars] in wrangler.toml and deploy again", self.0)
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static READ: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}
