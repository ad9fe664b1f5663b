//! The impure numbers: the time, and randomness.

use wire::UnixMillis;
use worker::Date;
use worker::js_sys::{Function, Math, Reflect, Uint8Array, global};
use worker::wasm_bindgen::JsCast;

/// Returns the time. It stands still while no I/O is done.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(Date::now().as_millis())
}

/// Returns random bytes that nobody can guess.
pub(crate) fn random_bytes() -> worker::Result<[u8; 32]> {
    let crypto = Reflect::get(&global(), &"crypto".into())?;
    let fill: Function = Reflect::get(&crypto, &"getRandomValues".into())?.dyn_into()?;
    let array = Uint8Array::new_with_length(32);
    fill.call1(&crypto, &array)?;
    let mut bytes = [0; 32];
    array.copy_to(&mut bytes);
    Ok(bytes)
}

/// Returns a random seed, such as that by which the attempts of many sites are spread.
pub(crate) fn random_seed() -> u64 {
    (Math::random() * 9e15) as u64
}
