//! When a beacon is due: once for each view, and again only if something changed. What it looks
//! like and how it travels is the shell's business.

use crate::page::Output;
use crate::vital::Vital;

#[derive(Debug)]
pub(crate) struct Delivery {
    /// The sequence number of the next send for this view.
    seq: u32,
    due: bool,
}

impl Delivery {
    pub(crate) const NEW: Self = Self { seq: 0, due: true };

    /// The view is due if it was never sent, or if a value differs on the wire from what was sent.
    /// A view without any value is sent too: it was lost, and that is counted.
    pub(crate) fn due(&mut self, vitals: &mut [Vital]) -> Output {
        let mut due = self.due;
        for vital in vitals {
            if vital.beacon {
                let wire = vital.wire();
                due |= wire != vital.sent;
                vital.sent = wire;
            }
        }
        if !due {
            return Output::Nothing;
        }
        self.due = false;
        self.seq += 1;
        Output::Send(self.seq - 1)
    }

    /// The last send never left: its number is free again.
    pub(crate) fn revoked(&mut self) {
        self.seq = self.seq.saturating_sub(1);
        self.due = true;
    }
}
