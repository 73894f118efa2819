//! Counts the memory in use, and ends the process when a limit is passed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes allocated and not freed.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
/// What [`IN_USE`] must not pass.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs `work`, which may have `bytes` of memory in use at a time beyond what is in use now.
///
/// A target runs on one thread, so nobody else's memory is counted.
pub fn limited<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LIMIT.store(IN_USE.load(Relaxed).saturating_add(bytes), Relaxed);
    let result = work();
    LIMIT.store(usize::MAX, Relaxed);
    result
}

/// The system's allocator, counted.
pub struct Meter;

#[global_allocator]
static METER: Meter = Meter;

impl Meter {
    fn count(&self, bytes: usize) {
        let in_use = IN_USE.fetch_add(bytes, Relaxed) + bytes;
        let limit = LIMIT.load(Relaxed);
        if in_use > limit {
            // The report needs memory too.
            LIMIT.store(usize::MAX, Relaxed);
            eprintln!("{bytes} bytes of memory more pass the limit by {}", in_use - limit);
            // No panic: an allocator must not unwind. The fuzzer keeps the input of an abort as well.
            std::process::abort();
        }
    }
}

// SAFETY: every call goes to `System` with the arguments as they came, and its answer is given back as
// it is, so that what `System` keeps of the trait's contract is kept here. Counting touches atomics
// only: it neither allocates (but for a report, with the limit lifted) nor unwinds, since the additions
// of `fetch_add` and `fetch_sub` wrap, and what is printed to is not locked by this thread.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: the caller's promise for this call is what `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from `System`, by one of these functions, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both blocks may be there for a moment.
        self.count(new_size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as for `dealloc`; `new_size` is as the caller promised.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
