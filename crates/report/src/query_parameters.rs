//! The query strings of the read API, such as `?window=24h&by=route&device=phone`, parsed to queries.

use ledger::{BotFilter, Dimension, NavigationFilter, SeriesQuery, lookback_start};
use wire::{ApiError, Device, Metric, UnixMillis, Window, WindowSpan};

/// The parameters of a read's URL.
#[derive(Clone, Debug)]
pub struct QueryParameters {
    pairs: Vec<(String, String)>,
    now: UnixMillis,
}

/// The cells to list, and their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellSelection {
    /// The cells of one metric.
    pub metric: Option<Metric>,
    /// Those that need attention first, rather than in the order of the file.
    pub worst_first: bool,
    /// Cells to skip.
    pub offset: usize,
    /// Cells to list; `None` for all.
    pub limit: Option<usize>,
}

impl QueryParameters {
    /// Takes the decoded pairs of a query string, and the time of the request.
    #[must_use]
    pub const fn new(pairs: Vec<(String, String)>, now: UnixMillis) -> Self {
        Self { pairs, now }
    }

    /// Returns the time of the request.
    #[must_use]
    pub const fn now(&self) -> UnixMillis {
        self.now
    }

    /// Checks for a parameter, whatever its value.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Returns the `Cache-Control` of a response to `query`. Days that are over change only by a late
    /// correction.
    #[must_use]
    pub const fn cache_control(&self, query: &SeriesQuery, is_public: bool) -> &'static str {
        let is_past = query.to.0 < self.now.saturating_sub(WindowSpan::Day.millis()).0;
        match (is_public, is_past) {
            (true, true) => "public, max-age=300",
            (true, false) => "public, max-age=5",
            (false, true) => "private, max-age=300",
            (false, false) => "private, max-age=5",
        }
    }

    /// Returns the first value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Builds the query. A parameter with the prefix, such as `a.from`, overrides the one without.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn query(
        &self,
        prefix: &'static str,
        by: &[Dimension],
        step: Option<WindowSpan>,
    ) -> Result<SeriesQuery, ApiError> {
        let to = self.timestamp(prefix, "to")?.unwrap_or(self.now);
        let from = match (self.timestamp(prefix, "from")?, self.window_ms()?) {
            (Some(_), Some(_)) => {
                return Err(ApiError::BadQuery { name: "window", expected: "left out beside `from`" });
            }
            (Some(from), None) => from,
            (None, window) => lookback_start(to, window.unwrap_or(WindowSpan::Day.millis())),
        };
        if from > to {
            return Err(ApiError::BadQuery { name: "from", expected: "before `to`" });
        }
        let bots = match self.get("bots") {
            None | Some("exclude") => BotFilter::Exclude,
            Some("include") => BotFilter::Include,
            Some("only") => BotFilter::Only,
            Some(_) => return Err(ApiError::BadQuery { name: "bots", expected: "exclude, include or only" }),
        };
        let navigations = match self.get("navigations") {
            None | Some("hard") => NavigationFilter::Hard,
            Some("soft") => NavigationFilter::Soft,
            Some("all") => NavigationFilter::All,
            Some(_) => return Err(ApiError::BadQuery { name: "navigations", expected: "hard, soft or all" }),
        };
        self.device()?;
        let mut only: Vec<(Dimension, String)> = Vec::new();
        for (name, value) in &self.pairs {
            let own = name.strip_prefix(prefix).filter(|_| !prefix.is_empty());
            let Some(dimension) = Dimension::from_name(own.unwrap_or(name)) else { continue };
            only.retain(|(other, _)| own.is_none() || *other != dimension);
            if own.is_some() || only.iter().all(|(other, _)| *other != dimension) {
                only.push((dimension, value.clone()));
            }
        }
        Ok(SeriesQuery {
            from: Window::containing(WindowSpan::Minute, from).start,
            // The current minute is included.
            to: Window::containing(WindowSpan::Minute, to).start.saturating_add(WindowSpan::Minute.millis()),
            bots,
            navigations,
            only,
            by: by.to_vec(),
            step,
        })
    }

    /// Parses `window`, in milliseconds.
    fn window_ms(&self) -> Result<Option<u64>, ApiError> {
        let read = |text: &str| {
            let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
            let spans = [("m", WindowSpan::Minute), ("h", WindowSpan::Hour), ("d", WindowSpan::Day)];
            let (_, span) = spans.into_iter().find(|(name, _)| *name == unit)?;
            let count: u64 = count.parse().ok().filter(|count| (1..=9999).contains(count))?;
            Some(count * span.millis())
        };
        let want = "a whole number of minutes, hours or days, such as `30m`, `24h` or `28d`";
        let window = |text| read(text).ok_or(ApiError::BadQuery { name: "window", expected: want });
        self.get("window").map(window).transpose()
    }

    /// Parses `against`: the release to compare with, and the query for it.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn comparison_query(&self, query: &SeriesQuery) -> Result<Option<(String, SeriesQuery)>, ApiError> {
        let Some(against) = self.get("against") else { return Ok(None) };
        match self.get("release") {
            Some(release) if release != against => {}
            _ => {
                return Err(ApiError::BadQuery {
                    name: "against",
                    expected: "given with `release`, and another one",
                });
            }
        }
        let mut query = query.clone();
        query.only.retain(|(dimension, _)| *dimension != Dimension::Release);
        query.only.push((Dimension::Release, against.to_owned()));
        Ok(Some((against.to_owned(), query)))
    }

    /// Parses `by`.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn dimensions(&self) -> Result<Vec<Dimension>, ApiError> {
        let want = "up to 4 of route, device, nav, cache, net, release, country, browser, browser_family, os, bot, evidence and dim.<name>, with commas";
        let wrong = ApiError::BadQuery { name: "by", expected: want };
        let names = self.get("by").unwrap_or_default().split(',').filter(|name| !name.is_empty());
        let by: Option<Vec<Dimension>> = names.map(Dimension::from_name).collect();
        by.filter(|by| by.len() <= MAX_DIMENSIONS).ok_or(wrong)
    }

    /// Parses `metric`.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn metric(&self) -> Result<Option<Metric>, ApiError> {
        let want = "FCP, LCP, CLS, INP, FID or TTFB";
        let named =
            |name| Metric::from_name(name).ok_or(ApiError::BadQuery { name: "metric", expected: want });
        self.get("metric").map(named).transpose()
    }

    /// Parses the selection of a budget report: all cells, unless `limit` is given.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn cell_selection(&self) -> Result<CellSelection, ApiError> {
        let worst_first = match self.get("sort") {
            None | Some("file") => false,
            Some("trouble") => true,
            Some(_) => return Err(ApiError::BadQuery { name: "sort", expected: "file or trouble" }),
        };
        let (offset, limit) = self.pagination()?;
        let limit = self.get("limit").map(|_| limit);
        Ok(CellSelection { metric: self.metric()?, worst_first, offset, limit })
    }

    /// Parses `offset` and `limit`.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn pagination(&self) -> Result<(usize, usize), ApiError> {
        let whole = |name: &'static str, want, otherwise: usize| match self.get(name) {
            None => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| ApiError::BadQuery { name, expected: want }),
        };
        let want = "a whole number from 1 to 5000";
        let limit = whole("limit", want, 1000)?;
        if !(1..=MAX_LINES).contains(&limit) {
            return Err(ApiError::BadQuery { name: "limit", expected: want });
        }
        Ok((whole("offset", "a whole number, the `next` of the page before", 0)?, limit))
    }

    /// Parses `device`.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn device(&self) -> Result<Option<Device>, ApiError> {
        let want = "phone, tablet or desktop";
        let named =
            |name| Device::from_name(name).ok_or(ApiError::BadQuery { name: "device", expected: want });
        self.get("device").map(named).transpose()
    }

    /// Parses `step`: an hour by default.
    ///
    /// # Errors
    /// Names the parameter and its valid values.
    pub fn step(&self) -> Result<WindowSpan, ApiError> {
        match self.get("step") {
            Some("minute") => Ok(WindowSpan::Minute),
            None | Some("hour") => Ok(WindowSpan::Hour),
            Some("day") => Ok(WindowSpan::Day),
            Some(_) => Err(ApiError::BadQuery { name: "step", expected: "minute, hour or day" }),
        }
    }

    fn timestamp(&self, prefix: &str, name: &'static str) -> Result<Option<UnixMillis>, ApiError> {
        let want = "milliseconds since the Unix epoch";
        let read = |text: &str| {
            text.parse().map(UnixMillis).map_err(|_| ApiError::BadQuery { name, expected: want })
        };
        self.get(&format!("{prefix}{name}")).or_else(|| self.get(name)).map(read).transpose()
    }
}

