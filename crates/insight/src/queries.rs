//! The queries behind a page. Pages and the edge name routes each by itself: an application gives its own
//! templates, the edge takes the names of `EDGE` or makes templates of paths. So a page's queries are those
//! of the edge's route of the same name, else of the routes of the same shape; else nobody knows, and that
//! is said. Counting is the ledger's.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ledger::traffic::{Ran, Served, Times, Traffic};
use serde::Serialize;

/// The queries of a page, or of all.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queries {
    /// How the page was found among the routes of the edge.
    pub found: Found,
    /// The routes of the edge whose queries these are, those with most answers first; none are named where
    /// all are meant.
    pub routes: Vec<String>,
    /// Their answers.
    pub answers: u64,
    /// Those of them that the origin was asked for.
    pub asked: u64,
    /// Seconds that the origin took for these.
    pub origin_seconds: f64,
    /// The slowest first.
    pub queries: Vec<Query>,
    /// How many more there are.
    pub more: usize,
    /// Where the page was not found, or has none: routes of the edge that have queries, those with most
    /// runs first.
    pub elsewhere: Vec<String>,
}

/// How a page was found among the routes of the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// No page was asked for: these are all.
    All,
    /// The edge has a route of that name.
    Name,
    /// It has routes that differ from it in the names of their parameters alone.
    Shape,
    /// It has none.
    Nowhere,
}

/// A query, as the origin told of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// How often it ran.
    pub n: u64,
    /// Milliseconds of the median.
    pub p50: Option<f64>,
    /// Of the 95th percentile.
    pub p95: Option<f64>,
    /// Of the 99th.
    pub p99: Option<f64>,
    /// Seconds of all runs together.
    pub seconds: f64,
    /// Of the seconds that the origin took for the answers of these routes, so many percent. Queries that
    /// run side by side may come to more than all of it. None where the origin's time is not known.
    pub share: Option<f64>,
    /// Answers in which it ran.
    pub answers: u64,
    /// Those in which it ran so often that a loop is to be suspected.
    pub repeated: u64,
    /// How often it ran in one answer at most.
    pub most: u32,
    /// Routes of the edge on which it ran, those with most runs first.
    pub routes: Vec<String>,
}

impl Queries {
    /// Those behind a page; all where none is named.
    #[must_use]
    pub fn of(traffic: &Traffic, page: Option<&str>) -> Self {
        let (found, routes) = match page {
            Some(page) => behind(&traffic.routes, page),
            None => {
                (Found::All, traffic.routes.iter().map(|(name, served)| (name.as_str(), served)).collect())
            }
        };
        let mut whole = Served::default();
        routes.iter().for_each(|(_, served)| whole.merge(served));
        let origin = origin(&whole);
        let query = |(name, ran): (&String, &Ran)| Query::of(name, ran, &origin, &routes);
        let mut queries: Vec<Query> = whole.queries.iter().map(query).collect();
        queries.sort_by(|a, b| {
            let p95 = |query: &Query| query.p95.unwrap_or_default();
            p95(b)
                .total_cmp(&p95(a))
                .then_with(|| b.seconds.total_cmp(&a.seconds))
                .then_with(|| a.name.cmp(&b.name))
        });
        let more = queries.len().saturating_sub(MOST_QUERIES);
        queries.truncate(MOST_QUERIES);
        let is_known = found == Found::All || !queries.is_empty();
        Self {
            found,
            routes: if found == Found::All { Vec::new() } else { names(&routes, Served::n) },
            answers: whole.n(),
            asked: origin.n(),
            origin_seconds: seconds(&origin),
            queries,
            more,
            elsewhere: if is_known { Vec::new() } else { elsewhere(traffic) },
        }
    }
}

impl Query {
    fn of(name: &str, ran: &Ran, origin: &Times, routes: &[(&str, &Served)]) -> Self {
        let runs = |served: &Served| served.queries.get(name).map_or(0, |ran| ran.times.n());
        let all = seconds(&ran.times);
        Self {
            name: name.to_owned(),
            n: ran.times.n(),
            p50: ran.times.percentile(50),
            p95: ran.times.percentile(95),
            p99: ran.times.percentile(99),
            seconds: all,
            share: (origin.sum > 0).then(|| 100.0 * all / seconds(origin)),
            answers: ran.answers,
            repeated: ran.repeated,
            most: ran.most,
            routes: names(routes, runs),
        }
    }
}

/// What the edge's routes have for a page: of the route of its name; else of those of its shape.
pub(crate) fn behind<'a, T>(routes: &'a BTreeMap<String, T>, page: &str) -> (Found, Vec<(&'a str, &'a T)>) {
    if let Some((name, own)) = routes.get_key_value(page) {
        return (Found::Name, vec![(name, own)]);
    }
    let is_alike = |(name, _): &(&'a String, &'a T)| shape(name).eq(shape(page));
    let alike: Vec<_> = routes.iter().filter(is_alike).map(|(name, own)| (name.as_str(), own)).collect();
    (if alike.is_empty() { Found::Nowhere } else { Found::Shape }, alike)
}

