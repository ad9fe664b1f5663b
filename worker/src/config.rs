//! The configuration in wrangler.toml: sites with their origins, shards, retention, push, alerts and exports.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::rc::Rc;

use alerting::channel::ChannelConfig;
use auth::{ALL_SITES, AccessPolicy, TokenTable};
use evidence::EvidenceSecrets;
use export::config::ExportConfig;
use ledger::{Retention, SHARD_COUNT_HELP, ShardLayout};
use outbox::{PushConfig, Sink};
use sites::{EvidencePolicy, Registry, SiteSettings};
use wire::UnixMillis;
use wire::routes::Right;
use wire::sorting::CollectOrdered;
use worker::Env;
use worker::js_sys::{JSON, Reflect};

/// The configuration of one deployment.
#[derive(Debug)]
pub(crate) struct Config {
    /// Each site by its name.
    pub(crate) sites: BTreeMap<String, SiteSettings>,
    /// The shards of every site that sets none itself.
    shards: ShardLayout,
    /// The retention of counts.
    pub(crate) retention: Retention,
    /// Where closed windows are pushed to.
    pub(crate) push: PushConfig,
    /// Where each site's origin tells its own health; under the name `backend` that of all the others.
    origin_health: Vec<Sink>,
    /// The notification channels of alerts.
    pub(crate) channels: Vec<ChannelConfig>,
    /// Where exports go.
    pub(crate) exports: ExportConfig,
    /// Where people look, as notices link it.
    pub(crate) dashboard_url: String,
    /// The sign-in through Cloudflare Access.
    pub(crate) access: Option<AccessPolicy>,
    /// The tokens of callers.
    pub(crate) tokens: TokenTable,
    /// The time for which answers that need no token are shared.
    pub(crate) public_answer_age_ms: u64,
    /// The secrets of page tokens.
    pub(crate) evidence_secrets: EvidenceSecrets,
    /// The sites of wrangler.toml, whose settings no call changes.
    deployed_sites: BTreeSet<String>,
    /// True if calls may create sites and tokens.
    pub(crate) takes_sites_by_call: bool,
}

/// An error in wrangler.toml.
#[derive(Debug)]
pub(crate) struct ConfigError(String);

impl Config {
    /// The configuration of this deployment, with what calls have added as far as this isolate knows.
    pub(crate) fn load(env: &Env) -> Result<Rc<Self>, ConfigError> {
        if let Some(known) = CONFIG.with_borrow(Clone::clone) {
            return Ok(known);
        }
        let config = Rc::new(Self::from_env(env)?);
        CONFIG.set(Some(Rc::clone(&config)));
        Ok(config)
    }

    /// Adds the sites and tokens that calls have created to those of wrangler.toml.
    pub(crate) fn add_registry(env: &Env, registry: &Registry) -> Result<(), ConfigError> {
        let mut config = Self::from_env(env)?;
        for site in registry.add_sites(&mut config.sites) {
            worker::console_error!("this release cannot read the settings of the site {site}");
        }
        registry.add_tokens(&mut config.tokens);
        CONFIG.set(Some(Rc::new(config)));
        Ok(())
    }

    /// Returns true if wrangler.toml has the site.
    pub(crate) fn is_deployed(&self, site: &str) -> bool {
        self.deployed_sites.contains(site)
    }

    fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let sites: BTreeMap<String, SiteSettings> = serde_json::from_str(&sites_text(env)?)
            .map_err(|error| ConfigError(format!("SITES is not a table of sites: {error}")))?;
        let shards = match env.var("SHARDS") {
            Err(_) => ShardLayout::default(),
            Ok(text) => ShardLayout::parse(&text.to_string())
                .ok_or_else(|| ConfigError(format!("SHARDS must be {SHARD_COUNT_HELP}")))?,
        };
        let retention = match env.var("RETENTION_DAYS") {
            Err(_) => Retention::default(),
            Ok(text) => {
                let days =
                    text.to_string().parse().ok().filter(|days| (1..=MAX_RETENTION_DAYS).contains(days));
                let mistake = || {
                    ConfigError(format!(
                        "RETENTION_DAYS must be a whole number from 1 to {MAX_RETENTION_DAYS}"
                    ))
                };
                Retention::from_days(days.ok_or_else(mistake)?)
            }
        };
        let text_or_empty = |name: &str| env.var(name).map(|value| value.to_string()).unwrap_or_default();
        let push = PushConfig::from_variables(text_or_empty).map_err(ConfigError)?;
        let origins = env.var("ORIGIN_HEALTH_URL").map(|text| text.to_string()).unwrap_or_default();
        let origin_health = Sink::parse_list(&origins)
            .map_err(|mistake| ConfigError(format!("ORIGIN_HEALTH_URL: {mistake}")))?;
        let channels = env.secret("ALERT_CHANNELS").map(|text| text.to_string()).unwrap_or_default();
        let channels =
            ChannelConfig::parse_list(&channels).map_err(|mistake| ConfigError(mistake.to_string()))?;
        let text = |name: &str| env.var(name).ok().map(|text| text.to_string());
        let exports = ExportConfig::from_variables(text, env!("CARGO_PKG_VERSION"))
            .map_err(|mistake| ConfigError(mistake.to_string()))?;
        let secrets = env.secret("EVIDENCE_SECRET").map(|text| text.to_string()).unwrap_or_default();
        let evidence_secrets = EvidenceSecrets::parse(&secrets).map_err(ConfigError)?;
        for (name, site) in &sites {
            site.check_secrets(!evidence_secrets.is_empty())
                .map_err(|reason| ConfigError(format!("the site {name}: {reason}")))?;
        }
        let dashboard_url = env.var("DASHBOARD_URL").map(|text| text.to_string()).unwrap_or_default();
        let tokens = read_tokens(env)?;
        let public_answer_age_ms = match text("PUBLIC_CACHE_SECONDS") {
            None => DEFAULT_PUBLIC_CACHE_SECONDS,
            Some(text) => {
                let seconds = text.parse().ok().filter(|seconds| *seconds <= MAX_PUBLIC_CACHE_SECONDS);
                let mistake = || {
                    ConfigError(format!(
                        "PUBLIC_CACHE_SECONDS must be a whole number from 0 to {MAX_PUBLIC_CACHE_SECONDS}"
                    ))
                };
                seconds.ok_or_else(mistake)?
            }
        } * 1000;
        if sites.contains_key(ALL_SITES) {
            return Err(ConfigError("SITES has a site `*`, which stands for all sites".into()));
        }
        let takes_sites_by_call = match text("SITES_BY_CALL").as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ConfigError("SITES_BY_CALL must be \"true\" or \"false\"".into())),
        };
        if takes_sites_by_call && env.kv("CACHE_KV").is_err() {
            return Err(ConfigError("SITES_BY_CALL needs the binding CACHE_KV".into()));
        }
        Ok(Self {
            deployed_sites: sites.keys().cloned().collect_set(),
            takes_sites_by_call,
            sites,
            shards,
            retention,
            push,
            origin_health,
            channels,
            exports,
            dashboard_url,
            access: AccessPolicy::from_variables(text).map_err(ConfigError)?,
            tokens,
            public_answer_age_ms,
            evidence_secrets,
        })
    }

    /// Returns the name of the object that holds a shard, in its jurisdiction.
    pub(crate) fn shard_address(&self, site: &str, shard: u32) -> String {
        let settings = self.sites.get(site);
        sites::shard_address(settings.and_then(|settings| settings.jurisdiction), site, shard)
    }

    /// Returns the shards of a site.
    pub(crate) fn shards_of(&self, site: &str) -> &ShardLayout {
        self.sites.get(site).and_then(|site| site.shards.as_ref()).unwrap_or(&self.shards)
    }

    /// Returns the beacons that one shard of a site accepts in a day, if the site has a quota.
    pub(crate) fn day_share(&self, site: &str) -> Option<NonZeroU32> {
        let per_day = self.sites.get(site)?.beacons_per_day?;
        Some(ledger::quota_share(per_day, self.shards_of(site).indices().end))
    }

    /// Returns the places outside this deployment that data of a site is sent to.
    pub(crate) fn copies_of(&self, site: &str) -> Vec<String> {
        let mut copies: Vec<String> =
            self.push.sinks.iter().map(|sink| format!("push backend {}", sink.name)).collect();
        copies.extend(self.channels.iter().map(|channel| format!("alert channel {}", channel.name)));
        let exports = [
            ("OpenTelemetry collector", self.exports.otlp.is_some()),
            ("Sentry", self.exports.sentry.is_some()),
            ("Google Analytics", self.exports.analytics.is_some()),
        ];
        copies.extend(exports.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_owned()));
        copies.push(format!("whoever has read /metrics, backups or exports of {site}"));
        copies
    }

    /// Where a site's origin tells its own health.
    pub(crate) fn origin_health_url(&self, site: &str) -> Option<&str> {
        let named = |name: &str| self.origin_health.iter().find(|origin| origin.name == name);
        named(site).or_else(|| named("backend")).map(|origin| origin.url.as_str())
    }

    /// Returns true if any site accepts beacons from this origin. The beacon's own site is checked later.
    pub(crate) fn any_site_allows(&self, origin: &str) -> bool {
        self.sites.values().any(|site| site.allows_origin(origin))
    }

    /// Returns the token of a document of a site; none unless the site uses tokens.
    pub(crate) fn page_token(&self, site: &str, now: UnixMillis, nonce: u64) -> Option<String> {
        let uses_tokens = self.sites.get(site)?.evidence != EvidencePolicy::Off;
        self.evidence_secrets.issue(site, now, nonce).filter(|_| uses_tokens)
    }

    /// Returns the site that a request names; without a name, the first one.
    pub(crate) fn site_or_first<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        named.or_else(|| self.sites.keys().next().map(String::as_str)).unwrap_or_default()
    }

    /// Returns the site that lists this origin, if exactly one does.
    pub(crate) fn only_site_of_origin(&self, origin: &str) -> Option<&str> {
        let lists = |site: &SiteSettings| site.origins.iter().any(|listed| listed == origin);
        let mut sites = self.sites.iter().filter(|(_, site)| lists(site));
        sites.next().filter(|_| sites.next().is_none()).map(|(name, _)| name.as_str())
    }
}

