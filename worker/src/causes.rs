//! `GET /api/vitals/causes`: why visits were slow. Every shard is asked, and what they say is merged;
//! counting it was the ledger's business.

use std::collections::BTreeMap;

use ledger::causes::Causes;
use ledger::{Dimension, Query, Span, Window};
use wire::reading::{self, Cause, Slow, Took, VERSION};
use wire::{Device, Metric};
use worker::{Env, Request};

use crate::answer::{self, Outcome};
use crate::config::Config;
use crate::read::{Asked, JSON, PAGE};
use crate::shard::{self, causes};

/// Each page and metric with the reasons of its slow visits.
pub(crate) async fn causes(request: &Request, env: &Env, config: &Config) -> Outcome {
    let asked = Asked::of(request, env, config)?;
    let query = asked.parameters.query("", PAGE, None)?;
    let metric = asked.parameters.metric()?;
    let day = Window::of(Span::Day, query.from).start;
    let cache = asked.cache(&query);
    let question = causes::Asked {
        from: day,
        to: query.to,
        route: only(&query, &Dimension::Route).map(str::to_owned),
        device: only(&query, &Dimension::Device).and_then(Device::named),
    };
    let mut all: BTreeMap<(Metric, String, Device), Causes> = BTreeMap::new();
    for (route, device, name, causes) in shard::causes_of(env, config, &asked.site, &question).await? {
        let Some(named) = Metric::named(&name).filter(|named| metric.is_none_or(|asked| asked == *named))
        else {
            continue;
        };
        all.entry((named, route, device)).or_default().merge(&causes);
    }
    let mut lines: Vec<Slow> = all
        .into_iter()
        .map(|((metric, route, device), causes)| Slow {
            route,
            device,
            metric: metric.name(),
            n: causes.n,
            parts: causes.parts(metric).map(|(part, millis)| Took { part, millis: millis.round() }).collect(),
            elements: named(causes.elements),
            sources: named(causes.sources),
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.n));
    let document = reading::Causes { v: VERSION, site: asked.site, from: day, to: query.to, lines };
    answer::read(request, JSON, cache, serde_json::to_vec(&document).map_err(worker::Error::from)?)
}

fn only<'a>(query: &'a Query, dimension: &Dimension) -> Option<&'a str> {
    query.only.iter().find(|(other, _)| other == dimension).map(|(_, value)| value.as_str())
}

/// The most named first.
fn named(names: BTreeMap<String, u64>) -> Vec<Cause> {
    let mut all: Vec<Cause> = names.into_iter().map(|(name, n)| Cause { name, n }).collect();
    all.sort_by(|a, b| b.n.cmp(&a.n).then_with(|| a.name.cmp(&b.name)));
    all
}
