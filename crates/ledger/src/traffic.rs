//! The answers of the edge: how many, how long they took, what the cache did, and which queries the
//! origin ran for them. An isolate adds up what it answers and carries the sums to the site's first
//! shard, which keeps them by window and route. Each sum adds up exactly; times are sketches of whole
//! milliseconds, so their percentiles are as good as those of vitals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sketch::Sketch;
use wire::Metric;

use crate::cell::Malformed;
use crate::room::OTHER;
use crate::window::{Span, Window};

/// What was answered in some span of time, by route template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Each route with what was answered on it.
    pub routes: BTreeMap<String, Served>,
}

/// What was answered on a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// The answers, by what they are told apart by.
    pub answers: BTreeMap<Answer, Answered>,
    /// The queries that the origin ran for them, by name.
    pub queries: BTreeMap<String, Ran>,
}

/// What answers are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Answer {
    /// The method.
    pub method: Method,
    /// The first digit of the status.
    pub class: Class,
    /// What the cache did.
    pub cache: Cached,
    /// The tier that it came from, or why the cache did not have it: a word of ours.
    pub detail: String,
}

/// How often, how much, how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Answers.
    pub n: u64,
    /// Bytes of their bodies, as far as they are known.
    pub bytes: u64,
    /// Milliseconds until the edge had the head of the answer.
    pub edge: Times,
    /// Milliseconds that the origin took, where it was asked.
    pub origin: Times,
}

/// How often the cache did what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// It had it, fresh.
    pub hits: u64,
    /// It had it, stale.
    pub stale: u64,
    /// It did not have it.
    pub misses: u64,
    /// It was not asked.
    pub bypassed: u64,
}

/// A query of the origin's, as `Server-Timing` tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Answers in which it ran.
    pub answers: u64,
    /// Answers in which it ran so often that a loop is to be suspected: see [`REPEATED`].
    pub repeated: u64,
    /// How often it ran in one answer at most.
    pub most: u32,
    /// How long each run took.
    pub times: Times,
}

/// How long things took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times {
    /// The distribution, in whole milliseconds.
    pub sketch: Sketch,
    /// All of them together, in milliseconds.
    pub sum: u64,
}

/// One answer, as it was given.
#[derive(Clone, Debug, PartialEq)]
pub struct Record<'a> {
    /// The route template.
    pub route: &'a str,
    /// What it is told apart by.
    pub answer: Answer,
    /// Bytes of its body.
    pub bytes: u64,
    /// Milliseconds until the edge had it.
    pub edge: u64,
    /// Milliseconds that the origin took; none where it was not asked.
    pub origin: Option<u64>,
    /// Each run of a query, with its milliseconds.
    pub queries: &'a [(String, f64)],
}

/// The methods that are told apart: anybody can send any word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Method {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Any other.
    Other,
}

/// The classes of statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// 1xx and what is no status.
    Other,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
}

/// What the cache did for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cached {
    /// It had it.
    Hit,
    /// It had it, stale.
    Stale,
    /// It did not have it.
    Miss,
    /// It was not asked.
    Bypass,
}

impl Traffic {
    /// Counts an answer. A route that finds no room is counted as [`OTHER`].
    pub fn add(&mut self, record: &Record<'_>) {
        match self.routes.get_mut(record.route) {
            Some(served) => served.add(record),
            None => self.served(record.route).add(record),
        }
    }

    /// Adds bytes to an answer that was counted before its body was whole.
    pub fn grow(&mut self, route: &str, answer: &Answer, bytes: u64) {
        let answered = self.served(route).answers.entry(answer.clone()).or_default();
        answered.bytes = answered.bytes.saturating_add(bytes);
    }

    /// Adds what was answered elsewhere, or at another time; the routes with most answers find room first.
    pub fn merge(&mut self, other: &Self) {
        let mut routes: Vec<_> = other.routes.iter().collect();
        routes.sort_by_key(|(_, served)| std::cmp::Reverse(served.n()));
        for (route, served) in routes {
            self.served(route).merge(served);
        }
    }

    /// Everything that was answered, whatever the route.
    #[must_use]
    pub fn whole(&self) -> Served {
        let mut whole = Served::default();
        self.routes.values().for_each(|served| whole.merge(served));
        whole
    }

