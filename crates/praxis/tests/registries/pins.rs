//! `praxis pin` with a registry.

use serde_json::Value;

use crate::Place;

fn pins(place: &Place, store: &str, arguments: &[&str], code: i32) -> Vec<Value> {
    let output = place
        .praxis(store, &[&["pin", "--json", "repository"], arguments].concat())
        .output()
        .unwrap();
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    value["pins"].as_array().unwrap().clone()
}

#[test]
fn tags_get_the_digests_that_the_registry_has() {
    let place = Place::new();
    place.publish_base("team/base:1");
    let digest = place.base.manifest().to_string();
    let name = place.name("team/base:1");
    let dockerfile = format!("# {name}\nFROM {name} AS build\nFROM scratch\nCOPY --from={name} /bin /bin\n");
    place.write("repository/Dockerfile", &dockerfile);
    place.write(
        "repository/compose.yaml",
        &format!("services:\n  a:\n    image: {name}\n"),
    );
    let open = pins(&place, "a", &["--check"], 1);
    assert_eq!(open.len(), 3);
    assert!(
        open.iter()
            .all(|pin| pin["digest"] == digest.as_str() && pin["state"] == "unpinned"),
        "{open:?}"
    );
    let offline = pins(&place, "a", &["--check", "--offline"], 1);
    assert!(
        offline[0]["reason"]
            .as_str()
            .unwrap()
            .contains("no such image in the store")
    );
    assert_eq!(
        std::fs::read_to_string(place.path("repository/Dockerfile")).unwrap(),
        dockerfile
    );
    pins(&place, "a", &[], 0);
    let written = std::fs::read_to_string(place.path("repository/Dockerfile")).unwrap();
    assert_eq!(
        written,
        dockerfile
            .replace(&format!("FROM {name}"), &format!("FROM {name}@{digest}"))
            .replace(&format!("--from={name}"), &format!("--from={name}@{digest}"),)
    );
    assert!(
        pins(&place, "a", &["--check", "--update"], 0)
            .iter()
            .all(|pin| pin["state"] == "pinned")
    );
    // The tag moves; the store still has what it was.
    place.good("a", &["pull", &name]);
    place.write("app/Dockerfile", &format!("FROM {name}\nLABEL a=b\n"));
    let now = place.good("b", &["build", "-q", "-t", "app:1", "app"]);
    place.good("b", &["push", "app:1", &name]);
    let moved = pins(&place, "a", &["--check", "--update"], 1);
    assert!(
        moved
            .iter()
            .all(|pin| pin["digest"] == now.trim() && pin["state"] == "moved"),
        "{moved:?}"
    );
    assert!(
        moved[0]["created"]["now"].as_str().unwrap().ends_with('Z'),
        "{moved:?}"
    );
    assert!(
        pins(&place, "a", &["--check"], 0)
            .iter()
            .all(|pin| pin["state"] == "pinned")
    );
    pins(&place, "a", &["--update"], 0);
    let written = std::fs::read_to_string(place.path("repository/compose.yaml")).unwrap();
    assert!(written.contains(&format!("{name}@{}", now.trim())), "{written}");
}
