//! Rows 45 to 50, 56, 59, 66 and 67: accounts, paths, descriptors, environments and secrets of steps.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::site::{CANARY, Layout, Site};

#[test]
fn row_45_account_files_are_read_from_the_image_or_not_at_all() {
    let site = Site::new();
    let host = site.host().join("passwd");
    fs::write(&host, "hostuser:x:4242:4242::/:/bin/sh\n").unwrap();
    for made in [
        "busybox mkfifo /etc/passwd".to_string(),
        format!("ln -s {} /etc/passwd", host.display()),
        format!("ln -s ../../../../../../../..{} /etc/passwd", host.display()),
        "ln -s /proc/self/fd/0 /etc/passwd".into(),
        "ln -s passwd /etc/passwd".into(),
        "mkdir /etc/passwd".into(),
    ] {
        let dockerfile = format!("FROM busybox\nRUN rm /etc/passwd && {made}\nUSER hostuser\nRUN id\n");
        let outcome = site.build(&dockerfile, &[]);
        let why = if made == "ln -s passwd /etc/passwd" {
            "too many symbolic links"
        } else {
            "unable to find user"
        };
        outcome.refused(why);
        assert!(!outcome.text.contains("uid=4242"), "{made}: {}", outcome.text);
    }
    let device = Layout::new(&site.path("device"));
    let mut layer = praxis_testkit::Archive::default()
        .file("etc/passwd", 0o666, b"")
        .finish();
    as_device(&mut layer, 1, 5);
    device.point_to(&device.put_json("manifest.v1+json", &device.manifest_of(&json!({}), &layer)));
    let dockerfile =
        "FROM image\nCOPY --from=busybox /bin /bin\nCOPY --chown=hostuser --from=busybox /etc/group /g\n";
    site.build(dockerfile, &[&device.option()]).accepted();
}

