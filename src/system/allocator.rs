//! What the system's allocator is told. glibc's is made for programs whose memory only grows; others are left to themselves.

/// Larger pieces are taken from the system one by one, and given back when they are freed: a page of a log has some
/// megabytes, and between two heads nobody needs them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 512 * 1024;
/// Heaps. Each keeps for itself what is free in it; the threads that allocate much are no more than two.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Makes the program take little more memory than it uses. Returns whether it could.
///
/// The settings may only be changed while there is one thread, so with several, or where nobody can tell, nothing is
/// changed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn tune_allocator() -> bool {
    if !is_single_threaded() {
        return false;
    }
    // SAFETY: mallopt is not to be called while another thread may allocate. This is the only thread, as was just seen, and
    // no other can start before this one goes on. Any value of these settings is allowed.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) == 1 && libc::mallopt(libc::M_ARENA_MAX, HEAPS) == 1
    }
}

/// Whether this thread is the only one of the process; `false` if the system does not say.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Gives back what is free, on a thread of its own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn give_back() {
    let trim = || {
        // SAFETY: may be called at any time, and touches nothing that is in use.
        #[allow(unsafe_code)]
        unsafe {
            libc::malloc_trim(0);
        }
    };
    if let Err(error) = std::thread::Builder::new().name("give back".into()).spawn(trim) {
        log::debug!("free memory is kept: {error}");
    }
}

/// Nothing here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn tune_allocator() -> bool {
    false
}

/// Nothing here.
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