    /// Whether nothing was answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

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
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(Malformed) };
        let routes: Vec<(String, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| Malformed)?;
        let read = |(route, bytes): (String, Vec<u8>)| Ok((route, Served::decode(&bytes)?));
        Ok(Self { routes: routes.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    fn served(&mut self, route: &str) -> &mut Served {
        let has_room = self.routes.len() < MOST_ROUTES || self.routes.contains_key(route);
        self.routes.entry(if has_room { route } else { OTHER }.to_owned()).or_default()
    }
}

/// What was answered, by windows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(pub BTreeMap<Window, Traffic>);

impl Windows {
    /// Adds what one window holds of a route: to the window of at least that span in which it lies.
    pub fn add(&mut self, span: Span, kept: Window, route: &str, served: &Served) {
        let window = if kept.span < span { Window::of(span, kept.start) } else { kept };
        self.0.entry(window).or_default().served(route).merge(served);
    }

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
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(Malformed) };
        let windows: Vec<(Window, Vec<u8>)> = postcard::from_bytes(rest).map_err(|_| Malformed)?;
        let read = |(window, bytes): (Window, Vec<u8>)| Ok((window, Traffic::decode(&bytes)?));
        Ok(Self(windows.into_iter().map(read).collect::<Result<_, _>>()?))
    }
}

impl Served {
    fn add(&mut self, record: &Record<'_>) {
        // What was counted before is found without a copy of its name.
        match self.answers.get_mut(&record.answer) {
            Some(answered) => answered.add(record),
            None => self.answers.entry(record.answer.clone()).or_default().add(record),
        }
        if record.queries.is_empty() {
            return;
        }
        let mut runs: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for (name, millis) in record.queries {
            runs.entry(name).or_default().push(millis.max(0.0).ceil() as u64);
        }
        for (name, times) in runs {
            self.query(name).add(&times);
        }
    }

    /// Adds what was answered elsewhere, or at another time.
    pub fn merge(&mut self, other: &Self) {
        for (answer, theirs) in &other.answers {
            let ours = self.answers.entry(answer.clone()).or_default();
            ours.n = ours.n.saturating_add(theirs.n);
            ours.bytes = ours.bytes.saturating_add(theirs.bytes);
            ours.edge.merge(&theirs.edge);
            ours.origin.merge(&theirs.origin);
        }
        for (name, theirs) in &other.queries {
            self.query(name).merge(theirs);
        }
    }

    /// How many answers.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.answers.values().fold(0, |n, answered| n.saturating_add(answered.n))
    }

    /// How many of them the edge or the origin failed to give.
    #[must_use]
    pub fn errors(&self) -> u64 {
        let failed = self.answers.iter().filter(|(answer, _)| answer.class == Class::ServerError);
        failed.fold(0, |n, (_, answered)| n.saturating_add(answered.n))
    }

    /// What the cache did for them.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for (answer, answered) in &self.answers {
            let count = match answer.cache {
                Cached::Hit => &mut outcomes.hits,
                Cached::Stale => &mut outcomes.stale,
                Cached::Miss => &mut outcomes.misses,
                Cached::Bypass => &mut outcomes.bypassed,
            };
            *count = count.saturating_add(answered.n);
        }
        outcomes
    }

    /// How long answers took, all of them together.
    #[must_use]
    pub fn edge(&self) -> Times {
        let mut all = Times::default();
        self.answers.values().for_each(|answered| all.merge(&answered.edge));
        all
    }

    /// The bytes that are stored: a version, then the record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let answers = self.answers.iter().map(|(answer, answered)| {
            let Answered { n, bytes, edge, origin } = answered;
            (answer.clone(), *n, *bytes, edge.stored(), origin.stored())
        });
        let queries = self.queries.iter().map(|(name, ran)| {
            let Ran { answers, repeated, most, times } = ran;
            (name.clone(), *answers, *repeated, *most, times.stored())
        });
        let record = Stored { answers: answers.collect(), queries: queries.collect() };
        let mut bytes = vec![VERSION];
        bytes.extend(postcard::to_stdvec(&record).unwrap_or_default());
        bytes
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// Refuses what no version has written.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(Malformed) };
        let stored: Stored = postcard::from_bytes(rest).map_err(|_| Malformed)?;
        let mut served = Self::default();
        for (answer, n, bytes, edge, origin) in stored.answers {
            let (edge, origin) = (Times::read(&edge)?, Times::read(&origin)?);
            served.answers.insert(answer, Answered { n, bytes, edge, origin });
        }
        for (name, answers, repeated, most, times) in stored.queries {
            let times = Times::read(&times)?;
            served.queries.insert(name, Ran { answers, repeated, most, times });
        }
        Ok(served)
    }

    fn query(&mut self, name: &str) -> &mut Ran {
        let has_room = self.queries.len() < MOST_QUERIES || self.queries.contains_key(name);
        self.queries.entry(if has_room { name } else { OTHER }.to_owned()).or_default()
    }
}

