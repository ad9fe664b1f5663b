//! Replacements for the parts of the standard library that the client does without: the heap and panic
//! messages.

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

struct NoAllocator;

#[expect(unsafe_code, reason = "the allocator's interface is unsafe; there is nothing to allocate")]
// SAFETY: a null pointer is how an allocator refuses.
unsafe impl GlobalAlloc for NoAllocator {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        core::ptr::null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: NoAllocator = NoAllocator;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
