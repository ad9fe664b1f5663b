//! `/api/push`: the push of closed windows to backends, which the coordinator of a site does.

use report::push_document::{PushReport, PushRetryRequest, PushRetryResponse, VERSION};
use worker::{Env, Request};

use crate::auth;
use crate::config::Config;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::ReadPushStatus;

/// `GET /api/push`: the state of the push to each backend.
pub(crate) async fn status(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::can_read(request, env)?, auth::READ_TOKEN)?;
    let backends = call_coordinator(env, &site, ReadPushStatus).await?;
    response::document(&PushReport { v: VERSION, site, backends })
}

/// `POST /api/push/retry`: sends dead letters again.
pub(crate) async fn retry(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let site = auth::requested_site(request, config)?;
    auth::require(auth::has_token(request, env, auth::MANAGE_TOKEN)?, auth::MANAGE_TOKEN)?;
    let asked: PushRetryRequest = auth::json_body(request).await?;
    let retried = call_coordinator(env, &site, asked).await?;
    response::document(&PushRetryResponse { v: VERSION, site, retried })
}
