//! The classes of device that budgets and series tell apart. How a visit's class is found out is
//! the edge's business.

/// What the visitor holds, as coarsely as a budget needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Device {
    /// A small touch screen and a slow processor: Lighthouse's mobile.
    Phone,
    /// A large touch screen.
    Tablet,
    /// Everything else.
    Desktop,
}

impl Device {
    /// Every class, in table order.
    pub const ALL: [Self; 3] = [Self::Phone, Self::Tablet, Self::Desktop];

    /// The name on the wire and in every table.
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
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|device| device.name() == name)
    }
}