/// The grouping of everything that is judged by budgets.
pub const BY_PAGE: &[Dimension] = &[Dimension::Route, Dimension::Device];
const MAX_DIMENSIONS: usize = 4;
/// Lines of one response.
const MAX_LINES: usize = 5000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_030_000);

    fn parameters(pairs: &[(&str, &str)]) -> QueryParameters {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        QueryParameters::new(pairs.collect(), NOW)
    }

    #[track_caller]
    fn refused(pairs: &[(&str, &str)], name: &str) {
        match parameters(pairs).query("", BY_PAGE, None) {
            Err(ApiError::BadQuery { name: refused, .. }) => assert_eq!(refused, name),
            other => panic!("{pairs:?} gave {other:?}"),
        }
    }

    #[test]
    fn a_query_covers_the_last_day_up_to_the_current_minute() {
        let query = parameters(&[]).query("", BY_PAGE, None).expect("valid");
        assert_eq!(query.to, UnixMillis(1_800_000_060_000));
        assert_eq!(query.to.0 - query.from.0, 24 * 3_600_000 + 60_000);
        assert_eq!(query.bots, BotFilter::Exclude);
    }

    #[test]
    fn a_prefixed_parameter_overrides_the_one_without_in_either_order() {
        for pairs in [
            [("device", "phone"), ("a.release", "1"), ("release", "2")],
            [("release", "2"), ("device", "phone"), ("a.release", "1")],
        ] {
            let query = parameters(&pairs).query("a.", BY_PAGE, None).expect("valid");
            let value =
                |dimension| query.only.iter().find(|(own, _)| *own == dimension).map(|(_, v)| v.as_str());
            assert_eq!((value(Dimension::Release), value(Dimension::Device)), (Some("1"), Some("phone")));
            let other = parameters(&pairs).query("b.", BY_PAGE, None).expect("valid");
            assert!(other.only.contains(&(Dimension::Release, "2".to_owned())));
        }
    }

    #[test]
    fn invalid_parameters_are_refused_by_name() {
        refused(&[("window", "0h")], "window");
        refused(&[("window", "24")], "window");
        refused(&[("window", "1h"), ("from", "1")], "window");
        refused(&[("from", "2"), ("to", "1")], "from");
        refused(&[("from", "noon")], "from");
        refused(&[("bots", "some")], "bots");
        refused(&[("device", "watch")], "device");
        refused(&[("navigations", "declared")], "navigations");
    }

    #[test]
    fn a_comparison_needs_two_releases() {
        let query = |pairs| {
            let parameters = parameters(pairs);
            parameters.comparison_query(&parameters.query("", BY_PAGE, None).expect("valid"))
        };
        assert!(matches!(query(&[]), Ok(None)));
        assert!(query(&[("against", "1")]).is_err());
        assert!(query(&[("against", "1"), ("release", "1")]).is_err());
        let (against, before) =
            query(&[("against", "1"), ("release", "2")]).expect("valid").expect("a comparison");
        assert_eq!((against.as_str(), before.only), ("1", vec![(Dimension::Release, "1".to_owned())]));
    }

    #[test]
    fn only_days_that_are_over_are_cached_for_long() {
        let read = |pairs| {
            let parameters = parameters(pairs);
            let query = parameters.query("", BY_PAGE, None).expect("valid");
            [true, false].map(|is_public| parameters.cache_control(&query, is_public))
        };
        assert_eq!(read(&[]), ["public, max-age=5", "private, max-age=5"]);
        let past = [("from", "1700000000000"), ("to", "1700003600000")];
        assert_eq!(read(&past), ["public, max-age=300", "private, max-age=300"]);
    }

    #[test]
    fn pages_are_bounded() {
        assert_eq!(parameters(&[]).pagination().ok(), Some((0, 1000)));
        assert_eq!(parameters(&[("limit", "5000"), ("offset", "7")]).pagination().ok(), Some((7, 5000)));
        assert!(parameters(&[("limit", "5001")]).pagination().is_err());
        assert!(parameters(&[("limit", "0")]).pagination().is_err());
        assert_eq!(parameters(&[]).cell_selection().ok().and_then(|selection| selection.limit), None);
    }

    #[test]
    fn at_most_four_dimensions_group_a_query() {
        let by = |text| parameters(&[("by", text)]).dimensions().ok().map(|by| by.len());
        assert_eq!(
            [by("route,device,nav,cache"), by("route,device,nav,cache,net"), by("colour")],
            [Some(4), None, None]
        );
    }
}