/// Turns the only member of `archive` into a character device.
fn as_device(archive: &mut [u8], major: u32, minor: u32) {
    archive[156] = b'3';
    archive[329..336].copy_from_slice(format!("{major:07o}").as_bytes());
    archive[337..344].copy_from_slice(format!("{minor:07o}").as_bytes());
    archive[148..156].copy_from_slice(b"        ");
    let sum: u32 = archive[..512].iter().map(|byte| u32::from(*byte)).sum();
    archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

#[test]
fn row_46_huge_account_files_are_refused() {
    let site = Site::new();
    let made = "FROM busybox\nRUN dd if=/dev/zero of=/etc/group bs=1M count=16\nUSER app\nRUN id\n";
    site.build(made, &[])
        .refused("/etc/group of the image is 16777216 bytes long");
}

#[test]
fn row_47_a_number_is_never_looked_up_as_a_name() {
    let site = Site::new();
    let dockerfile = "FROM busybox\nRUN echo '1000:x:0:0::/:/bin/sh' >> /etc/passwd && chmod 777 /tmp\n\
        USER 1000\nRUN id -u > /tmp/uid\n";
    site.build(dockerfile, &[]).accepted();
    assert_eq!(site.result("tmp/uid"), "1000\n");
    site.build("FROM busybox\nUSER 4294967295\nRUN id\n", &[])
        .refused("unable to find user");
}

#[test]
fn row_48_groups_are_those_of_the_image() {
    let site = Site::new();
    let dockerfile = "FROM busybox\nRUN echo 'audio:x:29:app,root' >> /etc/group\n\
        RUN id -G > /tmp/root\nUSER app\nRUN id -G > /tmp/app\nUSER app:audio\nRUN id -G > /tmp/one\nUSER 77\nRUN id -G > /tmp/number\n";
    site.build(dockerfile, &[]).accepted();
    let seen = ["root", "app", "one", "number"].map(|name| site.result(&format!("tmp/{name}")));
    assert_eq!(seen, ["0 29\n", "1001 29\n", "29\n", "0\n"]);
}

#[test]
fn row_49_dots_of_destinations_stay_in_the_root() {
    let site = Site::new();
    fs::write(site.context("a"), "a").unwrap();
    let before = praxis_testkit::tree_of(&site.host());
    let host = site.host().display().to_string();
    let dockerfile = format!(
        "FROM busybox\nRUN ln -s {host} /link && ln -s ../../../../../../../..{host} /up\n\
         WORKDIR /a/../../..\nCOPY a ../../x\nCOPY a /link/y\nCOPY a /up/\nWORKDIR /link/w\nWORKDIR ..\nRUN pwd > /pwd\n"
    );
    site.build(&dockerfile, &[]).accepted();
    assert_eq!(site.result("x"), "a");
    assert_eq!(site.result(&format!("{}/y", &host[1..])), "a");
    assert_eq!(praxis_testkit::tree_of(&site.host()), before);
    assert!(!site.host().join("w").exists());
    site.build("FROM busybox\nRUN rm -rf /bin/. /.. /link/..\n", &[]);
    assert_eq!(praxis_testkit::tree_of(&site.host()), before);
}

#[test]
fn row_50_volumes_and_directories_stay_in_the_root() {
    let site = Site::new();
    let host = site.host().display().to_string();
    let dockerfile =
        format!("FROM busybox\nVOLUME /../../etc\nWORKDIR /../../..{host}\nRUN touch made && pwd > /pwd\n");
    site.build(&dockerfile, &[]).accepted();
    assert_eq!(site.result("pwd"), format!("{host}\n"));
    assert_eq!(fs::read_dir(site.host()).unwrap().count(), 1);
}

#[test]
fn row_49_endless_paths_are_refused() {
    let site = Site::new();
    let long = "a/".repeat(100_000);
    site.build(&format!("FROM busybox\nWORKDIR /{long}\n"), &[])
        .refused("4095");
    site.build(&format!("FROM busybox\nCOPY {long} /\n"), &[])
        .refused("4095");
}

#[test]
fn row_56_a_step_sees_no_descriptor_of_praxis() {
    let site = Site::new();
    for number in [0, 3, 7, 9, 12] {
        let dockerfile = format!("FROM busybox\nWORKDIR /proc/self/fd/{number}\nRUN ls ../../../..\n");
        site.build(&dockerfile, &[]).refused("working directory");
    }
    let listed = "FROM busybox\nRUN for f in /proc/self/fd/*; do readlink $f >> /fds; done; readlink /proc/$$/cwd >> /fds\n";
    site.build(&listed.replace("readlink", "busybox readlink"), &[])
        .accepted();
    assert!(!site.result("fds").contains("store"), "{}", site.result("fds"));
}

#[test]
fn row_59_device_nodes_of_images_open_nothing() {
    let site = Site::new();
    let layout = Layout::new(&site.path("layout"));
    let mut layer = praxis_testkit::Archive::default()
        .file("zero", 0o666, b"")
        .finish();
    as_device(&mut layer, 1, 5);
    layout.point_to(&layout.put_json("manifest.v1+json", &layout.manifest_of(&json!({}), &layer)));
    let dockerfile =
        "FROM image\nCOPY --from=busybox /bin /bin\nRUN [\"/bin/sh\", \"-c\", \"/bin/head -c 1 /zero\"]\n";
    let outcome = site.build(dockerfile, &[&layout.option()]);
    assert!(!outcome.success, "{}", outcome.text);
}

#[test]
fn row_66_the_environment_of_the_host_and_of_siblings_stays_out() {
    let site = Site::new();
    symlink("/proc/self/environ", site.context("environ")).unwrap();
    let dockerfile = "FROM busybox AS sibling\nARG TOKEN\nRUN echo ${#TOKEN} > /length\n\
        FROM busybox\nRUN env > /env; cat /proc/self/environ > /environ; cat /proc/1/environ >> /environ || true\n\
        COPY --from=sibling /length /length\nCOPY . /context/\n";
    let argument = format!("--build-arg=TOKEN={CANARY}");
    site.build(dockerfile, &[&argument]).accepted();
    assert_eq!(site.result("length"), format!("{}\n", CANARY.len()));
    assert!(!site.result("env").contains(CANARY) && !site.result("environ").contains(CANARY));
    let out = praxis_testkit::tree_of(&site.path("out"));
    assert!(
        !out.values()
            .any(|bytes| String::from_utf8_lossy(bytes).contains(CANARY))
    );
}

#[test]
fn row_67_secrets_leave_nothing_behind() {
    let site = Site::new();
    let secret = format!("--secret=id=token,src={}", site.host().join("secret").display());
    let image = format!("type=oci,dest={},tar=false", site.path("out-image").display());
    let used = "FROM busybox\nRUN --mount=type=secret,id=token test -s /run/secrets/token && wc -c < /run/secrets/token > /n\n\
        RUN --mount=type=secret,id=token,env=TOKEN test -n \"$TOKEN\" && echo ${#TOKEN} >> /n\n\
        RUN test ! -e /run/secrets/token && env > /env\n";
    for dockerfile in [
        used.to_string(),
        format!("{used}RUN --mount=type=secret,id=token cat /missing\n"),
    ] {
        let metadata = site.path("metadata.json").display().to_string();
        for extra in [
            vec![secret.as_str()],
            vec![&secret, "--output", &image],
            vec![&secret, "--metadata-file", &metadata],
        ] {
            let outcome = site.build(&dockerfile, &extra);
            assert!(!outcome.text.contains(CANARY), "{}", outcome.text);
            assert!(site.leaks().is_empty(), "{:?}", site.leaks());
        }
    }
    let kept = praxis_testkit::tree_of(&site.path("out-image"));
    assert!(
        !kept.is_empty()
            && !kept
                .values()
                .any(|bytes| String::from_utf8_lossy(bytes).contains(CANARY))
    );
    // A secret with a NUL cannot be in an environment; the refusal does not show it.
    fs::write(site.host().join("binary"), format!("{CANARY}\0x")).unwrap();
    let binary = format!("--secret=id=token,src={}", site.host().join("binary").display());
    let outcome = site.build(
        "FROM busybox\nRUN --mount=type=secret,id=token,env=TOKEN true\n",
        &[&binary],
    );
    outcome.refused("NUL");
    assert!(!outcome.text.contains(CANARY), "{}", outcome.text);
}
