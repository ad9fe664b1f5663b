//! budgets.json as it is meant: Lighthouse's own budget.json, extended with what the field needs.
//! Among the entries that match a page the last one wins, for each metric on its own, and for the
//! lab and the field on their own. Judging measurements is left to the verdicts.

use wire::{Device, Metric};

use crate::{
    document::{Fields, Node, read},
    mistake::{Mistake, Wrong},
    path::Pattern,
};

/// Every budget of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct Budgets {
    pub(crate) entries: Vec<Entry>,
}

/// What the field may measure on a page, for one metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The largest value within budget, in wire units.
    pub max: u32,
    /// Of a hundred visits, so many must be within budget.
    pub percentile: u8,
    /// What follows from a violation.
    pub severity: Severity,
    /// Fewer visits than this prove nothing.
    pub min_samples: u64,
    /// The line of budgets.json that says so.
    pub line: u32,
}

/// A budget for real visits, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule<'a> {
    /// Its place among the budgets of the file, by which rules are told apart.
    pub place: usize,
    /// The pages, as the file names them; `/` where it names none.
    pub pattern: &'a str,
    /// The device class; none where it is for all of them.
    pub device: Option<Device>,
    /// The metric.
    pub metric: Metric,
    /// The limit.
    pub limit: Limit,
}

/// What follows from a violated budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Severity {
    /// The gate closes.
    #[default]
    Error,
    /// People are told.
    Warn,
}

/// The budgets of the pages that a path matches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    path: Option<Pattern>,
    pub(crate) timings: Vec<Timing>,
    pub(crate) resources: Vec<Resource>,
}

/// A budget for a timing, or for another measure that Lighthouse counts among them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timing {
    pub(crate) measure: Measure,
    device: Option<Device>,
    /// What a lab run may measure, in the measure's own unit, if the file says.
    pub(crate) lab: Option<Lab>,
    field: Option<Limit>,
}

/// The lab's side of a timing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lab {
    pub(crate) max: f64,
    /// Whether the number was given for the lab, not for both.
    pub(crate) own: bool,
    pub(crate) severity: Severity,
    pub(crate) line: u32,
}

/// A budget for what a page loads.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) kind: &'static str,
    pub(crate) count: Count,
    device: Option<Device>,
    pub(crate) max: f64,
    pub(crate) severity: Severity,
    pub(crate) line: u32,
}

/// What is counted of a kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    /// Kilobytes of 1024, over the network.
    Size,
    /// Requests.
    Requests,
}

/// What a timing budget may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// A metric of real visits; the lab has it too, or a proxy of it.
    Field(Metric),
    /// A measure that only the lab has.
    Lab(&'static str),
}

impl Budgets {
    /// Reads a budgets.json. Every valid Lighthouse budget.json is one, except that a budget is
    /// never negative.
    ///
    /// # Errors
    /// The first mistake, with its line and what would be right.
    pub fn parse(text: &str) -> Result<Self, Mistake> {
        read(text, |document| {
            let entries = document.items("an array of budgets")?;
            Ok(Self { entries: entries.iter().map(Entry::read).collect::<Result<_, _>>()? })
        })
    }

    /// What real visits to that path, or to the route of that name, may measure. None when the
    /// metric has no budget there.
    #[must_use]
    pub fn limit(&self, path: &str, device: Device, metric: Metric) -> Option<Limit> {
        self.timings(path, device)
            .filter(|timing| timing.measure == Measure::Field(metric))
            .find_map(|timing| timing.field)
    }

