//! Where memory comes from: jemalloc, which keeps sizes apart, so that what many clients took goes back to the system when they go
//! (ADR 21). Counted, so that `/metrics` shows that the request path allocates nothing.

use std::alloc::{GlobalAlloc, Layout};
use std::ffi::c_char;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tikv_jemallocator::Jemalloc;

#[global_allocator]
static ALLOCATOR: Counted = Counted(Jemalloc);

/// Allocations since the start, those that were made anew with another size included.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Unused pages go back after a second, by a thread of the allocator's own: without it only a thread that still allocates gives back.
#[expect(unsafe_code, reason = "jemalloc reads a symbol of this name")]
// SAFETY: nothing else has that name, and it is what jemalloc declares: a pointer to a string that ends with NUL.
#[unsafe(export_name = "_rjem_malloc_conf")]
static CONFIGURATION: Option<&'static c_char> =
    Some(text(c"background_thread:true,max_background_threads:1,dirty_decay_ms:1000,muzzy_decay_ms:0"));

struct Counted(Jemalloc);

/// How many allocations there were in this process.
pub(crate) fn allocations() -> u64 {
    ALLOCATIONS.load(Relaxed)
}

#[expect(unsafe_code, reason = "allocators are")]
// SAFETY: each goes to jemalloc as it came; counting touches nothing that is allocated.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { self.0.realloc(at, layout, size) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.0.dealloc(at, layout) }
    }
}

#[expect(unsafe_code, reason = "a reference is as thin as C's pointer")]
const fn text(text: &'static std::ffi::CStr) -> &'static c_char {
    // SAFETY: it points to the first byte of a string, which is there as long as the program.
    unsafe { &*text.as_ptr() }
}
