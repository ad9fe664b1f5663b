//! Files that repeat the metric table, held to it: the client's constants, the npm package's types and
//! the schema of a beacon.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panic")]

mod generated;

use std::fmt::Write as _;

use generated::{check_generated, path};
use wire::beacon::{LossReason, Navigation, Network};
use wire::{Metric, Rating, Thresholds};

const TABLE: &str = "crates/wire/src/metric.rs";
const NAMES: &str = "crates/wire/src/beacon.rs";

#[test]
fn the_client_s_constants_are_those_of_the_table() {
    let mut text = "/**
 * The metric table. Generated from `crates/wire/src/metric.rs`; to write it anew, run
 * `UPDATE_GENERATED=1 cargo test -p wire --test metric_table`.
 * @module
 */

/** The metrics, by their index in the table. */
"
    .to_owned();
    for metric in Metric::ALL {
        writeln!(text, "export const {} = {};", metric.name(), metric as u8).unwrap();
    }
    writeln!(text, "\n/** The number of metrics. */\nexport const METRIC_COUNT = {};", Metric::ALL.len())
        .unwrap();
    let names = quoted(Metric::ALL.map(Metric::name), ", ");
    writeln!(text, "\nexport const METRIC_NAMES = /** @type {{const}} */ ([{names}]);").unwrap();
    let types = quoted(Metric::ALL.into_iter().filter_map(Metric::entry_type), ", ");
    text.push_str("\n/** The types of the entries that report the metrics. TTFB has none. */\n");
    writeln!(text, "export const ENTRY_TYPES = [{types}];").unwrap();
    let ratings = quoted(Rating::ALL.map(Rating::name), ", ");
    writeln!(text, "\nexport const RATINGS = /** @type {{const}} */ ([{ratings}]);").unwrap();
    text.push_str("\n/** Wire units per unit of CLS; every other metric is sent in milliseconds. */\n");
    writeln!(text, "export const CLS_WIRE_SCALE = {};", Metric::Cls.wire_scale()).unwrap();
    check_generated("pkg/src/metrics.js", TABLE, &text);
}

#[test]
fn the_thresholds_of_the_npm_package_are_those_of_the_table() {
    let mut text = "/**
 * The largest value of each metric that is good, and the largest that is not poor. Generated from
 * `crates/wire/src/metric.rs`; to write it anew, run `UPDATE_GENERATED=1 cargo test -p wire --test metric_table`.
 * @module
 */
"
    .to_owned();
    for metric in Metric::ALL {
        let Thresholds { good, poor } = metric.thresholds();
        let name = metric.name();
        writeln!(text, "export const {name}Thresholds = [{good}, {poor}];").unwrap();
    }
    check_generated("pkg/frontend/thresholds.js", TABLE, &text);
}

#[test]
fn only_cls_is_scaled_on_the_wire() {
    for metric in Metric::ALL {
        assert_eq!(metric.wire_scale() == 1.0, metric != Metric::Cls, "{}", metric.name());
    }
}

#[test]
fn a_metric_is_at_its_index() {
    for (index, metric) in Metric::ALL.into_iter().enumerate() {
        assert_eq!((metric as usize, Metric::from_index(index)), (index, Some(metric)));
    }
    assert_eq!(Metric::from_index(Metric::ALL.len()), None);
}

#[test]
fn the_schema_of_a_beacon_has_the_metrics_and_names_of_the_tables() {
    let properties = Metric::ALL.map(|metric| {
        let schema = match metric.wire_scale() {
            1.0 => r##"{ "$ref": "#/$defs/millis" }"##,
            _ => r#"{ "type": "integer", "minimum": 0, "maximum": 100000, "description": "In ten-thousandths." }"#,
        };
        format!("\n        \"{}\": {schema}", metric.name())
    });
    let start = "\"description\": \"What was measured. What is absent is unknown, never 0.\",\n      \"properties\": {";
    check_region("crates/wire/beacon.schema.json", TABLE, start, "\n      },", &properties.join(","));
    let navigations = quoted(Navigation::ALL.iter().map(|navigation| navigation.name()), ", ");
    check_region("crates/wire/beacon.schema.json", NAMES, "\"nav\": { \"enum\": [", "] }", &navigations);
    let networks = quoted(Network::ALL.iter().map(|network| network.name()), ", ");
    check_region("crates/wire/beacon.schema.json", NAMES, "\"net\": { \"enum\": [", ", null]", &networks);
    let reasons = quoted(LossReason::ALL.iter().map(|reason| reason.name()), ", ");
    check_region("crates/wire/beacon.schema.json", NAMES, "\"lost\": { \"enum\": [", ", null]", &reasons);
}

