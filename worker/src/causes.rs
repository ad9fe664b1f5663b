//! `GET /api/vitals/causes`: why visits were slow. Every shard is asked, and what they say is merged;
//! counting it was the ledger's business.

use std::collections::BTreeMap;

use ledger::causes::CauseTotals;
use ledger::{Dimension, SeriesQuery};
use wire::query_response::{self, CauseCount, SlowViewCauses, SubpartDuration, VERSION};
use wire::{Device, Metric, Window, WindowSpan};
use worker::{Env, Request};

use crate::config::Config;
use crate::query_api::{BY_PAGE, CONTENT_TYPE_JSON, QueryRequest};
use crate::response::{self, HandlerResult};
use crate::shard::{self, cause_store};

/// Each page and metric with the reasons of its slow visits.
pub(crate) async fn causes(request: &Request, env: &Env, config: &Config) -> HandlerResult {
    let asked = QueryRequest::from_request(request, env, config)?;
    let query = asked.parameters.query("", BY_PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let day = Window::containing(WindowSpan::Day, query.from).start;
    let cache = asked.cache_control(&query);
    let question = cause_store::CauseQuery {
        from: day,
        to: query.to,
        route: filter_value(&query, &Dimension::Route).map(str::to_owned),
        device: filter_value(&query, &Dimension::Device).and_then(Device::from_name),
    };
    let mut all: BTreeMap<(Metric, String, Device), CauseTotals> = BTreeMap::new();
    for (route, device, name, causes) in shard::query_causes(env, config, &asked.site, &question).await? {
        let Some(named) = Metric::from_name(&name).filter(|named| metric.is_none_or(|asked| asked == *named))
        else {
            continue;
        };
        all.entry((named, route, device)).or_default().merge(&causes);
    }
    let mut lines: Vec<SlowViewCauses> = all
        .into_iter()
        .map(|((metric, route, device), causes)| SlowViewCauses {
            route,
            device,
            metric: metric.name(),
            n: causes.n,
            parts: causes
                .mean_parts(metric)
                .map(|(part, millis)| SubpartDuration { part, millis: millis.round() })
                .collect(),
            elements: ranked_causes(causes.elements),
            sources: ranked_causes(causes.sources),
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.n));
    let document =
        query_response::CausesResponse { v: VERSION, site: asked.site, from: day, to: query.to, lines };
    response::conditional(
        request,
        CONTENT_TYPE_JSON,
        cache,
        serde_json::to_vec(&document).map_err(worker::Error::from)?,
    )
}

fn filter_value<'a>(query: &'a SeriesQuery, dimension: &Dimension) -> Option<&'a str> {
    query.only.iter().find(|(other, _)| other == dimension).map(|(_, value)| value.as_str())
}

/// The most named first.
fn ranked_causes(names: BTreeMap<String, u64>) -> Vec<CauseCount> {
    let mut all: Vec<CauseCount> = names.into_iter().map(|(name, n)| CauseCount { name, n }).collect();
    all.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
    all
}
