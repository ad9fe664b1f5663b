//! budgets.json: Lighthouse's budget.json, extended for field data. Of the entries that match a page the last
//! one wins, separately for each metric, and separately for lab and field. `verdict` judges measurements.

use wire::{Device, Metric};

use crate::{
    error::{BudgetError, BudgetErrorKind},
    json_reader::{JsonFields, JsonNode, parse_document},
    robots_pattern::RobotsPattern,
};

/// A parsed budgets.json.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    pub(crate) entries: Vec<BudgetEntry>,
}

/// The limit of one metric on a page, for real visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The largest value within budget, in wire units.
    pub max: u32,
    /// The percentage of visits that must be within budget.
    pub percentile: u8,
    /// The consequence of a violation.
    pub severity: Severity,
    /// The minimum number of visits for a verdict.
    pub min_samples: u64,
    /// The line of budgets.json.
    pub line: u32,
}

/// A budget for real visits, with the pages, device and metric that it applies to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BudgetRule<'a> {
    /// Its position in the file, which identifies the rule.
    pub position: usize,
    /// The path pattern of the entry; `/` if it has none.
    pub pattern: &'a str,
    /// The device class; None for all.
    pub device: Option<Device>,
    /// The metric.
    pub metric: Metric,
    /// The limit.
    pub limit: Limit,
}

/// The consequence of a violated budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// Fails the gate.
    #[default]
    Error,
    /// Reported only.
    Warn,
}

/// The budgets of the pages that match a path pattern.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BudgetEntry {
    path: Option<RobotsPattern>,
    pub(crate) timings: Vec<TimingBudget>,
    pub(crate) resources: Vec<ResourceBudget>,
}

/// A budget for an entry of `timings`, which include the layout shift.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimingBudget {
    pub(crate) measure: TimingMeasure,
    device: Option<Device>,
    /// The limit of a lab run, in the measure's own unit.
    pub(crate) lab: Option<LabLimit>,
    pub(crate) field: Option<Limit>,
}

/// The limit of a timing in the lab.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LabLimit {
    pub(crate) max: f64,
    /// True for a `lab` value, false for a `budget` of both.
    pub(crate) is_lab_specific: bool,
    pub(crate) severity: Severity,
    pub(crate) line: u32,
}

/// A budget for the resources of a page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ResourceBudget {
    pub(crate) resource_type: &'static str,
    pub(crate) measure: ResourceMeasure,
    device: Option<Device>,
    pub(crate) max: f64,
    pub(crate) severity: Severity,
    pub(crate) line: u32,
}

/// The measure of a resource budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResourceMeasure {
    /// Transferred KiB.
    Size,
    /// Number of requests.
    Requests,
}

/// The measure of a timing budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimingMeasure {
    /// A metric of real visits; the lab measures it or a proxy.
    Field(Metric),
    /// A lab-only measure.
    Lab(&'static str),
}