    /// Every budget for real visits that a page may be judged by, in the order of the file: those that
    /// a later one takes the place of on all their pages are left out.
    pub fn rules(&self) -> impl Iterator<Item = Rule<'_>> {
        let all = || self.placed().filter_map(|(place, entry, timing)| Rule::of(place, entry, timing));
        all().filter(move |rule| !all().any(|other| other.overrules(rule)))
    }

    /// The budget that decides what [`limit`](Self::limit) says.
    #[must_use]
    pub fn rule(&self, path: &str, device: Device, metric: Metric) -> Option<Rule<'_>> {
        let applies = |entry: &Entry, timing: &Timing| {
            entry.is_for(path)
                && timing.measure == Measure::Field(metric)
                && timing.device.is_none_or(|only| only == device)
        };
        let all = self.placed().filter(|(_, entry, timing)| applies(entry, timing));
        all.filter_map(|(place, entry, timing)| Rule::of(place, entry, timing)).last()
    }

    fn placed(&self) -> impl Iterator<Item = (usize, &Entry, &Timing)> {
        let all =
            self.entries.iter().flat_map(|entry| entry.timings.iter().map(move |timing| (entry, timing)));
        all.enumerate().map(|(place, (entry, timing))| (place, entry, timing))
    }

    /// The timings that apply there, the decisive ones first.
    pub(crate) fn timings(&self, path: &str, device: Device) -> impl Iterator<Item = &Timing> {
        let timings = self.matching(path).flat_map(|entry| entry.timings.iter().rev());
        timings.filter(move |timing| timing.device.is_none_or(|only| only == device))
    }

    /// The resource budgets that apply there, the decisive ones first.
    pub(crate) fn resources(&self, path: &str, device: Device) -> impl Iterator<Item = &Resource> {
        let resources = self.matching(path).flat_map(|entry| entry.resources.iter().rev());
        resources.filter(move |resource| resource.device.is_none_or(|only| only == device))
    }

    fn matching(&self, path: &str) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev().filter(move |entry| entry.is_for(path))
    }
}

impl<'a> Rule<'a> {
    fn of(place: usize, entry: &'a Entry, timing: &'a Timing) -> Option<Self> {
        let Measure::Field(metric) = timing.measure else { return None };
        let pattern = entry.path.as_ref().map_or("/", Pattern::text);
        Some(Self { place, pattern, device: timing.device, metric, limit: timing.field? })
    }

    fn overrules(&self, other: &Self) -> bool {
        self.place > other.place
            && self.metric == other.metric
            && (self.device.is_none() || self.device == other.device)
            && (self.is_sitewide() || self.pattern == other.pattern)
    }

    /// Whether it is for every page of the site.
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

impl Entry {
    fn is_for(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.matches(path))
    }

    fn read(node: &Node<'_>) -> Result<Self, Mistake> {
        let own = ["path", "options", "timings", "resourceSizes", "resourceCounts"];
        let fields = node.fields("a budget", &[&own[..], &Terms::KEYS].concat())?;
        let path = match fields.get("path") {
            Some(path) => Some(pattern(&path)?),
            None => None,
        };
        if let Some(options) = fields.get("options") {
            check_options(&options)?;
        }
        let terms = Terms::default().refined(&fields)?;

        let mut timings: Vec<Timing> = Vec::new();
        for item in fields.items("timings")? {
            let timing = Timing::read(&item, terms)?;
            if timings.iter().any(|other| (other.measure, other.device) == (timing.measure, timing.device)) {
                return Err(item.mistake(Wrong::Twice { name: timing.measure.name() }));
            }
            timings.push(timing);
        }
        let mut resources: Vec<Resource> = Vec::new();
        for (key, count) in [("resourceSizes", Count::Size), ("resourceCounts", Count::Requests)] {
            for item in fields.items(key)? {
                let resource = Resource::read(&item, count, terms)?;
                let place = |resource: &Resource| (resource.kind, resource.count, resource.device);
                if resources.iter().any(|other| place(other) == place(&resource)) {
                    return Err(item.mistake(Wrong::Twice { name: resource.kind }));
                }
                resources.push(resource);
            }
        }
        Ok(Self { path, timings, resources })
    }
}

impl Timing {
    fn read(node: &Node<'_>, terms: Terms) -> Result<Self, Mistake> {
        let own = ["metric", "budget", "lab", "field"];
        let fields = node.fields("a timing budget", &[&own[..], &Terms::KEYS].concat())?;
        let measure = fields.require("metric")?.named("metric", &Measure::ALL, Measure::name)?;
        let terms = terms.refined(&fields)?;
        let (lab, field) = (fields.get("lab"), fields.get("field"));
        let both = match fields.get("budget") {
            None if lab.is_none() && field.is_none() => {
                return Err(fields.mistake(Wrong::Missing { key: "budget" }));
            }
            both => both,
        };
        if let (Measure::Lab(_), Some(field)) = (measure, &field) {
            return Err(field.mistake(Wrong::Form { must: "be left out, since no real visit measures this" }));
        }

        let side = |own: &Option<Node<'_>>| match own.as_ref().or(both.as_ref()) {
            Some(node) => Ok(Some((budget(node)?, node.line()))),
            None => Ok(None),
        };
        let own = lab.is_some();
        let lab = side(&lab)?.map(|(max, line)| Lab { max, own, severity: terms.severity, line });
        let field = match measure {
            Measure::Lab(_) => None,
            Measure::Field(metric) => side(&field)?.map(|(max, line)| Limit {
                max: wire_units(max, metric),
                percentile: terms.percentile,
                severity: terms.severity,
                min_samples: terms.min_samples,
                line,
            }),
        };
        Ok(Self { measure, device: terms.device, lab, field })
    }
}

