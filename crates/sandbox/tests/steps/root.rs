//! The root file system: layers, what stays in the upper directory, the command and its directory.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use praxis_sandbox::SandboxError;

use crate::fixture::{Fixture, PATH, in_user_namespace, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[(
    "a_step_runs_and_leaves_its_changes_only",
    a_step_runs_and_leaves_its_changes_only,
)];

fn a_step_runs_and_leaves_its_changes_only() {
    let fixture = Fixture::new();
    let output = succeed(
        &fixture
            .shell("echo hello > /file; cat /file; ls /dev/null /proc/self/status /sys/class > /dev/null"),
    );
    assert_eq!(output, "hello\n");
    assert_eq!(fixture.changes(), ["file"]);
    assert_eq!(
        fs::read_to_string(fixture.upper().join("file")).expect("file"),
        "hello\n"
    );
}
