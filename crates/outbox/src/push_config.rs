//! The settings of a deployment that decide what is pushed, and where to.

use wire::UnixMillis;

use crate::config::{Sink, SinkConfigError, parse_signing_keys};
use crate::signature::SigningKey;
use wire::WindowSpan;

/// Sinks, keys and windows.
#[derive(Clone, Debug)]
pub struct PushConfig {
    /// The sinks.
    pub sinks: Vec<Sink>,
    /// The keys, the preferred one first.
    pub keys: Vec<SigningKey>,
    /// The length of the windows.
    pub span: WindowSpan,
    /// A moment of the first window; without it, the window of the first evaluation.
    pub first_window_at: Option<UnixMillis>,
}

impl PushConfig {
    /// Parses `BACKEND_HEALTH_URL`, `PUSH_KEYS`, `PUSH_EVERY` and `PUSH_SINCE`; a variable that is not set is
    /// empty.
    ///
    /// # Errors
    /// Names the variable and its valid values.
    pub fn from_variables(variable: impl Fn(&str) -> String) -> Result<Self, String> {
        let sinks = Sink::parse_list(&variable("BACKEND_HEALTH_URL"))
            .map_err(|error| format!("BACKEND_HEALTH_URL: {error}"))?;
        let keys = parse_signing_keys(&variable("PUSH_KEYS")).map_err(|error| error.to_string())?;
        if !sinks.is_empty() && keys.is_empty() {
            return Err(SinkConfigError::MissingKey.to_string());
        }
        let span = match variable("PUSH_EVERY").as_str() {
            "" | "hour" => WindowSpan::Hour,
            "minute" => WindowSpan::Minute,
            _ => return Err("PUSH_EVERY must be `minute` or `hour`".into()),
        };
        let first_window_at = match variable("PUSH_SINCE").as_str() {
            "" => None,
            since => Some(UnixMillis(since.parse().map_err(
                |_| "PUSH_SINCE must be milliseconds since the Unix epoch, within the first window to push",
            )?)),
        };
        Ok(Self { sinks, keys, span, first_window_at })
    }

    /// Returns the name under which a sink's documents are stored. Windows of another length are another queue.
    #[must_use]
    pub fn queue_name(&self, sink: &Sink) -> String {
        let span = match self.span {
            WindowSpan::Minute => "minute",
            WindowSpan::Hour => "hour",
            WindowSpan::Day => "day",
        };
        format!("{}/{span}", sink.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(variables: &[(&str, &str)]) -> Result<PushConfig, String> {
        PushConfig::from_variables(|name| {
            variables
                .iter()
                .find(|(own, _)| *own == name)
                .map(|(_, value)| (*value).to_owned())
                .unwrap_or_default()
        })
    }

    #[test]
    fn nothing_is_pushed_without_settings() {
        let config = parse(&[]).expect("valid");
        assert_eq!((config.sinks.len(), config.span, config.first_window_at), (0, WindowSpan::Hour, None));
    }

    #[test]
    fn a_sink_needs_a_key() {
        assert!(parse(&[("BACKEND_HEALTH_URL", "https://backend.example/push")]).is_err());
    }

    #[test]
    fn invalid_settings_name_their_variable() {
        for (name, value) in
            [("PUSH_EVERY", "day"), ("PUSH_SINCE", "noon"), ("BACKEND_HEALTH_URL", "no address")]
        {
            let error = parse(&[(name, value)]).expect_err("invalid");
            assert!(error.contains(name), "{error}");
        }
    }
}
