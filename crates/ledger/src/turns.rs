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
    holder: Option<TurnTaker>,
    waiting: VecDeque<TurnTaker>,
    last_id: u64,
    /// The usual length of a turn.
    usual_ms: u64,
}

/// The number of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnId(u64);

/// The work for which a turn is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// A read, which is refused if too many wait.
    Read,
    /// A fold, a roll-up, or a read of the coordinator for itself, which is never refused.
    Maintenance,
}

/// The state of a turn that was not started before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnState {
    /// It has started.
    Started,
    /// Others are before it.
    Waits,
    /// It is a read that has waited for so long that its reply would be late.
    TooLate,
}

#[derive(Clone, Copy, Debug)]
struct TurnTaker {
    id: TurnId,
    kind: TurnKind,
    /// The time at which it joined the line, and then that at which its turn started.
    since: UnixMillis,
    seen_at: UnixMillis,
}

impl Turns {
    /// Joins the line; `None` for a read if so many wait that its reply would be late.
    pub fn join(&mut self, kind: TurnKind, now: UnixMillis) -> Option<TurnId> {
        self.forget_lost(now);
        let wait_ms = self.usual_ms.saturating_mul(self.waiting.len() as u64);
        if kind == TurnKind::Read && (self.waiting.len() >= MAX_WAITING || wait_ms > MAX_WAIT_MS) {
            return None;
        }
        self.last_id = self.last_id.wrapping_add(1);
        let id = TurnId(self.last_id);
        self.waiting.push_back(TurnTaker { id, kind, since: now, seen_at: now });
        Some(id)
    }

    /// Starts the turn, if it is the next. A caller that waits calls it again at least once a second.
    pub fn try_start(&mut self, id: TurnId, now: UnixMillis) -> TurnState {
        let Some(caller) = self.waiting.iter_mut().find(|caller| caller.id == id) else {
            return TurnState::TooLate;
        };
        caller.seen_at = now;
        if caller.kind == TurnKind::Read && now.saturating_sub(caller.since.0).0 > MAX_WAIT_MS {
            return TurnState::TooLate;
        }
        self.forget_lost(now);
        if self.holder.is_some() || self.waiting.front().is_none_or(|caller| caller.id != id) {
            return TurnState::Waits;
        }
        self.holder = self.waiting.pop_front().map(|caller| TurnTaker { since: now, ..caller });
        TurnState::Started
    }

    /// Notes that the turn goes on; returns false if it was lost.
    #[must_use]
    pub fn go_on(&mut self, id: TurnId, now: UnixMillis) -> bool {
        match &mut self.holder {
            Some(caller) if caller.id == id => {
                caller.seen_at = now;
                true
            }
            _ => false,
        }
    }

    /// Ends a turn, or leaves the line.
    pub fn leave(&mut self, id: TurnId, now: UnixMillis) {
        if let Some(TurnTaker { since, .. }) = self.holder.take_if(|caller| caller.id == id) {
            let length_ms = now.saturating_sub(since.0).0;
            self.usual_ms = self.usual_ms.saturating_mul(3).saturating_add(length_ms) / 4;
        }
        self.waiting.retain(|caller| caller.id != id);
    }

    fn forget_lost(&mut self, now: UnixMillis) {
        let is_alive = |caller: &TurnTaker| now.saturating_sub(caller.seen_at.0).0 < LOST_AFTER_MS;
        self.holder = self.holder.filter(is_alive);
        self.waiting.retain(is_alive);
    }
}

/// A read takes some milliseconds or some hundred; more would wait for too long.
const MAX_WAITING: usize = 32;
/// The callers of reads have a deadline of four seconds.
const MAX_WAIT_MS: u64 = 3_000;
/// A slice takes some milliseconds; only a machine that is overloaded delays one for longer.
const LOST_AFTER_MS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    fn join(turns: &mut Turns, kind: TurnKind) -> TurnId {
        turns.join(kind, NOW).expect("there is room")
    }

    #[test]
    fn one_works_and_the_others_wait_in_line() {
        let mut turns = Turns::default();
        let [a, b, c] = [(); 3].map(|()| join(&mut turns, TurnKind::Read));
        let states = [b, a, b].map(|id| turns.try_start(id, NOW));
        assert_eq!(states, [TurnState::Waits, TurnState::Started, TurnState::Waits]);
        assert!(turns.go_on(a, NOW) && !turns.go_on(b, NOW));
        turns.leave(b, NOW);
        turns.leave(a, NOW);
        assert_eq!(turns.try_start(c, NOW), TurnState::Started, "b has left the line");
    }

    #[test]
    fn reads_beyond_the_limits_are_refused_and_maintenance_is_not() {
        let mut turns = Turns::default();
        let first = join(&mut turns, TurnKind::Read);
        assert_eq!(turns.try_start(first, NOW), TurnState::Started);
        let waiting = [(); MAX_WAITING].map(|()| join(&mut turns, TurnKind::Read));
        assert_eq!(turns.join(TurnKind::Read, NOW), None);
        let maintenance = join(&mut turns, TurnKind::Maintenance);
        let late = NOW.saturating_add(MAX_WAIT_MS + 1);
        assert_eq!(turns.try_start(waiting[0], late), TurnState::TooLate);
        assert_eq!(turns.try_start(maintenance, late), TurnState::Waits);
        waiting.into_iter().chain([first]).for_each(|id| turns.leave(id, late));
        assert_eq!(turns.try_start(maintenance, late), TurnState::Started);
    }

    #[test]
    fn fewer_reads_wait_while_turns_are_long() {
        let mut turns = Turns::default();
        for turn in 0..20 {
            let id = join(&mut turns, TurnKind::Maintenance);
            let start = NOW.saturating_add(turn * 1_000);
            assert_eq!(turns.try_start(id, start), TurnState::Started);
            turns.leave(id, start.saturating_add(1_000));
        }
        let waiting = (0..MAX_WAITING).filter(|_| turns.join(TurnKind::Read, NOW).is_some());
        assert_eq!(waiting.count(), 4, "three seconds, of a second each, after the first");
    }

    #[test]
    fn whoever_shows_no_sign_of_life_loses_its_turn_and_its_place() {
        let mut turns = Turns::default();
        let [lost, absent, next] = [(); 3].map(|()| join(&mut turns, TurnKind::Maintenance));
        assert_eq!(turns.try_start(lost, NOW), TurnState::Started);
        let soon = NOW.saturating_add(LOST_AFTER_MS - 1);
        assert_eq!(turns.try_start(next, soon), TurnState::Waits, "the holder may still be at work");
        let later = NOW.saturating_add(LOST_AFTER_MS);
        assert_eq!(turns.try_start(next, later), TurnState::Started, "the one before it is gone as well");
        assert!(!turns.go_on(lost, later) && turns.go_on(next, later));
        turns.leave(lost, later);
        assert!(turns.go_on(next, later), "a lost turn ends nothing");
        assert_eq!(turns.try_start(absent, later), TurnState::TooLate, "it has no place any more");
    }
}
