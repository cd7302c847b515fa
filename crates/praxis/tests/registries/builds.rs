//! FROM a registry.

use crate::Place;

fn dockerfile(place: &Place, from: &str) {
    place.write(
        "app/Dockerfile",
        &format!("FROM {from}\nCOPY file /file\nRUN cat /file > /made\n"),
    );
    place.write("app/file", "content\n");
}

fn build<'a>(extra: &[&'a str]) -> Vec<&'a str> {
    [&["build", "--progress", "plain", "-q"], extra, &["app"]].concat()
}

#[test]
fn an_image_of_a_registry_gives_the_same_result_as_a_layout() {
    let place = Place::new();
    place.publish_base("team/base:one");
    dockerfile(&place, "base");
    let layout = place.good("a", &build(&["--build-context", "base=oci-layout://base"]));
    let image = format!("base=docker-image://{}", place.name("team/base:one"));
    assert_eq!(place.good("b", &build(&["--build-context", &image])), layout);
    dockerfile(&place, &place.name("team/base:one"));
    assert_eq!(place.good("c", &build(&[])), layout);
    let pinned = format!("{}@{}", place.name("team/base:any"), place.manifests_asked());
    dockerfile(&place, &pinned);
    assert_eq!(place.good("d", &build(&[])), layout);
    place.write(
        "app/Dockerfile",
        &format!("FROM scratch\nCOPY --from={pinned} /bin/busybox /b\n"),
    );
    place.good("e", &build(&[]));
    place.good("e", &["store", "verify"]);
}

#[test]
fn without_a_registry_what_was_fetched_is_enough_and_the_rest_is_named() {
    let place = Place::new();
    place.publish_base("base:one");
    dockerfile(&place, &place.name("base:one"));
    let first = place.good("a", &build(&[]));
    assert_eq!(place.good("a", &build(&["--offline"])), first);
    assert_eq!(place.good("a", &build(&["--offline", "--no-cache"])), first);
    let absent = place.name("absent:one");
    dockerfile(&place, &absent);
    let said = place.bad("a", &build(&["--offline"]));
    assert!(said.contains(&absent) && said.contains("--offline"), "{said}");
    let said = place.bad("a", &build(&[]));
    assert!(
        said.contains("no such thing (404)") && said.contains("manifest unknown"),
        "{said}"
    );
}

#[test]
fn the_store_comes_before_the_registry_unless_pull_is_said() {
    let place = Place::new();
    place.publish_base("base:one");
    let name = place.name("base:one");
    place.write("other/Dockerfile", "FROM base\nRUN echo mine > /file\n");
    let own = [
        "build",
        "-q",
        "--build-context",
        "base=oci-layout://base",
        "-t",
        &name,
        "other",
    ];
    place.good("a", &own);
    dockerfile(&place, &name);
    let local = place.good("a", &build(&[]));
    let pulled = place.good("a", &build(&["--pull"]));
    assert_ne!(local, pulled);
    assert_eq!(pulled, place.good("b", &build(&[])));
}

#[test]
fn row_35_what_one_repository_gave_is_no_proof_for_another() {
    let place = Place::new();
    place.publish_base("open/base:one");
    place.good("a", &["pull", &place.name("open/base:one")]);
    let pinned = format!("{}@{}", place.name("closed/base"), place.manifests_asked());
    dockerfile(&place, &pinned);
    let said = place.bad("a", &build(&[]));
    assert!(said.contains("(404)"), "{said}");
    let said = place.bad("a", &build(&["--offline"]));
    assert!(said.contains("closed/base"), "{said}");
    dockerfile(
        &place,
        &format!("{}@{}", place.name("open/base"), place.manifests_asked()),
    );
    place.good("a", &build(&["--offline"]));
}

#[test]
fn a_list_of_allowed_registries_holds_for_builds() {
    let place = Place::new();
    place.publish_base("base:one");
    place.write(
        "registries.toml",
        &format!("allow = [\"{}\"]\n", place.name("other")),
    );
    dockerfile(&place, &place.name("base:one"));
    let said = place.bad("a", &build(&["--registry-config", "registries.toml"]));
    assert!(said.contains("not on the list of allowed registries"), "{said}");
}
