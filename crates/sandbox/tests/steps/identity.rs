//! Who the command is and what it may do.

use praxis_sandbox::User;

use crate::fixture::{Fixture, in_user_namespace, succeed, try_run};
use crate::runner::Test;

pub const TESTS: &[Test] = &[
    ("row_66_the_environment_is_the_steps_alone", row_66),
    ("the_user_owns_standard_output", the_user_owns_standard_output),
    ("row_47_a_numeric_user_is_never_a_name", row_47),
    ("row_48_supplementary_groups_are_exactly_those_given", row_48),
    (
        "row_61_root_has_the_documented_capabilities_and_none_inheritable",
        row_61,
    ),
    ("other_users_have_no_capabilities", other_users_have_none),
    ("no_new_privileges_is_the_callers_choice", no_new_privileges),
    ("an_insecure_step_keeps_everything", insecure),
    ("users_can_be_changed_by_root", users_can_be_changed),
];

/// The canary is in the environment of the caller.
fn row_66() {
    // SAFETY: the test program has one thread here.
    unsafe { std::env::set_var("PRAXIS_CANARY", "host") };
    assert_eq!(
        succeed(&Fixture::new().shell(
            "env | grep -v -e ^SHLVL -e ^PWD -e ^PATH -e ^_=; cat /proc/1/environ | grep -c CANARY || true"
        )),
        "0\n"
    );
}

fn user(uid: u32, gid: u32, groups: &[u32]) -> User {
    User {
        uid,
        gid,
        groups: groups.to_vec(),
    }
}

fn the_user_owns_standard_output() {
    let mut step = Fixture::new().shell("echo one > /dev/stdout; echo two > /dev/stderr");
    let fixture = Fixture::new();
    step.root = fixture.shell("true").root;
    step.user = user(1000, 1000, &[]);
    let outcome = try_run(&step).expect("runs");
    assert_eq!(
        (outcome.stdout.as_str(), outcome.stderr.as_str()),
        ("one\n", "two\n")
    );
}

fn row_47() {
    let fixture = Fixture::new();
    std::fs::write(fixture.layer().join("etc/passwd"), "1000:x:0:0::/:/bin/sh\n").expect("passwd");
    let mut step = fixture.shell("id -u");
    step.user = user(1000, 1000, &[]);
    assert_eq!(succeed(&step), "1000\n");
}

fn row_48() {
    for (groups, expected) in [(&[][..], "7\n"), (&[7, 30, 40][..], "7 30 40\n")] {
        let fixture = Fixture::new();
        let mut step = fixture.shell("id -G");
        step.user = user(5, 7, groups);
        assert_eq!(succeed(&step), expected);
        let fixture = Fixture::new();
        let mut step = fixture.shell("grep ^Groups /proc/self/status");
        step.user = user(0, 0, groups);
        let listed: Vec<String> = groups.iter().map(u32::to_string).collect();
        assert_eq!(
            succeed(&step).trim_start_matches("Groups:").trim(),
            listed.join(" ")
        );
    }
}

fn sets(step: &praxis_sandbox::Step) -> Vec<String> {
    succeed(step)
        .lines()
        .map(|line| line.split('\t').nth(1).unwrap_or("").to_owned())
        .collect()
}

fn row_61() {
    let found = sets(&Fixture::new().shell("grep ^Cap /proc/self/status"));
    // chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service sys_chroot setfcap, and mknod for root
    let expected = if in_user_namespace() {
        "00000000800405fb"
    } else {
        "00000000880405fb"
    };
    let none = "0000000000000000";
    assert_eq!(found, [none, expected, expected, expected, none]);
}

fn other_users_have_none() {
    let mut step = Fixture::new().shell("grep ^Cap /proc/self/status");
    let fixture = Fixture::new();
    step.root = fixture.shell("true").root;
    step.user = user(1000, 1000, &[]);
    let found = sets(&step);
    let none = "0000000000000000";
    assert_eq!(
        (
            found[0].as_str(),
            found[1].as_str(),
            found[2].as_str(),
            found[4].as_str()
        ),
        (none, none, none, none)
    );
}

fn no_new_privileges() {
    for (wanted, expected) in [(true, "1"), (false, "0")] {
        let fixture = Fixture::new();
        let mut step = fixture.shell("grep -e ^NoNewPrivs -e ^Seccomp: /proc/self/status");
        step.no_new_privileges = wanted;
        assert_eq!(succeed(&step), format!("NoNewPrivs:\t{expected}\nSeccomp:\t2\n"));
    }
}

fn insecure() {
    let fixture = Fixture::new();
    let mut step =
        fixture.shell("mount -t tmpfs x /tmp && grep ^Seccomp: /proc/self/status; touch /tmp/inside");
    step.insecure = true;
    step.no_new_privileges = false;
    assert_eq!(succeed(&step), "Seccomp:\t0\n");
    assert_eq!(fixture.changes(), Vec::<String>::new());
}

fn users_can_be_changed() {
    let fixture = Fixture::new();
    std::fs::write(
        fixture.layer().join("etc/passwd"),
        "root:x:0:0::/:/bin/sh\n_apt:x:42:65534::/:/bin/sh\n",
    )
    .expect("passwd");
    std::fs::write(fixture.layer().join("etc/group"), "root:x:0:\nnogroup:x:65534:\n").expect("group");
    assert_eq!(
        succeed(&fixture.shell("su -s /bin/sh _apt -c 'id -u; id -G'")),
        "42\n65534\n"
    );
}
