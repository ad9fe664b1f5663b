//! The device class, by which budgets and tables are split. It is derived at the edge from the user agent, which is
//! not stored.

/// A device class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "documents",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Device {
    /// A phone.
    Phone,
    /// A tablet.
    Tablet,
    /// Any other device.
    Desktop,
}

impl Device {
    /// Every class, in table order.
    pub const ALL: [Self; 3] = [Self::Phone, Self::Tablet, Self::Desktop];

    /// The name in budgets and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tablet => "tablet",
            Self::Desktop => "desktop",
        }
    }

    /// Returns the class of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }

    /// Returns the class of a browser by its `User-Agent`; `Sec-CH-UA-Mobile: ?1` marks a phone where the agent string
    /// is frozen.
    #[must_use]
    pub fn from_user_agent(agent: &str, mobile_hint: Option<&str>) -> Self {
        let has = |token: &str| agent.contains(token);
        if has("iPad") || has("Tablet") || (has("Android") && !has("Mobile")) {
            Self::Tablet
        } else if has("Mobi") || has("iPhone") || mobile_hint == Some("?1") {
            Self::Phone
        } else {
            Self::Desktop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Device;

    #[test]
    fn user_agents_map_to_device_classes() {
        for (agent, hint, device) in [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148", None, Device::Phone),
            (
                "Mozilla/5.0 (Linux; Android 10; K) Chrome/156.0.0.0 Mobile Safari/537.36",
                Some("?1"),
                Device::Phone,
            ),
            ("Mozilla/5.0 (Linux; Android 10; K) Chrome/156.0.0.0 Safari/537.36", Some("?0"), Device::Tablet),
            ("Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) Mobile/15E148", None, Device::Tablet),
            ("Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0 Safari/537.36", Some("?0"), Device::Desktop),
            ("", None, Device::Desktop),
        ] {
            assert_eq!(Device::from_user_agent(agent, hint), device, "{agent}");
        }
    }
}
