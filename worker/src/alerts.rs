//! `/api/alerts`: alerts and silences of a site, which its coordinator holds.

use insight::alert_requests::{AcknowledgeRequest, SilenceRequest, UnsilenceRequest};
use serde_json::json;
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
    let is_raised = call_coordinator(env, &site, asked.validate()?).await?;
    Ok(response::json(json!({ "v": 1, "site": site, "acknowledged": is_raised }).to_string())?)
}

/// `POST /api/alerts/silence`: silences a signal or a route for a while.
pub(crate) async fn silence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: SilenceRequest = auth::json_body(request).await?;
    let number = call_coordinator(env, &site, asked.into_silence(now())?).await?;
    let want = "asked for when fewer than 200 are silenced; take one back";
    let number = number.ok_or(ApiError::OutOfRange { field: "silence", expected: want })?;
    Ok(response::json(json!({ "v": 1, "site": site, "number": number }).to_string())?)
}

/// `POST /api/alerts/unsilence`: ends a silence.
pub(crate) async fn unsilence(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: UnsilenceRequest = auth::json_body(request).await?;
    let was_silenced = call_coordinator(env, &site, asked).await?;
    Ok(response::json(json!({ "v": 1, "site": site, "was_silenced": was_silenced }).to_string())?)
}
