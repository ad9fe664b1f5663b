//! When a beacon is due: once for each view, and again only if something changed. What it looks
//! like and how it travels is the shell's business.

/// What the beacons of this view have carried.
#[derive(Debug, Default)]
pub struct Delivery {
    /// The sequence number of the next send.
    seq: u32,
    /// What was sent last is still all there is.
    settled: bool,
}

impl Delivery {
    /// A view begins.
    pub const NEW: Self = Self { seq: 0, settled: false };

    /// A value differs from what was sent.
    #[inline(always)]
    pub fn changed(&mut self) {
        self.settled = false;
    }

    /// The sequence number to send with, if anything changed since the last send. A view without
    /// any value is sent once too: it was lost, and that is counted.
    #[inline(always)]
    pub fn due(&mut self) -> Option<u32> {
        if self.settled {
            return None;
        }
        self.settled = true;
        self.seq += 1;
        Some(self.seq - 1)
    }

    /// The last send was called back before it left: its number is free again.
    #[inline(always)]
    pub fn revoked(&mut self) {
        self.seq = self.seq.saturating_sub(1);
        self.settled = false;
    }
}