impl Budgets {
    /// Parses a budgets.json. Every valid Lighthouse budget.json is accepted unless a budget is negative.
    ///
    /// # Errors
    /// Returns the first error, with its place and remedy.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        parse_document(text, |document| {
            let entries = document.items("an array of budgets")?;
            Ok(Self { entries: entries.iter().map(BudgetEntry::parse).collect::<Result<_, _>>()? })
        })
    }

    /// Returns the limit of a metric on a path or route template; None without a budget.
    #[must_use]
    pub fn limit(&self, path: &str, device: Device, metric: Metric) -> Option<Limit> {
        self.timings(path, device)
            .filter(|timing| timing.measure == TimingMeasure::Field(metric))
            .find_map(|timing| timing.field)
    }

    /// Iterates over the budgets for real visits in the order of the file, without those that a later one
    /// overrides on all their pages.
    pub fn rules(&self) -> impl Iterator<Item = BudgetRule<'_>> {
        let all = || {
            self.timings_with_position()
                .filter_map(|(position, entry, timing)| BudgetRule::from_timing(position, entry, timing))
        };
        all().filter(move |rule| !all().any(|other| other.overrides(rule)))
    }

    /// Returns the rule that decides [`limit`](Self::limit).
    #[must_use]
    pub fn rule(&self, path: &str, device: Device, metric: Metric) -> Option<BudgetRule<'_>> {
        let applies = |entry: &BudgetEntry, timing: &TimingBudget| {
            // The pattern comes last, because it takes the longest.
            timing.measure == TimingMeasure::Field(metric)
                && timing.device.is_none_or(|only| only == device)
                && entry.applies_to(path)
        };
        let all = self.timings_with_position().filter(|(_, entry, timing)| applies(entry, timing));
        all.filter_map(|(position, entry, timing)| BudgetRule::from_timing(position, entry, timing)).last()
    }

    fn timings_with_position(&self) -> impl Iterator<Item = (usize, &BudgetEntry, &TimingBudget)> {
        let all =
            self.entries.iter().flat_map(|entry| entry.timings.iter().map(move |timing| (entry, timing)));
        all.enumerate().map(|(position, (entry, timing))| (position, entry, timing))
    }

    /// Iterates over the timings that apply to a path, the decisive ones first.
    pub(crate) fn timings(&self, path: &str, device: Device) -> impl Iterator<Item = &TimingBudget> {
        let timings = self.matching_entries(path).flat_map(|entry| entry.timings.iter().rev());
        timings.filter(move |timing| timing.device.is_none_or(|only| only == device))
    }

    /// Iterates over the resource budgets that apply to a path, the decisive ones first.
    pub(crate) fn resources(&self, path: &str, device: Device) -> impl Iterator<Item = &ResourceBudget> {
        let resources = self.matching_entries(path).flat_map(|entry| entry.resources.iter().rev());
        resources.filter(move |resource| resource.device.is_none_or(|only| only == device))
    }

    fn matching_entries(&self, path: &str) -> impl Iterator<Item = &BudgetEntry> {
        self.entries.iter().rev().filter(move |entry| entry.applies_to(path))
    }
}

impl<'a> BudgetRule<'a> {
    fn from_timing(position: usize, entry: &'a BudgetEntry, timing: &'a TimingBudget) -> Option<Self> {
        let TimingMeasure::Field(metric) = timing.measure else { return None };
        let pattern = entry.path.as_ref().map_or("/", RobotsPattern::as_str);
        Some(Self { position, pattern, device: timing.device, metric, limit: timing.field? })
    }

    fn overrides(&self, other: &Self) -> bool {
        self.position > other.position
            && self.metric == other.metric
            && (self.device.is_none() || self.device == other.device)
            && (self.is_sitewide() || self.pattern == other.pattern)
    }

    /// Returns true for a rule that covers every page of the site.
    #[must_use]
    pub fn is_sitewide(&self) -> bool {
        matches!(self.pattern, "/" | "/*")
    }
}

impl Severity {
    pub(crate) const ALL: [Self; 2] = [Self::Error, Self::Warn];

    /// The name in budgets.json, and the level in Lighthouse CI.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
        }
    }
}

impl BudgetEntry {
    fn applies_to(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.matches(path))
    }

    fn parse(node: &JsonNode<'_>) -> Result<Self, BudgetError> {
        let own = ["path", "options", "timings"];
        let kinds = ResourceMeasure::ALL.map(ResourceMeasure::key);
        let fields = node.fields("a budget", &[&own[..], &kinds, &InheritedSettings::KEYS].concat())?;
        let path = match fields.get("path") {
            Some(path) => Some(parse_pattern(&path)?),
            None => None,
        };
        if let Some(options) = fields.get("options") {
            check_options(&options)?;
        }
        let settings = InheritedSettings::default().overridden_by(&fields)?;

        let mut timings: Vec<TimingBudget> = Vec::new();
        for item in fields.items("timings")? {
            let timing = TimingBudget::parse(&item, settings)?;
            if timings.iter().any(|other| (other.measure, other.device) == (timing.measure, timing.device)) {
                return Err(item.error(BudgetErrorKind::Duplicate { name: timing.measure.name() }));
            }
            timings.push(timing);
        }
        let mut resources: Vec<ResourceBudget> = Vec::new();
        for measure in ResourceMeasure::ALL {
            for item in fields.items(measure.key())? {
                let resource = ResourceBudget::parse(&item, measure, settings)?;
                let identity =
                    |resource: &ResourceBudget| (resource.resource_type, resource.measure, resource.device);
                if resources.iter().any(|other| identity(other) == identity(&resource)) {
                    return Err(item.error(BudgetErrorKind::Duplicate { name: resource.resource_type }));
                }
                resources.push(resource);
            }
        }
        Ok(Self { path, timings, resources })
    }
}

