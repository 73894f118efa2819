//! Counts the memory in use, and aborts the process if it exceeds a limit.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Number of bytes that are allocated and not freed.
static IN_USE: AtomicUsize = AtomicUsize::new(0);
/// Maximum of [`IN_USE`].
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs `work` with a limit of `bytes` on its memory, in addition to the memory that is already in use.
///
/// A fuzz target runs on one thread, so no other thread's memory is counted.
pub fn limited<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LIMIT.store(IN_USE.load(Relaxed).saturating_add(bytes), Relaxed);
    let result = work();
    LIMIT.store(usize::MAX, Relaxed);
    result
}

/// The system's allocator with a counter.
pub struct Meter;

#[global_allocator]
static METER: Meter = Meter;

impl Meter {
    fn count(&self, bytes: usize) {
        let in_use = IN_USE.fetch_add(bytes, Relaxed) + bytes;
        let limit = LIMIT.load(Relaxed);
        if in_use > limit {
            // The report needs memory too, so this removes the limit.
            LIMIT.store(usize::MAX, Relaxed);
            eprintln!("{bytes} bytes of memory more pass the limit by {}", in_use - limit);
            // Not a panic, because an allocator must not unwind. The fuzzer saves the input of an abort as
            // well.
            std::process::abort();
        }
    }
}

// SAFETY: every call passes its arguments unchanged to `System` and returns its result unchanged, so the
// contract of the trait holds as it does for `System`. Counting uses only atomics. It does not allocate
// (except for a report, after the limit is removed). It does not unwind, because `fetch_add` and `fetch_sub`
// wrap, and because this thread does not hold the lock of the output.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: the caller guarantees the requirements of this call, and `System` has the same ones.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the pointer came from `System` through one of these functions, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both blocks may exist at the same time.
        self.count(new_size);
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as for `dealloc`; the caller guarantees that `new_size` is valid.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}
