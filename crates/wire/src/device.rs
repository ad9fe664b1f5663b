//! The device class: what budgets and tables are split by. Derived at the edge from what the browser
//! says of itself; what it said is then forgotten.

/// A class of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "documents",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Device {
    /// Held in a hand.
    Phone,
    /// A larger touch screen.
    Tablet,
    /// Everything else.
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

    /// The class of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }

    /// The class of a browser by its `User-Agent`; `Sec-CH-UA-Mobile: ?1` says phone where the agent
    /// string is frozen.
    #[must_use]
    pub fn from_user_agent(agent: &str, mobile_hint: Option<&str>) -> Self {
        let says = |word: &str| agent.contains(word);
        if says("iPad") || says("Tablet") || (says("Android") && !says("Mobile")) {
            Self::Tablet
        } else if says("Mobi") || says("iPhone") || mobile_hint == Some("?1") {
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
