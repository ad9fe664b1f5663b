//! `/api/alerts`: alerts and silences of a site, which its coordinator holds.

use alerting::alert_document::{
    AcknowledgeRequest, AcknowledgeResponse, SilenceRequest, SilenceResponse, UnsilenceRequest,
    UnsilenceResponse, VERSION,
};
use wire::ApiError;
use worker::{Env, Request};

use crate::admission::Admission;
use crate::clock::now;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::ReadAlerts;

/// `GET /api/alerts`: raised alerts, silences and channels.
pub(crate) async fn list(env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let document = call_coordinator(env, &site, ReadAlerts).await?;
    Ok(response::json(document.to_string())?)
}

/// `POST /api/alerts/ack`: acknowledges an alert.
pub(crate) async fn acknowledge(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let asked: AcknowledgeRequest = admission.json_body(request).await?;
    let acknowledged = call_coordinator(env, &site, asked.validate()?).await?;
    response::document(&AcknowledgeResponse { v: VERSION, site, acknowledged })
}

/// `POST /api/alerts/silence`: silences a signal or a route for a while.
pub(crate) async fn silence(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let asked: SilenceRequest = admission.json_body(request).await?;
    let number = call_coordinator(env, &site, asked.into_silence(now())?).await?;
    let want = "asked for when fewer than 200 are silenced; take one back";
    let number = number.ok_or(ApiError::OutOfRange { field: "silence", expected: want })?;
    response::document(&SilenceResponse { v: VERSION, site, number })
}

/// `POST /api/alerts/unsilence`: ends a silence.
pub(crate) async fn unsilence(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let asked: UnsilenceRequest = admission.json_body(request).await?;
    let was_silenced = call_coordinator(env, &site, asked).await?;
    response::document(&UnsilenceResponse { v: VERSION, site, was_silenced })
}
