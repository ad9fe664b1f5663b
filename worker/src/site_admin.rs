//! The calls below `/api/sites` that change sites and tokens. Operators of the deployment make them.

use serde_json::value::RawValue;
use sites::{
    EraseResponse, RegistryChange, RegistryOutcome, SiteEntry, SiteList, SiteResponse, SiteSettings,
    SiteSource, TokenList, TokenRequest, TokenResponse, TokenRevocation,
};
use wire::ApiError;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::clock::{now, random_bytes};
use crate::config::Config;
use crate::query_api::{parameter, query_pairs};
use crate::registry::{self, EFFECTIVE_WITHIN_SECONDS};
use crate::response::{self, HandlerResult};
use crate::shard_client::call_all;
use crate::shard_protocol::Erase;

/// `GET /api/sites`.
pub(crate) async fn list(env: &Env, config: &Config) -> HandlerResult {
    let registry = if config.takes_sites_by_call { registry::read(env).await? } else { Default::default() };
    let mut sites = Vec::new();
    for site in config.sites.keys().filter(|site| config.is_deployed(site)) {
        let source = SiteSource::Deployment;
        let (settings, changed_at, changed_by) = (None, None, None);
        sites.push(SiteEntry { site: site.clone(), source, settings, changed_at, changed_by });
    }
    for (name, site) in registry.sites().iter().filter(|(name, _)| !config.is_deployed(name)) {
        sites.push(SiteEntry {
            site: name.clone(),
            source: SiteSource::Call,
            settings: Some(site.settings.clone()),
            changed_at: Some(site.changed_at),
            changed_by: Some(site.changed_by.clone()),
        });
    }
    response::document(&SiteList { sites })
}

/// `PUT /api/sites/{site}`.
pub(crate) async fn configure(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let site = admission.site.clone();
    if config.is_deployed(&site) {
        let reason = format!("SITES in wrangler.toml has the site {site}; change it there and deploy");
        return Err(ApiError::Conflict { reason }.into());
    }
    let settings: Box<RawValue> = admission.json_body(request).await?;
    if let Ok(parsed) = SiteSettings::parse(settings.get())
        && let Err(reason) = parsed.check_secrets(!config.evidence_secrets.is_empty())
    {
        return Err(ApiError::Conflict { reason: reason.to_owned() }.into());
    }
    let by = admission.caller.name.clone().unwrap_or_default();
    let change = RegistryChange::PutSite { site: site.clone(), settings, at: now(), by };
    let created = registry::change(env, config, change).await? == RegistryOutcome::SitePut(true);
    response::document(&SiteResponse { site, created, effective_within_seconds: EFFECTIVE_WITHIN_SECONDS })
}

/// `DELETE /api/sites/{site}`: its objects first, so that a call that fails can be made again.
pub(crate) async fn erase(env: &Env, config: &Config, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    call_all(env, config, &site, Erase).await?;
    let settings_removed = config.takes_sites_by_call
        && !config.is_deployed(&site)
        && registry::change(env, config, RegistryChange::RemoveSite { site: site.clone() }).await?
            == RegistryOutcome::SiteRemoved(true);
    let objects = config.shards_of(&site).indices().end;
    response::document(&EraseResponse { objects, settings_removed, copies: config.copies_of(&site), site })
}

/// `GET /api/sites/{site}/tokens`.
pub(crate) async fn tokens(env: &Env, config: &Config, admission: &Admission) -> HandlerResult {
    let registry = if config.takes_sites_by_call { registry::read(env).await? } else { Default::default() };
    response::document(&TokenList::new(registry.tokens(&admission.site)))
}

/// `POST /api/sites/{site}/tokens`.
pub(crate) async fn create_token(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let body: TokenRequest = admission.json_body(request).await?;
    let token = format!("evt_{}", wire::hex::encode(&random_bytes()?));
    let entry = body.entry(&token, now())?;
    let expires = entry.expires().to_owned();
    registry::change(env, config, RegistryChange::AddToken { site: admission.site.clone(), entry }).await?;
    response::document(&TokenResponse { token, expires, effective_within_seconds: EFFECTIVE_WITHIN_SECONDS })
}

/// `DELETE /api/sites/{site}/tokens`.
pub(crate) async fn revoke_tokens(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let pairs = query_pairs(request)?;
    let name = parameter(&pairs, "name").map(str::to_owned);
    let name = name.ok_or(ApiError::BadQuery { name: "name", expected: "the name of a token" })?;
    let oldest = parameter(&pairs, "oldest").is_some();
    let change = RegistryChange::RevokeTokens { site: admission.site.clone(), name, oldest };
    let outcome = registry::change(env, config, change).await?;
    let revoked = if let RegistryOutcome::TokensRevoked(revoked) = outcome { revoked } else { 0 };
    response::document(&TokenRevocation { revoked, effective_within_seconds: EFFECTIVE_WITHIN_SECONDS })
}
