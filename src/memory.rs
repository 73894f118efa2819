//! What the system's allocator is told. glibc's is made for programs whose memory only grows; others are left to themselves.

/// Larger pieces are taken from the system one by one, and given back when they are freed: a page of a log has some
/// megabytes, and between two heads nobody needs them.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 512 * 1024;
/// Heaps. Each keeps for itself what is free in it; the threads that allocate much are no more than two.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const HEAPS: libc::c_int = 2;

/// Makes the program take little more memory than it uses. To be called before there are threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn be_frugal() {
    // SAFETY: these are settings of the allocator, which knows no wrong values of them, and there is one thread.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_ARENA_MAX, HEAPS);
    }
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
pub fn be_frugal() {}

/// Nothing here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back() {}