impl Outcomes {
    /// How often it had it.
    #[must_use]
    pub const fn had(&self) -> u64 {
        self.hits.saturating_add(self.stale)
    }

    /// How often it was asked.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.had().saturating_add(self.misses)
    }

    /// Of what was its own, the share that it answered itself; none where it was never asked.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        (self.asked() > 0).then(|| self.had() as f64 / self.asked() as f64)
    }
}

impl Answered {
    fn add(&mut self, record: &Record<'_>) {
        self.n = self.n.saturating_add(1);
        self.bytes = self.bytes.saturating_add(record.bytes);
        self.edge.add(record.edge);
        if let Some(millis) = record.origin {
            self.origin.add(millis);
        }
    }
}

impl Ran {
    /// Adds the runs of one answer.
    fn add(&mut self, times: &[u64]) {
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        self.answers = self.answers.saturating_add(1);
        self.repeated = self.repeated.saturating_add((count >= REPEATED).into());
        self.most = self.most.max(count);
        times.iter().for_each(|millis| self.times.add(*millis));
    }

    fn merge(&mut self, other: &Self) {
        self.answers = self.answers.saturating_add(other.answers);
        self.repeated = self.repeated.saturating_add(other.repeated);
        self.most = self.most.max(other.most);
        self.times.merge(&other.times);
    }
}

impl Times {
    /// Adds one.
    pub fn add(&mut self, millis: u64) {
        self.sum = self.sum.saturating_add(millis);
        self.sketch.insert(u32::try_from(millis).unwrap_or(u32::MAX), 1);
    }

    /// Adds all of others.
    pub fn merge(&mut self, other: &Self) {
        self.sum = self.sum.saturating_add(other.sum);
        // Both are of one kind, so it cannot be refused.
        let _ = self.sketch.merge(&other.sketch);
    }

    /// How many.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.sketch.n()
    }

    /// A percentile in milliseconds; none of nothing.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<f64> {
        self.sketch.percentile(percent).map(|bucket| f64::from(bucket.middle()))
    }

    fn stored(&self) -> StoredTimes {
        (self.sketch.encode(), self.sum)
    }

    fn read((sketch, sum): &StoredTimes) -> Result<Self, Malformed> {
        let sketch = Sketch::decode(sketch).map_err(|_| Malformed)?;
        match sketch.metric() == MILLIS {
            true => Ok(Self { sketch, sum: *sum }),
            false => Err(Malformed),
        }
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { sketch: Sketch::new(MILLIS), sum: 0 }
    }
}

impl Method {
    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }

    /// Its name; `other` for all the others.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

impl Class {
    /// The class of a status.
    #[must_use]
    pub const fn of(status: u16) -> Self {
        match status / 100 {
            2 => Self::Success,
            3 => Self::Redirect,
            4 => Self::ClientError,
            5 => Self::ServerError,
            _ => Self::Other,
        }
    }

    /// Its name, as `2xx`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Success => "2xx",
            Self::Redirect => "3xx",
            Self::ClientError => "4xx",
            Self::ServerError => "5xx",
        }
    }
}

impl Cached {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Stale, Self::Miss, Self::Bypass];

    /// Its name, as in `Server-Timing`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// Version 1 of what is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    answers: Vec<StoredAnswers>,
    queries: Vec<StoredQuery>,
}

/// With how many there were, their bytes, and their times at the edge and at the origin.
type StoredAnswers = (Answer, u64, u64, StoredTimes, StoredTimes);
/// Its name, the answers in which it ran, those in which it ran too often, and how often at most.
type StoredQuery = (String, u64, u64, u32, StoredTimes);
/// A sketch's bytes and the sum.
type StoredTimes = (Vec<u8>, u64);