impl Resource {
    fn read(node: &Node<'_>, count: Count, terms: Terms) -> Result<Self, Mistake> {
        let fields = node.fields("a resource budget", &["resourceType", "budget", "device", "severity"])?;
        let kind = fields.require("resourceType")?.named("resource type", &RESOURCE_KINDS, |kind| kind)?;
        let max = budget(&fields.require("budget")?)?;
        let Terms { device, severity, .. } = terms.refined(&fields)?;
        Ok(Self { kind, count, device, max, severity, line: fields.line() })
    }
}

impl Measure {
    const ALL: [Self; 11] = [
        Self::Field(Metric::Fcp),
        Self::Field(Metric::Lcp),
        Self::Field(Metric::Cls),
        Self::Field(Metric::Inp),
        Self::Field(Metric::Fid),
        Self::Field(Metric::Ttfb),
        Self::Lab("total-blocking-time"),
        Self::Lab("max-potential-fid"),
        Self::Lab("speed-index"),
        Self::Lab("interactive"),
        Self::Lab("first-meaningful-paint"),
    ];

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

/// What may be said of an entry as a whole, and differently of a budget in it.
#[derive(Clone, Copy)]
struct Terms {
    device: Option<Device>,
    percentile: u8,
    severity: Severity,
    min_samples: u64,
}

impl Terms {
    const KEYS: [&'static str; 4] = ["device", "percentile", "severity", "minSamples"];

    fn refined(mut self, fields: &Fields<'_>) -> Result<Self, Mistake> {
        if let Some(device) = fields.get("device") {
            self.device = Some(device.named("device", &Device::ALL, Device::name)?);
        }
        if let Some(severity) = fields.get("severity") {
            self.severity = severity.named("severity", &Severity::ALL, Severity::name)?;
        }
        if let Some(percentile) = fields.get("percentile") {
            self.percentile = whole(&percentile, 99, "a whole number from 1 to 99")? as u8;
        }
        if let Some(min_samples) = fields.get("minSamples") {
            self.min_samples = whole(&min_samples, 1_000_000_000, "a whole number from 1 to a billion")?;
        }
        Ok(self)
    }
}

impl Default for Terms {
    fn default() -> Self {
        Self { device: None, percentile: 75, severity: Severity::Error, min_samples: 30 }
    }
}

fn pattern(node: &Node<'_>) -> Result<Pattern, Mistake> {
    Pattern::parse(node.text("a path")?).map_err(|must| node.mistake(Wrong::Form { must }))
}

fn budget(node: &Node<'_>) -> Result<f64, Mistake> {
    let number = node.number()?;
    if number < 0.0 { Err(node.mistake(Wrong::Number { must: "zero or more" })) } else { Ok(number) }
}

fn whole(node: &Node<'_>, max: u64, must: &'static str) -> Result<u64, Mistake> {
    let number = node.number()?;
    if number.fract() == 0.0 && (1.0..=max as f64).contains(&number) {
        Ok(number as u64)
    } else {
        Err(node.mistake(Wrong::Number { must }))
    }
}

/// Lighthouse once told third parties by these. It no longer does, but files still say them.
fn check_options(options: &Node<'_>) -> Result<(), Mistake> {
    for host in options.fields("options", &["firstPartyHostnames"])?.items("firstPartyHostnames")? {
        let name = host.text("a host name")?;
        let plain = name.strip_prefix("*.").unwrap_or(name);
        if name.is_empty() || plain.contains(['/', ':', '*']) {
            return Err(host.mistake(Wrong::Form {
                must: "be a host name such as \"example.org\" or \"*.example.org\"",
            }));
        }
    }
    Ok(())
}

/// Values were rounded up on their way here, so a whole budget judges them as exact ones. A finer
/// one is rounded down: a value over budget never passes.
fn wire_units(max: f64, metric: Metric) -> u32 {
    let units = max * metric.wire_scale();
    // 0.29 · 10,000 is a hair under 2,900.
    let noise = units * 1e-12;
    (units + noise).floor() as u32
}

const RESOURCE_KINDS: [&str; 9] =
    ["total", "document", "script", "stylesheet", "image", "media", "font", "other", "third-party"];
