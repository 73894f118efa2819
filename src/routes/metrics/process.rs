//! The metrics of the process, under Prometheus's standard names.

use super::families::{Families, Labels};
use std::fmt::Error;

/// The metrics of the process at one moment.
#[derive(Debug)]
pub(super) struct ProcessFigures {
    resident_bytes: f64,
    open_descriptors: f64,
    most_descriptors: Option<f64>,
    cpu_seconds: f64,
    start_time_seconds: f64,
}

#[cfg(target_os = "linux")]
impl ProcessFigures {
    /// Reads the values from the kernel (proc(5)); `None` if one is missing.
    pub(super) fn read() -> Option<Self> {
        use rustix::param::{clock_ticks_per_second, page_size};
        use rustix::process::{Resource, getrlimit};

        let pages: f64 = read("statm")?.split_whitespace().nth(1)?.parse().ok()?;
        // The program's name may contain any characters. It ends with the last parenthesis.
        let stat = read("stat")?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let second = clock_ticks_per_second() as f64;
        let system = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: f64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.parse().ok()?;
        Some(ProcessFigures {
            resident_bytes: pages * page_size() as f64,
            // Reading the folder opens one descriptor, which is not counted.
            open_descriptors: std::fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64,
            most_descriptors: getrlimit(Resource::Nofile).current.map(|most| most as f64),
            cpu_seconds: (ticks(14)? + ticks(15)?) / second,
            start_time_seconds: boot + ticks(22)? / second,
        })
    }

    pub(super) fn write(&self, families: &mut Families) -> Result<(), Error> {
        families.counter_of_seconds("process_cpu_seconds", "Processor time", self.cpu_seconds)?;
        for (name, help, value) in [
            ("process_resident_memory_bytes", "Resident memory", Some(self.resident_bytes)),
            ("process_open_fds", "Open file descriptors", Some(self.open_descriptors)),
            ("process_max_fds", "Maximum number of open file descriptors", self.most_descriptors),
            (
                "process_start_time_seconds",
                "Start time of the process, Unix time",
                Some(self.start_time_seconds),
            ),
        ] {
            families.gauge(name, help, value.map(|value| (Labels::new(), value)))?;
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn read(file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/self/{file}")).ok()
}

#[cfg(not(target_os = "linux"))]
impl ProcessFigures {
    /// Not available on this platform.
    pub(super) fn read() -> Option<Self> {
        None
    }

    pub(super) fn write(&self, _: &mut Families) -> Result<(), Error> {
        Ok(())
    }
}
