//! `/api/push`: the push of closed windows to backends, which the coordinator of a site does.

use report::push_document::{PushReport, PushRetryRequest, PushRetryResponse, VERSION};
use worker::{Env, Request};

use crate::admission::Admission;
use crate::response::{self, HandlerResult};
use crate::shard_client::call_coordinator;
use crate::shard_protocol::ReadPushStatus;

/// `GET /api/push`: the state of the push to each backend.
pub(crate) async fn status(env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let backends = call_coordinator(env, &site, ReadPushStatus).await?;
    response::document(&PushReport { v: VERSION, site, backends })
}

/// `POST /api/push/retry`: sends dead letters again.
pub(crate) async fn retry(request: &Request, env: &Env, admission: &Admission) -> HandlerResult {
    let site = admission.site.clone();
    let asked: PushRetryRequest = admission.json_body(request).await?;
    let retried = call_coordinator(env, &site, asked).await?;
    response::document(&PushRetryResponse { v: VERSION, site, retried })
}
