//! Settings of glibc's allocator, which assumes that a program's memory only grows. Other allocators are left
//! unchanged.

/// Size from which allocations are mapped individually, and returned to the system when they are freed. A page of a log
/// has several megabytes, which are unused between two tree heads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 512 * 1024;
/// Number of arenas. Each keeps its own free memory, and at most two threads allocate much.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Reduces the memory that the program holds beyond what it uses. Returns whether that succeeded.
///
/// The settings may only be changed while the process has one thread. With several threads, or if their number is
/// unknown, nothing is changed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn tune_allocator() -> bool {
    if !is_single_threaded() {
        return false;
    }
    // SAFETY: mallopt must not be called while another thread may allocate. This was just checked to be the only
    // thread, and no other can start before this function returns. Any value of these settings is allowed.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) == 1 && libc::mallopt(libc::M_ARENA_MAX, HEAPS) == 1
    }
}

/// Whether this is the only thread of the process; `false` if the system does not report it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Returns free memory to the system, on a thread of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    let trim = || {
        // SAFETY: malloc_trim may be called at any time and does not touch memory in use.
        #[allow(unsafe_code)]
        unsafe {
            libc::malloc_trim(0);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("give back".into()).spawn(trim) {
        log::debug!("cannot return free memory to the system: {error}");
    }
}

/// Not available on this platform.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn tune_allocator() -> bool {
    false
}

/// Not available on this platform.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}

#[cfg(test)]
mod tests {
    #[test]
    fn with_several_threads_the_allocator_is_left_alone() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || stopped.recv());
        assert!(!super::tune_allocator());
        drop(stop);
        assert!(other.join().is_ok());
    }
}
