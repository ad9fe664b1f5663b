//! Alerts: which observations are worth waking somebody for, and how people are told. A state machine takes
//! observations and the time, and returns what to send, to store, and when to look again. What good is, is
//! said in `report::signals`; asking, storing and sending are the shells'.

pub mod alert_document;
mod alerts;
pub mod health_history;
mod incident;
mod observation;
mod open_alert;
mod silence;
mod subject;

pub mod channel;
pub mod inputs;
pub mod notification;

pub use alerts::{AlertEffect, AlertInput, AlertView, Alerts};
pub use incident::{Acknowledgement, Incident, IncidentEnd, IncidentRecord};
pub use observation::{AlertObservation, SampledValue, SignalReading};
pub use silence::Silence;
pub use subject::AlertSubject;
