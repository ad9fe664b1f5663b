//! Figures: what was measured, against what, and whether the goal was met. Printed for people, or as
//! one JSON object so that others can hold us to it.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::screen;

/// One figure.
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: String,
    /// The value against the peer or limit, as a share.
    pub ratio: f64,
    /// The peer or limit.
    pub against: String,
    /// The most that the ratio may be.
    pub goal: f64,
}

impl Figure {
    /// Whether the goal was met.
    pub fn met(&self) -> bool {
        self.ratio <= self.goal
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name, "value": self.value, "unit": self.unit, "ratio": self.ratio,
            "against": self.against, "goal": self.goal, "met": self.met(),
        })
    }
}

/// Reads the figures that a driver printed, whatever it said before.
pub fn read(text: &str) -> Result<Vec<Figure>> {
    let start = text.find("\"figures\"").and_then(|key| text[..key].rfind('{'));
    let start = start.context("there is no {\"figures\": …}")?;
    let document: Value = serde_json::from_str(&text[start..])?;
    let all = document["figures"].as_array().context("`figures` is no list")?;
    let figure = |figure: &Value| {
        let word = |key: &str| figure[key].as_str().map(str::to_owned).with_context(|| format!("no {key}"));
        let number = |key: &str| figure[key].as_f64().with_context(|| format!("no {key}"));
        Ok(Figure {
            name: word("name")?,
            value: number("value")?,
            unit: word("unit")?,
            ratio: number("ratio")?,
            against: word("against")?,
            goal: number("goal")?,
        })
    };
    all.iter().map(figure).collect()
}

/// Prints figures in the form asked for.
pub fn print(figures: &[Figure], as_json: bool) {
    if as_json {
        let all: Vec<Value> = figures.iter().map(Figure::json).collect();
        println!("{}", json!({ "figures": all }));
        return;
    }
    let rows: Vec<Vec<String>> = figures
        .iter()
        .map(|figure| {
            vec![
                figure.name.clone(),
                format!("{}", (figure.value * 1000.0).round() / 1000.0),
                figure.unit.clone(),
                format!("{:.3}", figure.ratio),
                figure.against.clone(),
                format!("{:.3}", figure.goal),
                if figure.met() { "met" } else { "NOT MET" }.to_owned(),
            ]
        })
        .collect();
    print!("{}", screen::table(&["name", "value", "unit", "ratio", "against", "goal", "met"], &rows));
}
