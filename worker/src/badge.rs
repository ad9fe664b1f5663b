//! `GET /badge.svg`: the verdict of a site, a route or a metric as a picture. A site that is not public needs a token
//! for it, as for every read.

use report::budget_badge::badge_svg;
use report::query_parameters::BY_PAGE;
use worker::{Env, Request};

use crate::config::Config;
use crate::query_api::QueryRequest;
use crate::response::{self, HandlerResult};
use crate::{budgets, shard_client};

pub(crate) async fn badge(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", BY_PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let groups = shard_client::query(env, config, &asked.site, &query).await?;
    let svg = badge_svg(&groups, &query.by, metric, &budgets::in_force(&groups.budget_history)?);
    response::conditional(request, "image/svg+xml", asked.cache_control(&query), svg.into_bytes())
}