impl TimingBudget {
    fn parse(node: &JsonNode<'_>, settings: InheritedSettings) -> Result<Self, BudgetError> {
        let own = ["metric", "budget", "lab", "field"];
        let fields = node.fields("a timing budget", &[&own[..], &InheritedSettings::KEYS].concat())?;
        let measure =
            fields.require("metric")?.parse_name("metric", &TimingMeasure::all(), TimingMeasure::name)?;
        let settings = settings.overridden_by(&fields)?;
        let (lab, field) = (fields.get("lab"), fields.get("field"));
        let both = match fields.get("budget") {
            None if lab.is_none() && field.is_none() => {
                return Err(fields.error(BudgetErrorKind::MissingKey { key: "budget" }));
            }
            both => both,
        };
        if let (TimingMeasure::Lab(_), Some(field)) = (measure, &field) {
            return Err(field.error(BudgetErrorKind::InvalidText {
                requirement: "be omitted: real visits do not measure this",
            }));
        }

        let limit_for = |own: &Option<JsonNode<'_>>| match own.as_ref().or(both.as_ref()) {
            Some(node) => Ok(Some((parse_limit(node)?, node.line()))),
            None => Ok(None),
        };
        let own = lab.is_some();
        let lab = limit_for(&lab)?.map(|(max, line)| LabLimit {
            max,
            is_lab_specific: own,
            severity: settings.severity,
            line,
        });
        let field = match measure {
            TimingMeasure::Lab(_) => None,
            TimingMeasure::Field(metric) => limit_for(&field)?.map(|(max, line)| Limit {
                max: to_wire_units(max, metric),
                percentile: settings.percentile,
                severity: settings.severity,
                min_samples: settings.min_samples,
                line,
            }),
        };
        Ok(Self { measure, device: settings.device, lab, field })
    }
}

impl ResourceBudget {
    fn parse(
        node: &JsonNode<'_>,
        measure: ResourceMeasure,
        settings: InheritedSettings,
    ) -> Result<Self, BudgetError> {
        let fields = node.fields("a resource budget", &["resourceType", "budget", "device", "severity"])?;
        let resource_type =
            fields.require("resourceType")?.parse_name("resource type", &RESOURCE_TYPES, |kind| kind)?;
        let max = parse_limit(&fields.require("budget")?)?;
        let InheritedSettings { device, severity, .. } = settings.overridden_by(&fields)?;
        Ok(Self { resource_type, measure, device, max, severity, line: fields.line() })
    }
}

impl ResourceMeasure {
    const ALL: [Self; 2] = [Self::Size, Self::Requests];

    /// The key of its budgets in budgets.json.
    const fn key(self) -> &'static str {
        match self {
            Self::Size => "resourceSizes",
            Self::Requests => "resourceCounts",
        }
    }
}

impl TimingMeasure {
    const LAB_ONLY: [Self; 5] = [
        Self::Lab("total-blocking-time"),
        Self::Lab("max-potential-fid"),
        Self::Lab("speed-index"),
        Self::Lab("interactive"),
        Self::Lab("first-meaningful-paint"),
    ];

    /// Every measure: the metrics of real visits, then those of the lab alone.
    fn all() -> Vec<Self> {
        Metric::ALL.map(Self::Field).into_iter().chain(Self::LAB_ONLY).collect()
    }

