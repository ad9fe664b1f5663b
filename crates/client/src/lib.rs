//! The browser's shell around the machine: one export that takes and returns numbers, so that
//! nothing is serialised, allocated or formatted on the way. The page's objects, strings and
//! network belong to the JavaScript beside it (`pkg/src`), every decision to `vitals`. There are two
//! of it: for callbacks, and for pages that only send beacons and so need neither changes nor entries.

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
