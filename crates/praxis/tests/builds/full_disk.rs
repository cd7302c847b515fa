//! A disk that is full, at any size, is an error that leaves a sound store.

use std::path::PathBuf;
use std::process::Command;

use crate::bench::{Bench, run};

/// A small file system, gone with this value.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf) -> Disk {
        std::fs::create_dir(&path).unwrap();
        let disk = Disk(path);
        disk.mount_with("size=64k,mode=0700");
        disk
    }

    fn resize(&self, size: &str) {
        self.mount_with(&format!("remount,size={size}"));
    }

    fn mount_with(&self, options: &str) {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options])
            .arg("praxis-test")
            .arg(&self.0);
        assert!(command.status().unwrap().success(), "mount {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

const DOCKERFILE: &str = "FROM base AS one\nRUN seq 1 200000 > /numbers\nFROM base\n\
    COPY --from=one /numbers /numbers\nCOPY file /file\nRUN sort -r /numbers > /reversed\n";

#[test]
fn every_size_that_is_too_small_is_said_and_leaves_a_sound_store() {
    if !praxis_testkit::is_root() {
        eprintln!("not tested: only root mounts a small disk");
        return;
    }
    let bench = Bench::with(DOCKERFILE);
    bench.write("file", &"content\n".repeat(50_000));
    let expected = bench.digest(&[]);
    let disk = Disk::mount(bench.path("small"));
    let mut failed = 0;
    // One store through all sizes: what a failed build left must not hurt the next.
    for kibibytes in (64..16_384).step_by(512) {
        disk.resize(&format!("{kibibytes}k"));
        let ended =
            run(bench.build_command("small/store", &["-o", "type=oci,dest=small/image.tar"], "context"));
        if ended.code == Some(0) {
            assert_eq!(ended.digest(), expected);
            break;
        }
        failed += 1;
        let error = ended.error(1);
        // A command that finds the disk full ends in its own way.
        let of_step = error.contains("exit code");
        let said = error.contains("No space left") && ended.says("try: the disk is full");
        assert!(said || of_step, "{kibibytes} KiB: {}", ended.stderr);
        assert!(!bench.path("small/image.tar").exists());
        let left = crate::bench::names(&bench.path("small"));
        assert!(left.iter().all(|name| name == "store"), "{left:?}");
        assert_eq!(crate::bench::names(&bench.path("small/store/tmp")), [""; 0]);
    }
    assert!(failed > 3, "the disk was never full");
    disk.resize("64m");
    assert_eq!(bench.digest_afresh("small/store", &[], "context"), expected);
    let mut verify = bench.praxis("small/store");
    verify.args(["store", "verify"]);
    let verified = run(verify);
    assert_eq!(verified.code, Some(0), "{}", crate::bench::text(&verified.stdout));
}
