//! Stored and sent bytes of request statistics: a version, then the record in postcard. Rows of routes are
//! stored; whole tables and windows are only sent between objects.

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::beacon::CacheStatus;
use wire::{CodecError, Window};

use crate::latency::{LatencyHistogram, SKETCH_METRIC};
use crate::origin_stats::OriginStats;
use crate::response_class::{RequestMethod, ResponseClass, StatusClass};
use crate::stats::{QueryStats, ResponseStats, RouteStats, TrafficStats, TrafficWindows};
use wire::sorting::{CollectOrdered, SortSlice};

impl TrafficStats {
    /// Encodes the table to send it.
    ///
    /// # Errors
    /// Returns an error if the statistics cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let routes: Vec<(String, Vec<u8>)> = self
            .routes
            .iter()
            .map(|(route, stats)| Ok((route.clone(), stats.encode()?)))
            .collect::<Result<_, _>>()?;
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&routes).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Decodes a table that was sent.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let routes: Vec<(String, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(route, bytes): (String, Vec<u8>)| Ok((route, RouteStats::decode(&bytes)?));
        Ok(Self { routes: routes.into_iter().map(read).try_collect_map()? })
    }
}

impl TrafficWindows {
    /// Encodes the windows to send them.
    ///
    /// # Errors
    /// Returns an error if the statistics cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let windows: Vec<(Window, Vec<u8>)> = self
            .0
            .iter()
            .map(|(window, traffic)| Ok((*window, traffic.encode()?)))
            .collect::<Result<_, _>>()?;
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&windows).map_err(|_| CodecError)?);
        Ok(bytes)
    }

    /// Decodes windows that were sent.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let windows: Vec<(Window, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(window, bytes): (Window, Vec<u8>)| Ok((window, TrafficStats::decode(&bytes)?));
        Ok(Self(windows.into_iter().map(read).try_collect_map()?))
    }
}

impl RouteStats {
    /// Encodes the row to store it.
    ///
    /// # Errors
    /// Returns an error if the statistics cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let responses = self.responses.iter().map(|(class, stats)| {
            let ResponseStats { n, bytes, edge, origin } = stats;
            (StoredClass::from(class), *n, *bytes, edge.to_stored(), origin.to_stored())
        });
        let queries = self.queries.iter().map(|(name, stats)| {
            let QueryStats { responses, repeated, max_per_response, latency } = stats;
            (name.clone(), *responses, *repeated, *max_per_response, latency.to_stored())
        });
        let mut record = StoredRouteStats { responses: responses.collect(), queries: queries.collect() };
        record.responses.order_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).map_err(|_| CodecError)?);
        if !self.origins.is_empty() {
            let origins = self.origins.iter().map(|(name, stats)| {
                let OriginStats { requests, unreachable, server_errors } = *stats;
                (name.clone(), requests, unreachable, server_errors)
            });
            let added = StoredAdditions { origins: origins.collect() };
            bytes.extend(postcard::to_stdvec(&added).map_err(|_| CodecError)?);
        }
        Ok(bytes)
    }

    /// Decodes a stored row.
    ///
    /// # Errors
    /// Returns an error if the bytes are malformed or of an unsupported version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let (stored, rest): (StoredRouteStats, &[u8]) =
            postcard::take_from_bytes(rest).map_err(|_| CodecError)?;
        let added: StoredAdditions = match rest {
            [] => StoredAdditions::default(),
            rest => postcard::from_bytes(rest).map_err(|_| CodecError)?,
        };
        let mut route = Self::default();
        for (name, requests, unreachable, server_errors) in added.origins {
            route.origins.insert(name, OriginStats { requests, unreachable, server_errors });
        }
        for (class, n, bytes, edge, origin) in stored.responses {
            let (edge, origin) =
                (LatencyHistogram::from_stored(&edge)?, LatencyHistogram::from_stored(&origin)?);
            route.responses.insert(class.into(), ResponseStats { n, bytes, edge, origin });
        }
        for (name, responses, repeated, max_per_response, latency) in stored.queries {
            let latency = LatencyHistogram::from_stored(&latency)?;
            route.queries.insert(name, QueryStats { responses, repeated, max_per_response, latency });
        }
        Ok(route)
    }
}

impl LatencyHistogram {
    fn to_stored(&self) -> StoredLatency {
        (self.sketch.encode(), self.sum_ms)
    }

    fn from_stored((sketch, sum): &StoredLatency) -> Result<Self, CodecError> {
        let sketch = Sketch::decode(sketch).map_err(|_| CodecError)?;
        match sketch.metric() == SKETCH_METRIC {
            true => Ok(Self { sketch, sum_ms: *sum }),
            false => Err(CodecError),
        }
    }
}