#[test]
fn the_types_of_the_npm_package_have_the_names_of_the_table() {
    let types = "pkg/types/index.d.ts";
    let mut names = Metric::ALL.map(Metric::name);
    names.sort_unstable();
    check_region(types, TABLE, "in 2024. */\nexport type MetricName = ", ";", &quoted(names, " | "));
    check_region(types, TABLE, "\n  rating: ", ";", &quoted(Rating::ALL.map(Rating::name), " | "));
    let navigations = Navigation::ALL.iter().filter(|navigation| **navigation != Navigation::View);
    let navigations = quoted(navigations.map(|navigation| navigation.name()), "\n    | ");
    check_region(types, NAMES, "\n  navigationType:\n    | ", ";", &navigations);
    let reasons = quoted(LossReason::ALL.iter().map(|reason| reason.name()), " | ");
    check_region(types, NAMES, "\n  lost?: ", ";", &reasons);
}

/// Files that list the metrics by hand, with the text that each must have for a metric. `{NAME}` is the
/// metric's name, `{name}` the same in lower case.
const MENTIONS: [(&str, &str); 11] = [
    ("README.md", "{NAME}"),
    ("docs/monitoring.md", "{name}"),
    ("monitoring/grafana/web-vitals.json", "web_vitals_{name}"),
    ("pkg/src/index.js", "export const on{NAME} = "),
    ("pkg/src/index-attribution.js", "export const on{NAME} = "),
    ("pkg/src/callback_observer.js", "{NAME}"),
    ("pkg/types/index.d.ts", "export interface {NAME}Metric "),
    ("pkg/types/index.d.ts", "export function on{NAME}("),
    ("pkg/types/attribution.d.ts", "on{NAME}"),
    ("pkg/frontend/development.js", "\"{NAME}\""),
    ("www/dashboard/format.js", "\n  {NAME}: \""),
];

#[test]
fn every_file_that_lists_the_metrics_has_each() {
    let mut missing = Vec::new();
    for (file, mention) in MENTIONS {
        let text = std::fs::read_to_string(path(file)).unwrap();
        for name in Metric::ALL.map(Metric::name) {
            let mention = mention.replace("{NAME}", name).replace("{name}", &name.to_lowercase());
            if !text.contains(&mention) {
                missing.push(format!("{file} lacks {mention:?}"));
            }
        }
    }
    assert!(missing.is_empty(), "{TABLE} has metrics that other files lack: {missing:#?}");
}

#[test]
fn errors_that_list_the_metrics_have_each() {
    let names = Metric::ALL.map(Metric::name);
    let (last, others) = names.split_last().unwrap();
    let others = others.join(", ");
    let lists = [("crates/wire/src/beacon.rs", "and"), ("crates/report/src/query_parameters.rs", "or")];
    for (file, conjunction) in lists {
        let list = format!("{others} {conjunction} {last}\"");
        let text = std::fs::read_to_string(path(file)).unwrap();
        assert!(text.contains(&list), "{file}: the error for an unknown metric must say {list}");
    }
}

/// Checks the region of a file between the first `start` and the next `end`.
#[track_caller]
fn check_region(file: &str, table: &str, start: &str, end: &str, expected: &str) {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let (before, rest) = text.split_once(start).unwrap_or_else(|| panic!("{file}: no {start:?}"));
    let (_, after) = rest.split_once(end).unwrap_or_else(|| panic!("{file}: no {end:?} after {start:?}"));
    check_generated(file, table, &format!("{before}{start}{expected}{end}{after}"));
}

fn quoted<'a>(words: impl IntoIterator<Item = &'a str>, separator: &str) -> String {
    words.into_iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(separator)
}
