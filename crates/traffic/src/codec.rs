//! DOC

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::{CodecError, Window};

use crate::latency::{LatencyHistogram, SKETCH_METRIC};
use crate::response_class::ResponseClass;
use crate::stats::{QueryStats, ResponseStats, RouteStats, TrafficStats, TrafficWindows};

impl TrafficStats {
    /// The bytes that are carried.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let routes: Vec<(String, Vec<u8>)> =
            self.routes.iter().map(|(route, served)| (route.clone(), served.encode())).collect();
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&routes).unwrap_or_default());
        bytes
    }

    /// Reads carried bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let routes: Vec<(String, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(route, bytes): (String, Vec<u8>)| Ok((route, RouteStats::decode(&bytes)?));
        Ok(Self { routes: routes.into_iter().map(read).collect::<Result<_, _>>()? })
    }
}

impl TrafficWindows {
    /// The bytes that are carried.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let windows: Vec<(Window, Vec<u8>)> =
            self.0.iter().map(|(window, traffic)| (*window, traffic.encode())).collect();
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&windows).unwrap_or_default());
        bytes
    }

    /// Reads carried bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let windows: Vec<(Window, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let read = |(window, bytes): (Window, Vec<u8>)| Ok((window, TrafficStats::decode(&bytes)?));
        Ok(Self(windows.into_iter().map(read).collect::<Result<_, _>>()?))
    }
}

impl RouteStats {
    /// The bytes that are stored: a version, then the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let answers = self.responses.iter().map(|(answer, answered)| {
            let ResponseStats { n, bytes, edge, origin } = answered;
            (answer.clone(), *n, *bytes, edge.to_stored(), origin.to_stored())
        });
        let queries = self.queries.iter().map(|(name, ran)| {
            let QueryStats { responses: answers, repeated, max_per_response: most, latency: times } = ran;
            (name.clone(), *answers, *repeated, *most, times.to_stored())
        });
        let record = StoredRouteStats { responses: answers.collect(), queries: queries.collect() };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).unwrap_or_default());
        bytes
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(CodecError) };
        let stored: StoredRouteStats = postcard::from_bytes(rest).map_err(|_| CodecError)?;
        let mut served = Self::default();
        for (answer, n, bytes, edge, origin) in stored.responses {
            let (edge, origin) =
                (LatencyHistogram::from_stored(&edge)?, LatencyHistogram::from_stored(&origin)?);
            served.responses.insert(answer, ResponseStats { n, bytes, edge, origin });
        }
        for (name, answers, repeated, most, times) in stored.queries {
            let times = LatencyHistogram::from_stored(&times)?;
            served.queries.insert(
                name,
                QueryStats { responses: answers, repeated, max_per_response: most, latency: times },
            );
        }
        Ok(served)
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

/// Version 1 of what is stored.
#[derive(Serialize, Deserialize)]
struct StoredRouteStats {
    responses: Vec<StoredResponses>,
    queries: Vec<StoredQuery>,
}

/// With how many there were, their bytes, and their times at the edge and at the origin.
type StoredResponses = (ResponseClass, u64, u64, StoredLatency, StoredLatency);
/// Its name, the answers in which it ran, those in which it ran too often, and how often at most.
type StoredQuery = (String, u64, u64, u32, StoredLatency);
/// A sketch's bytes and the sum.
type StoredLatency = (Vec<u8>, u64);

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::tests::record;

    #[test]
    fn version_1_bytes_stay_readable() {
        let queries = [("products".to_owned(), 2.5), ("products".to_owned(), 1.0)];
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/product/:id", 120, &queries));
        let bytes: String =
            traffic.routes["/product/:id"].encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, ROUTE_STATS_V1);
        let stored: Vec<u8> = (0..ROUTE_STATS_V1.len() / 2)
            .map(|at| u8::from_str_radix(&ROUTE_STATS_V1[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        assert_eq!(RouteStats::decode(&stored).unwrap(), traffic.routes["/product/:id"]);
    }

    const ROUTE_STATS_V1: &str =
        "01010001020673746f7265640164041503890178041503890178010870726f64756374730100020315010104";

    #[test]
    fn malformed_bytes_are_refused() {
        let mut traffic = TrafficStats::default();
        traffic.add(&record("/", 1, &[]));
        let bytes = traffic.encode();
        assert_eq!(TrafficStats::decode(&[]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&bytes[..bytes.len() - 1]), Err(CodecError));
        assert_eq!(TrafficStats::decode(&[9, 0]), Err(CodecError));
        assert_eq!(RouteStats::decode(&[9, 0]), Err(CodecError));
    }
}
