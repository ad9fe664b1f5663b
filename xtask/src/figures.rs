//! Figures: what was measured, against what, and whether the goal was met. Printed for people, or as
//! one JSON object so that others can hold us to it.

use serde_json::{Value, json};

use crate::screen;

/// One figure.
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
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
                figure.unit.to_owned(),
                format!("{:.3}", figure.ratio),
                figure.against.clone(),
                format!("{:.3}", figure.goal),
                if figure.met() { "met" } else { "NOT MET" }.to_owned(),
            ]
        })
        .collect();
    print!("{}", screen::table(&["name", "value", "unit", "ratio", "against", "goal", "met"], &rows));
}
