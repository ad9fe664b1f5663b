//! Turns at the cells of this object: `ledger::Turns` decides, and callers wait with timers.

use std::cell::RefCell;
use std::time::Duration;

use ledger::{TurnId, TurnKind, TurnState, Turns};
use worker::{Delay, Error, Result};

use super::object::Shard;
use crate::clock::now;

/// The turn of a caller, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a RefCell<Turns>,
    id: TurnId,
}

impl Shard {
    /// Waits until nobody else works with the cells.
    pub(super) async fn take_turn(&self, kind: TurnKind) -> Result<Turn<'_>> {
        let id = self.turns.borrow_mut().join(kind, now());
        let too_many = || Error::RustError("too many reads wait for this shard".into());
        let turn = Turn { turns: &self.turns, id: id.ok_or_else(too_many)? };
        loop {
            let state = self.turns.borrow_mut().try_start(turn.id, now());
            match state {
                TurnState::Started => return Ok(turn),
                TurnState::Waits => Delay::from(Duration::from_millis(WAIT_MS)).await,
                TurnState::TooLate => return Err(too_many()),
            }
        }
    }
}

impl Turn<'_> {
    /// Lets events that wait, such as beacons, come first.
    pub(super) async fn pause(&self) -> Result<()> {
        yield_to_events().await;
        match self.turns.borrow_mut().go_on(self.id, now()) {
            true => Ok(()),
            false => Err(Error::RustError("work with the cells was interrupted for too long".into())),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.borrow_mut().leave(self.id, now());
    }
}

/// Lets events that wait come first.
pub(super) async fn yield_to_events() {
    Delay::from(Duration::ZERO).await;
}

const WAIT_MS: u64 = 5;
