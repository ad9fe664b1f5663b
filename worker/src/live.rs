//! `GET /api/live`: a socket that tells counts of a site's views while they come in. Who may listen is
//! decided here; the site's first shard holds the socket, and costs nothing while nobody visits.

use wire::{ApiError, live};
use worker::{Env, Request, ResponseBuilder, WebSocket};

use crate::config::Config;
use crate::response::HandlerResult;
use crate::{auth, query_api, shard};

/// Connects a listener.
pub(crate) async fn listen(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let headers = request.headers();
    let is_socket = headers.get("upgrade")?.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    if !is_socket {
        return Err(ApiError::UpgradeRequired.into());
    }
    let site = auth::requested_site(request, config)?;
    query_api::authorize_read(request, env, config, &site)?;
    let socket = shard::live::connect(env, &site).await?;
    // The first shard has the socket before the others learn of it, so that none of them hears from it
    // that nobody listens.
    for shard in config.shards.indices().skip(1) {
        if let Err(failure) = shard::live::start_forwarding(env, &site, shard).await {
            close_with_retry(&socket)?;
            return Err(failure);
        }
    }
    let mut answer = ResponseBuilder::new().with_status(101).with_websocket(socket);
    let protocols = headers.get("sec-websocket-protocol")?.unwrap_or_default();
    if live::offers_protocol(&protocols) {
        answer = answer.with_header("sec-websocket-protocol", live::PROTOCOL)?;
    }
    Ok(answer.empty())
}

/// To be accepted is to be able to be closed.
fn close_with_retry(socket: &WebSocket) -> worker::Result<()> {
    socket.accept()?;
    socket.close(Some(CLOSE_TRY_AGAIN_LATER), Some("not all of the site can be heard"))
}

/// RFC 6455's registry: the service asks to come again later.
const CLOSE_TRY_AGAIN_LATER: u16 = 1013;
