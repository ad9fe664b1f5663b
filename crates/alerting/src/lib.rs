//! Alerts: rules on observations, a state machine with incidents and silences, and the notifications of each
//! channel. The state machine takes observations and the time, and returns what to send and to store. The
//! limits are those of `report::signals`; reading, storing and sending are left to the shell.

pub mod alert_document;
mod alerts;
pub mod budget_observations;
pub mod health_history;
mod hourly_series;
mod incident;
mod observation;
mod open_alert;
mod outage;
mod silence;
mod subject;

pub mod channel;
pub mod inputs;
pub mod memory_trend;
pub mod notification;
pub mod schedule;

pub use alerts::{AlertEffect, AlertInput, AlertView, Alerts};
pub use incident::{Acknowledgement, Incident, IncidentEnd, IncidentRecord};
pub use observation::{AlertObservation, SampledValue, SignalReading};
pub use silence::Silence;
pub use subject::AlertSubject;
