//! Measurements, each as a ratio to a peer or limit. Benchmark drivers print them as JSON, and these
//! commands print them as a table or as JSON again.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A measured value and its ratio to a reference.
#[derive(Deserialize, Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) ratio: f64,
    /// The peer or limit that the ratio refers to.
    #[serde(rename = "against")]
    pub(crate) reference: String,
    #[serde(rename = "goal")]
    pub(crate) max_ratio: f64,
}

#[derive(Deserialize)]
struct Report {
    figures: Vec<Measurement>,
}

/// A printed measurement.
#[derive(Serialize)]
struct Row<'a> {
    #[serde(flatten)]
    measurement: &'a Measurement,
    met: bool,
}

impl Measurement {
    pub(crate) fn meets_goal(&self) -> bool {
        self.ratio <= self.max_ratio
    }
}

/// Parses the `{"figures": …}` at the end of a driver's output; any text may precede it.
pub(crate) fn parse(output: &str) -> Result<Vec<Measurement>> {
    let (before, _) = output.split_once("\"figures\"").context("the output holds no {\"figures\": …}")?;
    let start = before.rfind('{').context("`figures` is not the key of an object")?;
    let document = output.get(start..).unwrap_or_default();
    let report: Report = serde_json::from_str(document).context("the report is not as expected")?;
    Ok(report.figures)
}

/// Prints measurements as a table or as one JSON object.
pub(crate) fn print(measurements: &[Measurement], as_json: bool) -> Result<()> {
    if as_json {
        let rows = measurements.iter();
        let figures: Vec<Row> =
            rows.map(|measurement| Row { measurement, met: measurement.meets_goal() }).collect();
        println!("{}", json!({ "figures": figures }));
        return Ok(());
    }
    let width = |text: fn(&Measurement) -> &str| {
        measurements.iter().map(|measurement| text(measurement).chars().count()).max().unwrap_or_default()
    };
    let (names, references) = (width(|m| &m.name), width(|m| &m.reference));
    println!(
        "  {:names$}  {:>12} {:9} {:>7}  {:references$}  {:>6}",
        "name", "value", "unit", "ratio", "against", "goal"
    );
    for measurement in measurements {
        let Measurement { name, value, unit, ratio, reference, max_ratio } = measurement;
        let value = (value * 1000.0).round() / 1000.0;
        let verdict = if measurement.meets_goal() { "met" } else { "NOT MET" };
        println!(
            "  {name:names$}  {value:>12} {unit:9} {ratio:>7.3}  {reference:references$}  {max_ratio:>6.3}  {verdict}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_parsed_after_other_output() {
        let text = r#"noise
            {"figures": [{"name": "n", "value": 2.5, "unit": "ms", "ratio": 0.5, "against": "peer", "goal": 1.0, "met": true}]}"#;
        let measurements = parse(text).expect("a report");
        assert!(matches!(measurements.as_slice(), [only] if only.meets_goal() && only.reference == "peer"));
        assert!(parse("no report").is_err());
    }
}
