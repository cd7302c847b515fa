//! What a caller grants to RUN steps and what they have without asking.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::bench::{Bench, run};

#[test]
fn row_37_entitlements_are_refused_until_they_are_granted() {
    for (step, name) in [
        ("RUN --security=insecure true", "security.insecure"),
        ("RUN --network=host true", "network.host"),
    ] {
        let bench = Bench::with(&format!("FROM base\nRUN echo one\n{step}\n"));
        let refused = bench.build(&[]).error(1);
        assert!(
            refused.contains(&format!("Dockerfile:3:5: {name} is not allowed")),
            "{refused}"
        );
        bench.build(&["--allow", name]).digest();
    }
    let bench = Bench::with("FROM base\nRUN --network=host true\n");
    bench.build(&["--network", "host"]).digest();
}

#[test]
fn an_insecure_step_has_every_capability_that_the_caller_has() {
    let bench = Bench::with(
        "FROM base\nRUN grep CapEff /proc/self/status > /usual\n\
         RUN --security=insecure grep CapEff /proc/self/status > /insecure\nRUN ! cmp -s /usual /insecure\n",
    );
    bench.build(&["--allow", "security.insecure"]).digest();
}

#[test]
fn limits_and_shared_memory_are_those_that_were_asked_for() {
    let bench = Bench::with(
        "FROM base\nRUN test \"$(ulimit -Sn)\" = 99 && test \"$(ulimit -Hn)\" = 100\n\
         RUN test \"$(df -k /dev/shm | tail -n 1 | awk '{print $2}')\" = 5120\n",
    );
    let first = bench.build(&["--ulimit", "nofile=99:100", "--shm-size", "5m"]);
    first.digest();
    assert!(bench.build(&[]).error(1).contains("did not complete"));
    assert!(bench.build(&["--ulimit", "files=1"]).says("files is no resource"));
}

#[test]
fn host_names_and_cache_name_spaces_are_build_arguments() {
    let bench = Bench::with(
        "FROM base\nRUN --mount=type=cache,target=/c hostname >> /c/names && cp /c/names /names\n\
         RUN test \"$(hostname)\" = \"$(tail -n 1 /names)\" && grep -q \"$(hostname)\" /etc/hosts\n\
         RUN test $(wc -l < /names) = 1\n",
    );
    let named = |host: &str, space: &str| {
        let (host, space) = (
            format!("BUILDKIT_SANDBOX_HOSTNAME={host}"),
            format!("BUILDKIT_CACHE_MOUNT_NS={space}"),
        );
        bench.build(&["--build-arg", &host, "--build-arg", &space])
    };
    let first = named("one", "a").digest();
    assert_ne!(named("two", "b").digest(), first);
    named("three", "a").error(1);
}

#[test]
fn keys_are_there_for_steps_that_mount_them_and_for_no_others() {
    let bench = Bench::with(
        "FROM base\nRUN --mount=type=ssh,id=k,mode=0660,gid=7,target=/agent \
         test -S /agent && test \"$SSH_AUTH_SOCK\" = /agent && test \"$(stat -c %a:%u:%g /agent)\" = 660:0:7\n\
         RUN --mount=type=ssh,id=s test -S \"$SSH_AUTH_SOCK\"\n\
         RUN test -z \"$SSH_AUTH_SOCK\" && test ! -e /agent && test ! -e /run/buildkit\n\
         RUN --mount=type=ssh,id=other test ! -e /run/buildkit/ssh_agent.0\n",
    );
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(bench.path("key"))
        .status();
    assert!(made.unwrap().success());
    let _listener = UnixListener::bind(bench.path("s")).unwrap();
    let arguments = ["--ssh", "k=key", "--ssh", "s=s"];
    let digest = bench.build(&arguments).digest();
    praxis_testkit::make_readable(&bench.path("key"));
    if let Some(same) = bench.as_user(bench.build_command("home/store", &arguments, "context")) {
        assert_eq!(same.digest(), digest);
    }
    fs::write(bench.path("key"), "no key").unwrap();
    let wrong = run(bench.build_command("other", &arguments, "context")).error(1);
    assert!(wrong.contains("--ssh k"), "{wrong}");
    bench.assert_clean("store");
}
