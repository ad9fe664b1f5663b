//! The browser's wasm shell around `vitals`: one export that takes and returns numbers, so that nothing is
//! serialised, allocated or formatted. Objects, strings and network belong to the JavaScript in
//! `pkg/src`, every decision to `vitals`. There are two shells: one for callbacks, and one for pages that
//! only send beacons and so need neither changes nor entries.

#![cfg_attr(target_arch = "wasm32", no_std)]

#[cfg(not(feature = "reports"))]
mod beacons;
#[cfg(feature = "reports")]
mod callbacks;
#[cfg(target_arch = "wasm32")]
mod no_alloc;
mod static_cell;

#[cfg(not(feature = "reports"))]
pub use beacons::handle;
#[cfg(feature = "reports")]
pub use callbacks::handle;
