//! Turns at the cells of a shard. Reads, folds and roll-ups yield to beacons while they work, and each needs cells that
//! nobody else changes meanwhile, so one works and the others wait in line. Reads beyond a limit are refused.
//!
//! The platform may stop a caller without an end. Whoever shows no sign of life loses its turn or its place, and finds
//! out when it goes on.

use std::collections::VecDeque;

use wire::UnixMillis;

/// The line before the cells.
#[derive(Debug, Default)]
pub struct Turns {
    holder: Option<Place>,
    waiting: VecDeque<Place>,
    last_ticket: u64,
}

/// A place in the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// The work for which a turn is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// A read, which is refused if too many wait.
    Read,
    /// A fold or a roll-up, which is never refused.
    Maintenance,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    ticket: Ticket,
    seen_at: UnixMillis,
}

impl Turns {
    /// Joins the line; `None` if too many wait.
    pub fn join(&mut self, kind: TurnKind, now: UnixMillis) -> Option<Ticket> {
        self.forget_lost(now);
        if kind == TurnKind::Read && self.waiting.len() >= MAX_WAITING {
            return None;
        }
        self.last_ticket = self.last_ticket.wrapping_add(1);
        let ticket = Ticket(self.last_ticket);
        self.waiting.push_back(Place { ticket, seen_at: now });
        Some(ticket)
    }

    /// Starts the turn, if it is that of this ticket. A caller that waits calls it again at least once a second.
    pub fn try_start(&mut self, ticket: Ticket, now: UnixMillis) -> bool {
        match self.waiting.iter_mut().find(|place| place.ticket == ticket) {
            Some(place) => place.seen_at = now,
            None => self.waiting.push_back(Place { ticket, seen_at: now }),
        }
        self.forget_lost(now);
        if self.holder.is_some() || self.waiting.front().is_none_or(|place| place.ticket != ticket) {
            return false;
        }
        self.holder = self.waiting.pop_front();
        true
    }

    /// Notes that the turn goes on; returns false if it was lost.
    #[must_use]
    pub fn go_on(&mut self, ticket: Ticket, now: UnixMillis) -> bool {
        match &mut self.holder {
            Some(place) if place.ticket == ticket => {
                place.seen_at = now;
                true
            }
            _ => false,
        }
    }

    /// Ends a turn, or leaves the line.
    pub fn leave(&mut self, ticket: Ticket) {
        self.holder = self.holder.filter(|place| place.ticket != ticket);
        self.waiting.retain(|place| place.ticket != ticket);
    }

    fn forget_lost(&mut self, now: UnixMillis) {
        let is_alive = |place: &Place| now.saturating_sub(place.seen_at.0).0 < LOST_AFTER_MS;
        self.holder = self.holder.filter(is_alive);
        self.waiting.retain(is_alive);
    }
}

/// A read takes some milliseconds or some hundred; more would wait beyond the deadline of their callers.
const MAX_WAITING: usize = 32;
/// A slice takes some milliseconds, and an await of storage not much longer.
const LOST_AFTER_MS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn one_works_and_the_others_wait_in_line() {
        let mut turns = Turns::default();
        let [a, b, c] = [(); 3].map(|()| turns.join(TurnKind::Read, NOW).expect("a place"));
        assert!(!turns.try_start(b, NOW) && turns.try_start(a, NOW) && !turns.try_start(b, NOW));
        assert!(turns.go_on(a, NOW) && !turns.go_on(b, NOW));
        turns.leave(b);
        turns.leave(a);
        assert!(turns.try_start(c, NOW), "b has left the line");
    }

    #[test]
    fn reads_beyond_the_limit_are_refused_and_maintenance_is_not() {
        let mut turns = Turns::default();
        let first = turns.join(TurnKind::Read, NOW).expect("a place");
        assert!(turns.try_start(first, NOW));
        (0..MAX_WAITING).for_each(|_| assert!(turns.join(TurnKind::Read, NOW).is_some()));
        assert_eq!(turns.join(TurnKind::Read, NOW), None);
        assert!(turns.join(TurnKind::Maintenance, NOW).is_some());
    }

    #[test]
    fn whoever_shows_no_sign_of_life_loses_its_turn_and_its_place() {
        let mut turns = Turns::default();
        let [lost, absent, next] = [(); 3].map(|()| turns.join(TurnKind::Maintenance, NOW).expect("a place"));
        assert!(turns.try_start(lost, NOW));
        let soon = NOW.saturating_add(LOST_AFTER_MS - 1);
        assert!(!turns.try_start(next, soon), "the holder may still be at work");
        let later = NOW.saturating_add(LOST_AFTER_MS);
        assert!(turns.try_start(next, later), "the one before it is gone as well");
        assert!(!turns.go_on(lost, later) && turns.go_on(next, later));
        turns.leave(lost);
        assert!(turns.go_on(next, later), "a lost turn ends nothing");
        assert!(!turns.try_start(absent, later), "it waits again, at the end of the line");
        turns.leave(next);
        assert!(turns.try_start(absent, later));
    }
}
