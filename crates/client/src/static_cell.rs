//! The state of the page: a static, because there is no heap.

use core::cell::UnsafeCell;

pub(crate) struct StaticCell<T>(UnsafeCell<T>);

impl<T> StaticCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[expect(
        unsafe_code,
        clippy::mut_from_ref,
        reason = "a RefCell's check and its panic would be bytes that nothing can reach"
    )]
    pub(crate) fn get(&self) -> &mut T {
        // SAFETY: only `handle` calls this, once per call, and nothing calls back into it, so no second
        // borrow begins while the first lives.
        unsafe { &mut *self.0.get() }
    }
}

#[expect(
    unsafe_code,
    reason = "a page has one thread, and a static is the only state that needs no allocator"
)]
// SAFETY: the module is instantiated on one thread, without shared memory.
unsafe impl<T> Sync for StaticCell<T> {}