/// The segments of a template, with nothing for a parameter: `:id`, `[id]`, `{id}` and `$id` are one.
fn shape(template: &str) -> impl Iterator<Item = Option<&str>> {
    let segments = template.trim_end_matches('/').split('/');
    segments.map(|segment| Some(segment).filter(|segment| !segment.starts_with([':', '[', '{', '$'])))
}

fn origin(served: &Served) -> Times {
    let mut all = Times::default();
    served.answers.values().for_each(|answered| all.merge(&answered.origin));
    all
}

/// The names of those that have any of it, those with most first.
fn names(routes: &[(&str, &Served)], of: impl Fn(&Served) -> u64) -> Vec<String> {
    let mut all: Vec<(u64, &str)> = routes.iter().map(|(name, served)| (of(served), *name)).collect();
    all.retain(|(n, _)| *n > 0);
    all.sort_by_key(|(n, name)| (Reverse(*n), *name));
    all.into_iter().take(MOST_NAMES).map(|(_, name)| name.to_owned()).collect()
}

fn elsewhere(traffic: &Traffic) -> Vec<String> {
    let routes: Vec<_> = traffic.routes.iter().map(|(name, served)| (name.as_str(), served)).collect();
    names(&routes, |served| served.queries.values().map(|ran| ran.times.n()).sum())
}

fn seconds(times: &Times) -> f64 {
    times.sum as f64 / 1000.0
}

/// More than a reader reads.
const MOST_QUERIES: usize = 200;
const MOST_NAMES: usize = 10;

#[cfg(test)]
mod tests {
    use ledger::traffic::{Answer, Cached, Class, Method, Record};

    use super::*;

    /// An answer: its route, the milliseconds of the origin, and the runs.
    type Told<'a> = (&'a str, u64, &'a [(&'a str, f64)]);

    fn traffic(answers: &[Told<'_>]) -> Traffic {
        let mut all = Traffic::default();
        for (route, origin, runs) in answers {
            let runs: Vec<_> = runs.iter().map(|(name, millis)| ((*name).to_owned(), *millis)).collect();
            let (method, class, cache) = (Method::Get, Class::Success, Cached::Miss);
            let answer = Answer { method, class, cache, detail: "uri-miss".into() };
            all.add(&Record {
                route,
                answer,
                bytes: 1,
                edge: *origin,
                origin: Some(*origin),
                queries: &runs,
            });
        }
        all
    }

    #[test]
    fn a_pages_queries_are_those_of_its_route_the_slowest_first() {
        let traffic = traffic(&[
            ("/product/:id", 100, &[("product", 40.0), ("stock", 10.0)]),
            ("/product/:id", 100, &[("product", 60.0), ("stock", 10.0), ("stock", 10.0)]),
            ("/cart", 100, &[("cart", 90.0)]),
        ]);
        let own = Queries::of(&traffic, Some("/product/:id"));
        assert_eq!((own.found, own.answers, own.asked, own.origin_seconds), (Found::Name, 2, 2, 0.2));
        let shown: Vec<_> =
            own.queries.iter().map(|query| (query.name.as_str(), query.n, query.share)).collect();
        assert_eq!(shown, [("product", 2, Some(50.0)), ("stock", 3, Some(15.0))]);
        let all = Queries::of(&traffic, None);
        assert_eq!((all.found, all.routes.len(), all.answers), (Found::All, 0, 3));
        assert_eq!(
            (all.queries[0].name.as_str(), &all.queries[0].routes),
            ("cart", &vec!["/cart".to_owned()])
        );
    }

    #[test]
    fn names_that_differ_in_their_parameters_alone_are_found_and_others_are_not() {
        let traffic = traffic(&[
            ("/product/:id", 100, &[("product", 40.0)]),
            ("products", 100, &[("named", 40.0)]),
            ("/plain", 10, &[]),
        ]);
        for (page, found, routes) in [
            ("/product/[slug]", Found::Shape, vec!["/product/:id"]),
            ("/product/{id}/", Found::Shape, vec!["/product/:id"]),
            ("/product/42", Found::Nowhere, vec![]),
            ("/product", Found::Nowhere, vec![]),
            ("/plain", Found::Name, vec!["/plain"]),
        ] {
            let queries = Queries::of(&traffic, Some(page));
            assert_eq!(
                (queries.found, queries.routes),
                (found, routes.into_iter().map(str::to_owned).collect()),
                "{page}"
            );
            // Who finds none is told where there are some.
            assert_eq!(
                queries.queries.is_empty(),
                queries.elsewhere == ["/product/:id", "products"],
                "{page}"
            );
        }
    }
}