impl From<&ResponseClass> for StoredClass {
    fn from(class: &ResponseClass) -> Self {
        let cache = match class.cache {
            CacheStatus::Hit => StoredCacheStatus::Hit,
            CacheStatus::Stale => StoredCacheStatus::Stale,
            CacheStatus::Miss => StoredCacheStatus::Miss,
            CacheStatus::Bypass => StoredCacheStatus::Bypass,
        };
        Self { method: class.method, status_class: class.status_class, cache, detail: class.detail.clone() }
    }
}

impl From<StoredClass> for ResponseClass {
    fn from(StoredClass { method, status_class, cache, detail }: StoredClass) -> Self {
        let cache = match cache {
            StoredCacheStatus::Hit => CacheStatus::Hit,
            StoredCacheStatus::Stale => CacheStatus::Stale,
            StoredCacheStatus::Miss => CacheStatus::Miss,
            StoredCacheStatus::Bypass => CacheStatus::Bypass,
        };
        Self { method, status_class, cache, detail }
    }
}

/// Version 1 of a stored row.
#[derive(Serialize, Deserialize)]
struct StoredRouteStats {
    responses: Vec<StoredResponses>,
    queries: Vec<StoredQuery>,
}

/// The bytes behind the record, if there are any. An earlier release ignores them.
#[derive(Default, Serialize, Deserialize)]
struct StoredAdditions {
    origins: Vec<StoredOrigin>,
}

/// Postcard stores the index of a variant, so the order of these is part of the format.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum StoredCacheStatus {
    Hit,
    Stale,
    Miss,
    Bypass,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct StoredClass {
    method: RequestMethod,
    status_class: StatusClass,
    cache: StoredCacheStatus,
    detail: String,
}

/// The class, the number of responses, their bytes, edge latencies and origin latencies.
type StoredResponses = (StoredClass, u64, u64, StoredLatency, StoredLatency);
/// The name, and the fields of [`QueryStats`] in their order.
type StoredQuery = (String, u64, u64, u32, StoredLatency);
/// The name, and the fields of [`OriginStats`] in their order.
type StoredOrigin = (String, u64, u64, u64);
/// The encoded sketch and the sum.
type StoredLatency = (Vec<u8>, u64);

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin_stats::OriginOutcome;
    use crate::stats::tests::record;

    #[track_caller]
    fn check_stored(hex: &str, stats: &RouteStats) {
        let encoded: String = stats.encode().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(encoded, hex);
        let stored: Vec<u8> =
            (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[at * 2..at * 2 + 2], 16).unwrap()).collect();
        assert_eq!(RouteStats::decode(&stored).as_ref(), Ok(stats));
    }

    #[test]
    fn version_1_bytes_stay_readable() {
        let queries = [("products".to_owned(), 2.5), ("products".to_owned(), 1.0)];
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/product/:id", 120, &queries));
        check_stored(ROUTE_STATS_V1, &traffic.routes["/product/:id"]);
        traffic.add_origin_request("/product/:id", "shop.example", OriginOutcome::Unreachable);
        let with_origin = format!("{ROUTE_STATS_V1}{ORIGINS}");
        check_stored(&with_origin, &traffic.routes["/product/:id"]);
    }

    #[test]
    fn an_earlier_release_reads_a_row_without_its_origins() {
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/", 1, &[]));
        traffic.add_origin_request("/", "shop.example", OriginOutcome::Responded);
        let bytes = traffic.routes["/"].encode().unwrap();
        // The reader of version 1, as it was released.
        let stored: StoredRouteStats = postcard::from_bytes(&bytes[1..]).unwrap();
        assert_eq!((bytes[0], stored.responses.len(), stored.queries.len()), (1, 1, 0));
    }

    const ROUTE_STATS_V1: &str =
        "01010001020673746f7265640164041503890178041503890178010870726f64756374730100020315010104";
    const ORIGINS: &str = "010c73686f702e6578616d706c65010100";

    #[test]
    fn the_stored_order_of_cache_statuses_is_that_of_version_1() {
        let mut traffic = TrafficStats::default();
        for cache in [CacheStatus::Miss, CacheStatus::Bypass, CacheStatus::Stale, CacheStatus::Hit] {
            let mut record = record("/", 1, &[]);
            record.class.cache = cache;
            traffic.add(&record);
        }
        let bytes = traffic.routes["/"].encode().unwrap();
        let stored: StoredRouteStats = postcard::from_bytes(&bytes[1..]).unwrap();
        let codes: Vec<u8> = stored.responses.iter().map(|(class, ..)| class.cache as u8).collect();
        assert_eq!(codes, [0, 1, 2, 3]);
        assert_eq!(RouteStats::decode(&bytes).unwrap(), traffic.routes["/"]);
    }

    #[test]
    fn malformed_bytes_are_refused() {
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/", 1, &[]));
        let bytes = traffic.encode().unwrap();
        assert_eq!(TrafficStats::decode(&[]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&bytes[..bytes.len() - 1]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&[9, 0]), Err(CodecError));
        assert_eq!(RouteStats::decode(&[9, 0]), Err(CodecError));
    }
}
