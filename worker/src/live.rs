//! `GET /api/live`: a WebSocket with live counts of a site's views. The coordinator of the site holds it, and hibernates
//! while there are no views.

use wire::{ApiError, live};
use worker::{Env, Request, ResponseBuilder, WebSocket};

use crate::admission::Admission;
use crate::config::Config;
use crate::response::HandlerResult;
use crate::shard_client::{call_and_merge, open_live_socket};
use crate::shard_protocol::StartForwarding;

/// Connects a listener.
pub(crate) async fn listen(
    request: &Request,
    env: &Env,
    config: &Config,
    admission: &Admission,
) -> HandlerResult {
    let headers = request.headers();
    let is_socket = headers.get("upgrade")?.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    if !is_socket {
        return Err(ApiError::UpgradeRequired.into());
    }
    let is_reader = admission.holds_read_token();
    let site = admission.site.clone();
    let socket = open_live_socket(env, &site, &admission.network, is_reader).await?;
    // The coordinator has the socket before the others relay to it; otherwise it would reply that there are no
    // listeners.
    let others = config.shards_of(&site).indices().skip(1);
    let forwarding = StartForwarding { site: site.clone() };
    if let Err(failure) = call_and_merge(env, &site, others, forwarding, ()).await {
        close_with_retry(&socket)?;
        return Err(failure);
    }
    let mut answer = ResponseBuilder::new().with_status(101).with_websocket(socket);
    let protocols = headers.get("sec-websocket-protocol")?.unwrap_or_default();
    if live::offers_protocol(&protocols) {
        answer = answer.with_header("sec-websocket-protocol", live::PROTOCOL)?;
    }
    Ok(answer.empty())
}

/// Closes a socket, which has to be accepted before.
fn close_with_retry(socket: &WebSocket) -> worker::Result<()> {
    socket.accept()?;
    socket.close(Some(CLOSE_TRY_AGAIN_LATER), Some("not all shards of the site are available"))
}

/// The WebSocket close code registry of RFC 6455: Try Again Later.
pub(crate) const CLOSE_TRY_AGAIN_LATER: u16 = 1013;
