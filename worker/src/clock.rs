//! The two impure numbers: the time, and randomness.

use wire::UnixMillis;
use worker::Date;
use worker::js_sys::Math;

/// Returns the time. It stands still while no I/O is done.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}

/// Returns a random seed, such as that by which the attempts of many sites are spread.
pub(crate) fn random_seed() -> u64 {
    (Math::random() * 9e15) as u64
}
