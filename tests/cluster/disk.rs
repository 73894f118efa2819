//! The disk of the engine is full.

use crate::cluster::{Cluster, Options};
use crate::engine::EngineOptions;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// A file system in memory. Unmounted when dropped.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// A disk of 32 MiB. `None` if this user may not mount one, after saying so.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(dir.path()).output();
        let output = mount.expect("mount(8)");
        if output.status.success() {
            return Some(SmallDisk(dir));
        }
        eprintln!("SKIPPED: {}", String::from_utf8_lossy(&output.stderr).trim());
        None
    }

    /// Writes a file that takes up the rest of the disk.
    fn fill(&self) {
        let mut zeros = std::fs::File::open("/dev/zero").expect("zeros");
        let mut rest = std::fs::File::create(self.rest()).expect("a file");
        std::io::copy(&mut zeros, &mut rest).expect_err("no room is left");
    }

    fn make_room(&self) {
        std::fs::remove_file(self.rest()).expect("it can be removed");
    }

    fn rest(&self) -> std::path::PathBuf {
        self.0.path().join("rest")
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process that was just killed may still have a file open.
        let status = Command::new("umount").arg("--lazy").arg(self.path()).status();
        assert!(status.expect("umount(8)").success() || std::thread::panicking());
    }
}

/// The engine does not acknowledge, so the logs wait. It has to be restarted once there is room.
#[actix_web::test]
async fn a_full_disk_of_the_engine_holds_the_logs_up_and_nothing_is_lost() {
    let Some(disk) = SmallDisk::mount() else { return };
    let engine = EngineOptions {
        store: Some(disk.path().join("store")),
        max_file_store: Some(1 << 30),
        ..EngineOptions::default()
    };
    let Some(mut cluster) = Cluster::start(Options { engine, ..Options::default() }).await else { return };
    let clients = cluster.clients(3, 15);
    cluster.logs.grow(80.0);
    clients.wait_for_entries(200).await;
    disk.fill();
    cluster.story.tell("the disk of the engine is full");
    cluster.ingesters[0].process.wait_for_log(&["a block cannot be appended", "nothing is lost"]).await;
    // A block that is in the stream may still be on its way.
    sleep(Duration::from_secs(1)).await;
    let before: Vec<u64> = clients.received().map(|received| received.entries).collect();
    sleep(Duration::from_secs(2)).await;
    let after: Vec<u64> = clients.received().map(|received| received.entries).collect();
    assert_eq!(before, after, "no client hears of what is not in the stream");
    clients.measure_pauses();
    cluster.engine.restart_with(|_| disk.make_room()).await;
    cluster.story.tell("the disk of the engine has room again");
    clients.wait_for_more_entries(100).await;
    println!(
        "the engine was restarted with room on its disk: a log pauses for {:?}",
        clients.longest_pause()
    );
    cluster.finish(clients).await;
}
