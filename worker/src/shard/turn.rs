//! Turns at the cells of this object: `ledger::Turns` decides, and callers wait with timers.

use std::cell::RefCell;
use std::time::Duration;

use ledger::{Ticket, TurnKind, Turns};
use worker::{Delay, Error, Result};

use super::object::Shard;
use crate::clock::now;

/// The turn of a caller, which ends when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a RefCell<Turns>,
    ticket: Ticket,
}

impl Shard {
    /// Waits until nobody else works with the cells.
    pub(super) async fn take_turn(&self, kind: TurnKind) -> Result<Turn<'_>> {
        let ticket = self.turns.borrow_mut().join(kind, now());
        let ticket = ticket.ok_or_else(|| Error::RustError("too many reads wait for this shard".into()))?;
        let turn = Turn { turns: &self.turns, ticket };
        while !self.turns.borrow_mut().try_start(ticket, now()) {
            Delay::from(Duration::from_millis(WAIT_MS)).await;
        }
        Ok(turn)
    }
}

impl Turn<'_> {
    /// Lets events that wait, such as beacons, come first.
    pub(super) async fn pause(&self) -> Result<()> {
        Delay::from(Duration::ZERO).await;
        match self.turns.borrow_mut().go_on(self.ticket, now()) {
            true => Ok(()),
            false => Err(Error::RustError("work with the cells was interrupted for too long".into())),
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.borrow_mut().leave(self.ticket);
    }
}

const WAIT_MS: u64 = 5;