    /// The name in budgets.json. Lighthouse's audits have the same names, where they exist.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Field(Metric::Fcp) => "first-contentful-paint",
            Self::Field(Metric::Lcp) => "largest-contentful-paint",
            Self::Field(Metric::Cls) => "cumulative-layout-shift",
            Self::Field(Metric::Inp) => "interaction-to-next-paint",
            Self::Field(Metric::Fid) => "first-input-delay",
            Self::Field(Metric::Ttfb) => "time-to-first-byte",
            Self::Lab(name) => name,
        }
    }
}

/// Settings of an entry, which its budgets inherit and may override.
#[derive(Clone, Copy)]
struct InheritedSettings {
    device: Option<Device>,
    percentile: u8,
    severity: Severity,
    min_samples: u64,
}

impl InheritedSettings {
    const KEYS: [&'static str; 4] = ["device", "percentile", "severity", "minSamples"];

    fn overridden_by(mut self, fields: &JsonFields<'_>) -> Result<Self, BudgetError> {
        if let Some(device) = fields.get("device") {
            self.device = Some(device.parse_name("device", &Device::ALL, Device::name)?);
        }
        if let Some(severity) = fields.get("severity") {
            self.severity = severity.parse_name("severity", &Severity::ALL, Severity::name)?;
        }
        if let Some(percentile) = fields.get("percentile") {
            self.percentile = parse_positive_integer(&percentile, 99, "a whole number from 1 to 99")? as u8;
        }
        if let Some(min_samples) = fields.get("minSamples") {
            self.min_samples =
                parse_positive_integer(&min_samples, 1_000_000_000, "a whole number from 1 to a billion")?;
        }
        Ok(self)
    }
}

impl Default for InheritedSettings {
    fn default() -> Self {
        Self { device: None, percentile: 75, severity: Severity::Error, min_samples: 30 }
    }
}

/// `/**` is `/`, which covers every page, as in the routes of the cache.
fn parse_pattern(node: &JsonNode<'_>) -> Result<RobotsPattern, BudgetError> {
    let text = node.text("a path")?;
    RobotsPattern::parse(if text == "/**" { "/" } else { text })
        .map_err(|must| node.error(BudgetErrorKind::InvalidText { requirement: must }))
}

fn parse_limit(node: &JsonNode<'_>) -> Result<f64, BudgetError> {
    let number = node.number()?;
    if number < 0.0 {
        Err(node.error(BudgetErrorKind::InvalidNumber { requirement: "zero or more" }))
    } else {
        Ok(number)
    }
}

fn parse_positive_integer(
    node: &JsonNode<'_>,
    max: u64,
    requirement: &'static str,
) -> Result<u64, BudgetError> {
    let number = node.number()?;
    if number.fract() == 0.0 && (1.0..=max as f64).contains(&number) {
        Ok(number as u64)
    } else {
        Err(node.error(BudgetErrorKind::InvalidNumber { requirement }))
    }
}

/// Validates `firstPartyHostnames`, which Lighthouse no longer uses but existing files contain.
fn check_options(options: &JsonNode<'_>) -> Result<(), BudgetError> {
    for host in options.fields("options", &["firstPartyHostnames"])?.items("firstPartyHostnames")? {
        let name = host.text("a host name")?;
        let plain = name.strip_prefix("*.").unwrap_or(name);
        if name.is_empty() || plain.contains(['/', ':', '*']) {
            return Err(host.error(BudgetErrorKind::InvalidText {
                requirement: "be a host name such as \"example.org\" or \"*.example.org\"",
            }));
        }
    }
    Ok(())
}

/// Converts to wire units. Values are rounded up on the wire, so an integer budget judges them exactly; a
/// fractional one is rounded down, so that no value over budget passes.
fn to_wire_units(max: f64, metric: Metric) -> u32 {
    let units = max * metric.wire_scale();
    // 0.29 · 10,000 is a hair under 2,900.
    let noise = units * 1e-12;
    (units + noise).floor() as u32
}

const RESOURCE_TYPES: [&str; 9] =
    ["total", "document", "script", "stylesheet", "image", "media", "font", "other", "third-party"];
