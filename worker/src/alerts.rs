//! `/api/alerts`: alerts and silences of a site, which its coordinator holds.

use alerting::alert_document::{
    AcknowledgeRequest, AcknowledgeResponse, SilenceRequest, SilenceResponse, UnsilenceRequest,
    UnsilenceResponse, VERSION,
};
use wire::ApiError;
use worker::{Env, Request};

use crate::auth;
use crate::clock::now;
use crate::config::Config;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::ReadAlerts;

/// `GET /api/alerts`: raised alerts, silences and channels.
pub(crate) async fn list(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::can_read(request, env)?, auth::READ_TOKEN)?;
    let document = call_coordinator(env, &site, ReadAlerts).await?;
    Ok(response::json(document.to_string())?)
}

/// `POST /api/alerts/ack`: acknowledges an alert.
pub(crate) async fn acknowledge(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: AcknowledgeRequest = auth::json_body(request).await?;
    let acknowledged = call_coordinator(env, &site, asked.validate()?).await?;
    response::document(&AcknowledgeResponse { v: VERSION, site, acknowledged })
}

/// `POST /api/alerts/silence`: silences a signal or a route for a while.
pub(crate) async fn silence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: SilenceRequest = auth::json_body(request).await?;
    let number = call_coordinator(env, &site, asked.into_silence(now())?).await?;
    let want = "asked for when fewer than 200 are silenced; take one back";
    let number = number.ok_or(ApiError::OutOfRange { field: "silence", expected: want })?;
    response::document(&SilenceResponse { v: VERSION, site, number })
}

/// `POST /api/alerts/unsilence`: ends a silence.
pub(crate) async fn unsilence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: UnsilenceRequest = auth::json_body(request).await?;
    let was_silenced = call_coordinator(env, &site, asked).await?;
    response::document(&UnsilenceResponse { v: VERSION, site, was_silenced })
}
