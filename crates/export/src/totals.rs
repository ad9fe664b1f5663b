//! Cumulative totals and their stored form.
//!
//! Vitals are added once their window has closed, so that a late correction never lowers an exported total:
//! monitoring systems read a falling total as a restart.

use std::collections::{BTreeMap, BTreeSet};

use ledger::Cell;
use sketch::Sketch;
use traffic::{RouteStats, TrafficStats};
use wire::sorting::CollectOrdered;
use wire::{CodecError, Device, Metric, OTHER_LABEL, UnixMillis};

/// The cumulative totals of a site since a fixed time.
#[derive(Clone, Debug, PartialEq)]
pub struct Totals {
    site: String,
    since: UnixMillis,
    routes: BTreeSet<String>,
    vitals: BTreeMap<(Metric, String, Device), Sketch>,
    traffic: TrafficStats,
}

impl Totals {
    /// Creates empty totals.
    #[must_use]
    pub const fn new(site: String, since: UnixMillis) -> Self {
        Self {
            site,
            since,
            routes: BTreeSet::new(),
            vitals: BTreeMap::new(),
            traffic: TrafficStats { routes: BTreeMap::new() },
        }
    }

    /// Decodes the stored rows.
    ///
    /// # Errors
    /// Fails on an unsupported stored version.
    pub fn from_rows(
        site: String,
        since: UnixMillis,
        rows: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<Self, CodecError> {
        let mut totals = Self::new(site, since);
        for (route, bytes) in rows {
            let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
            let (vitals, served): TotalsRow = postcard::from_bytes(rest).map_err(|_| CodecError)?;
            for (device, sketch) in vitals {
                let sketch = Sketch::decode(&sketch).map_err(|_| CodecError)?;
                totals.vitals.insert((sketch.metric(), route.clone(), device), sketch);
                totals.routes.insert(route.clone());
            }
            if let Some(served) = served {
                totals.traffic.routes.insert(route, RouteStats::decode(&served)?);
            }
        }
        Ok(totals)
    }

    /// Encodes the stored rows, each with the totals of some routes: the platform bills a row whatever its size, and only
    /// changed ones need to be written.
    ///
    /// # Errors
    /// Fails if serialization fails.
    pub fn to_packed_rows(&self) -> Result<Vec<Vec<u8>>, CodecError> {
        let rows: Vec<(String, Vec<u8>)> = self.to_rows()?.into_iter().collect();
        let pack = |routes: &[(String, Vec<u8>)]| {
            postcard::to_extend(routes, vec![PACK_VERSION]).map_err(|_| CodecError)
        };
        rows.chunks(ROUTES_PER_ROW).map(pack).collect()
    }

    /// Decodes the routes of a stored row, for [`from_rows`](Self::from_rows).
    ///
    /// # Errors
    /// Fails on malformed bytes and on an unsupported stored version.
    pub fn unpack_row(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, CodecError> {
        match bytes.split_first() {
            Some((&PACK_VERSION, routes)) => postcard::from_bytes(routes).map_err(|_| CodecError),
            _ => Err(CodecError),
        }
    }

    /// Encodes one row per route.
    ///
    /// # Errors
    /// Fails if serialization fails.
    pub fn to_rows(&self) -> Result<BTreeMap<String, Vec<u8>>, CodecError> {
        let mut rows: BTreeMap<&String, TotalsRow> = BTreeMap::new();
        for ((_, route, device), sketch) in &self.vitals {
            rows.entry(route).or_default().0.push((*device, sketch.encode()));
        }
        for (route, served) in &self.traffic.routes {
            rows.entry(route).or_default().1 = Some(served.encode()?);
        }
        let bytes = |row: TotalsRow| -> Result<Vec<u8>, CodecError> {
            let mut bytes = vec![VERSION];
            bytes.extend(postcard::to_stdvec(&row).map_err(|_| CodecError)?);
            Ok(bytes)
        };
        rows.into_iter().map(|(route, row)| Ok((route.clone(), bytes(row)?))).try_collect_map()
    }

    /// Encodes the totals for transport between objects.
    ///
    /// # Errors
    /// Fails if serialization fails.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        postcard::to_stdvec(&(&self.site, self.since, self.to_rows()?)).map_err(|_| CodecError)
    }

    /// Decodes transported bytes.
    ///
    /// # Errors
    /// Fails if the bytes are not those of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let (site, since, rows): (String, UnixMillis, BTreeMap<String, Vec<u8>>) =
            postcard::from_bytes(bytes).map_err(|_| CodecError)?;
        Self::from_rows(site, since, rows)
    }

    /// Adds the visits to one page in a closed window.
    pub fn add_visits(&mut self, route: &str, device: Device, cell: &Cell) {
        let route = self.capped_route(route);
        for (metric, tally) in &cell.metrics {
            let key = (*metric, route.clone(), device);
            // Both sketches have this metric, so the merge cannot fail.
            let _ = self.vitals.entry(key).or_insert_with(|| Sketch::new(*metric)).merge(&tally.sketch);
        }
    }

    /// Adds the edge's traffic.
    pub fn add_traffic(&mut self, traffic: &TrafficStats) {
        self.traffic.merge(traffic);
    }

    /// Returns the route's own name up to `MAX_ROUTES`, so that random routes cannot grow the exposition.
    fn capped_route(&mut self, route: &str) -> String {
        cap_cardinality(&mut self.routes, route, MAX_ROUTES)
    }

    pub(crate) fn site(&self) -> &str {
        &self.site
    }

    pub(crate) const fn vitals(&self) -> &BTreeMap<(Metric, String, Device), Sketch> {
        &self.vitals
    }

    pub(crate) const fn traffic(&self) -> &TrafficStats {
        &self.traffic
    }

    pub(crate) const fn since(&self) -> UnixMillis {
        self.since
    }
}

fn cap_cardinality(known: &mut BTreeSet<String>, name: &str, max: usize) -> String {
    if known.contains(name) {
        return name.to_owned();
    }
    if known.len() >= max {
        return OTHER_LABEL.to_owned();
    }
    known.insert(name.to_owned());
    name.to_owned()
}

const MAX_ROUTES: usize = 200;

/// A route's vitals by device class, and its responses.
type TotalsRow = (Vec<(Device, Vec<u8>)>, Option<Vec<u8>>);
const PACK_VERSION: u8 = 1;
/// A row takes some hundred kilobytes at most.
const ROUTES_PER_ROW: usize = 32;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use ledger::MetricCell;

    use super::*;

    #[test]
    fn random_routes_do_not_grow_the_totals() {
        let mut totals = Totals::new("shop".into(), UnixMillis(0));
        let tally = || MetricCell { n: 1, limit_counts: BTreeMap::new(), sketch: Sketch::new(Metric::Lcp) };
        for route in 0..5000 {
            let metrics = [(Metric::Lcp, tally())].into();
            let cell = Cell { views: 1, metrics, ..Cell::default() };
            totals.add_visits(&format!("/{route}"), Device::Phone, &cell);
        }
        assert_eq!(totals.vitals.len(), MAX_ROUTES + 1);
    }
}