/// Returns SITES as JSON. A table in wrangler.toml arrives as an object; on the command line it is given as text.
fn sites_text(env: &Env) -> Result<String, ConfigError> {
    let value = Reflect::get(env, &"SITES".into()).unwrap_or_default();
    let text = value.as_string().or_else(|| JSON::stringify(&value).ok().and_then(|text| text.as_string()));
    text.ok_or_else(|| ConfigError("SITES is missing".into()))
}

/// Reads the secrets for all sites, and the table of tokens for each.
fn read_tokens(env: &Env) -> Result<TokenTable, ConfigError> {
    let secret = |name: &str| env.secret(name).map(|secret| secret.to_string()).unwrap_or_default();
    let mut tokens = TokenTable::parse(&secret("ACCESS_TOKENS"))
        .map_err(|mistake| ConfigError(format!("ACCESS_TOKENS: {mistake}")))?;
    for right in [Right::Read, Right::Manage, Right::Cache] {
        if let Some(name) = right.secret() {
            tokens.add_secret(name, &secret(name), &[right]);
        }
    }
    Ok(tokens)
}

/// The period of the rate limits in wrangler.toml.
pub(crate) const RATE_LIMIT_PERIOD_SECONDS: u32 = 60;
const DEFAULT_PUBLIC_CACHE_SECONDS: u64 = 5;
const MAX_PUBLIC_CACHE_SECONDS: u64 = 60;
/// Ten years.
const MAX_RETENTION_DAYS: u64 = 3650;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; mend [vars] in wrangler.toml and deploy again", self.0)
    }
}

thread_local! {
    // Plain data: nothing in it belongs to a request.
    static CONFIG: RefCell<Option<Rc<Config>>> = const { RefCell::new(None) };
}
