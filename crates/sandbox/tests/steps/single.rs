//! A user namespace with one id: what works, and what says precisely why it does not.

use praxis_sandbox::{Mount, User};

use crate::fixture::{Fixture, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("a_step_runs", a_step_runs),
    ("dropping_groups_succeeds_without_effect", dropping_groups),
    ("another_user_is_refused_with_the_remedy", another_user),
    ("a_file_of_another_user_is_refused", a_file_of_another_user),
];

fn a_step_runs() {
    let fixture = Fixture::new();
    assert_eq!(
        succeed(&fixture.shell("id -u; touch /file; cat /etc/hosts")),
        "0\n127.0.0.1 localhost\n"
    );
    assert_eq!(fixture.changes(), ["file"]);
}

fn dropping_groups() {
    let fixture = Fixture::new();
    std::fs::write(fixture.layer().join("etc/passwd"), "root:x:0:0::/:/bin/sh\n").expect("passwd");
    std::fs::write(fixture.layer().join("etc/group"), "root:x:0:\n").expect("group");
    assert_eq!(succeed(&fixture.shell("su -s /bin/sh root -c 'id -u'")), "0\n");
}

fn another_user() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.user = User {
        uid: 1000,
        gid: 1000,
        groups: Vec::new(),
    };
    let error = try_run(&step).expect_err("no such id here");
    assert!(
        error.to_string().contains("1000") && error.to_string().contains("mapped"),
        "{error}"
    );
}

fn a_file_of_another_user() {
    let fixture = Fixture::new();
    let mut step = fixture.shell("true");
    step.mounts = vec![Mount::File {
        content: Vec::new(),
        target: "/key".into(),
        mode: 0o400,
        uid: 7,
        gid: 7,
    }];
    let error = try_run(&step).expect_err("no such id here");
    assert!(
        error.to_string().contains("/key") && error.to_string().contains("7:7"),
        "{error}"
    );
}