/// So many runs of one query for one answer are a loop around what could be one query.
pub const REPEATED: u32 = 5;
/// Times are kept in the sketch of a metric that is counted in milliseconds.
const MILLIS: Metric = Metric::Ttfb;
/// A window has room for so many routes, and one more for all the others.
pub const MOST_ROUTES: usize = 200;
const MOST_QUERIES: usize = 50;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(route: &'a str, edge: u64, queries: &'a [(String, f64)]) -> Record<'a> {
        let answer = Answer {
            method: Method::Get,
            class: Class::Success,
            cache: Cached::Miss,
            detail: "stored".into(),
        };
        Record { route, answer, bytes: 100, edge, origin: Some(edge), queries }
    }

    #[test]
    fn sums_are_the_same_in_whatever_parts_they_come() {
        let queries: Vec<_> = (0..7).map(|index| ("products".to_owned(), f64::from(index) + 0.2)).collect();
        let mut whole = Traffic::default();
        let mut parts = [Traffic::default(), Traffic::default(), Traffic::default()];
        for index in 0..300_usize {
            let route = format!("/{}", index % 7);
            let record = record(&route, index as u64, queries.get(..index % 7).unwrap());
            whole.add(&record);
            parts[index % 3].add(&record);
        }
        let mut merged = Traffic::default();
        for part in parts.iter().rev() {
            merged.merge(&Traffic::decode(&part.encode()).unwrap());
        }
        assert_eq!(merged, whole);
        let served = whole.whole();
        assert_eq!((served.n(), served.edge().n(), served.edge().sum), (300, 300, 299 * 300 / 2));
        let ran = &served.queries["products"];
        assert_eq!((ran.most, ran.answers), (6, 300 - 43));
        // Five and six runs: of every seven answers, two.
        assert_eq!(ran.repeated, 2 * 42 + 1);
    }

    #[test]
    fn whoever_asks_for_random_routes_grows_nothing_and_changes_no_total() {
        let mut traffic = Traffic::default();
        for index in 0..5000 {
            let queries = [(format!("q{index}"), 1.0)];
            traffic.add(&record(&format!("/{index}"), 1, &queries));
            traffic.add(&record("/", 1, &queries));
        }
        assert_eq!((traffic.routes.len(), traffic.whole().n()), (MOST_ROUTES + 1, 10_000));
        assert_eq!(traffic.routes["/"].queries.len(), MOST_QUERIES + 1);
    }

    #[test]
    fn the_routes_that_are_asked_for_most_find_room_first() {
        let (mut full, mut more) = (Traffic::default(), Traffic::default());
        (1..MOST_ROUTES).for_each(|index| full.add(&record(&format!("/{index}"), 1, &[])));
        more.add(&record("/a", 1, &[]));
        (0..2).for_each(|_| more.add(&record("/b", 1, &[])));
        full.merge(&more);
        assert_eq!((full.routes["/b"].n(), full.routes[OTHER].n()), (2, 1));
    }

    #[test]
    fn bytes_that_come_later_add_to_no_count() {
        let mut traffic = Traffic::default();
        let record = record("/", 1, &[]);
        traffic.add(&record);
        traffic.grow("/", &record.answer, 50);
        let answered = &traffic.routes["/"].answers[&record.answer];
        assert_eq!((answered.n, answered.bytes), (1, 150));
    }

    #[test]
    fn windows_are_of_the_span_that_was_asked_for_or_longer() {
        let mut one = Traffic::default();
        one.add(&record("/", 1, &[]));
        let served = &one.routes["/"];
        let mut windows = Windows::default();
        let at = |span, start| Window { span, start: wire::UnixMillis(start) };
        for minute in [0, 60_000, 3_600_000] {
            windows.add(Span::Hour, at(Span::Minute, minute), "/", served);
        }
        windows.add(Span::Hour, at(Span::Day, 0), "/", served);
        let windows = Windows::decode(&windows.encode()).unwrap();
        let held: Vec<_> = windows.0.iter().map(|(window, held)| (*window, held.whole().n())).collect();
        assert_eq!(held, [(at(Span::Hour, 0), 2), (at(Span::Hour, 3_600_000), 1), (at(Span::Day, 0), 1)]);
    }

    #[test]
    fn what_version_1_has_stored_is_read_for_ever() {
        let queries = [("products".to_owned(), 2.5), ("products".to_owned(), 1.0)];
        let mut traffic = Traffic::default();
        traffic.add(&record("/product/:id", 120, &queries));
        let bytes: String =
            traffic.routes["/product/:id"].encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, SERVED_1);
        let stored: Vec<u8> = (0..SERVED_1.len() / 2)
            .map(|at| u8::from_str_radix(&SERVED_1[at * 2..at * 2 + 2], 16).unwrap())
            .collect();
        assert_eq!(Served::decode(&stored).unwrap(), traffic.routes["/product/:id"]);
    }

    const SERVED_1: &str =
        "01010001020673746f7265640164041503890178041503890178010870726f64756374730100020315010104";

    #[test]
    fn what_no_version_has_written_is_refused() {
        let mut traffic = Traffic::default();
        traffic.add(&record("/", 1, &[]));
        let bytes = traffic.encode();
        assert_eq!(Traffic::decode(&[]), Err(Malformed));
        assert_eq!(Traffic::decode(&bytes[..bytes.len() - 1]), Err(Malformed));
        assert_eq!(Traffic::decode(&[9, 0]), Err(Malformed));
        assert_eq!(Served::decode(&[9, 0]), Err(Malformed));
    }
}
