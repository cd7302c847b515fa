use serde_json::json;

use super::*;

#[test]
fn every_schema_says_what_it_takes_and_takes_nothing_else() {
    for tool in Tools::default().of(Tier::Open) {
        assert_eq!(tool.input["type"], "object", "{}", tool.name);
        assert_eq!(tool.input["additionalProperties"], false, "{}", tool.name);
        assert_eq!(tool.output["type"], "object", "{}", tool.name);
        let fields = tool.input.get("properties").and_then(Value::as_object);
        for (name, field) in fields.into_iter().flatten() {
            let described = field.get("description").is_some() || field.get("$ref").is_some();
            assert!(described, "{}: {name} says nothing of itself", tool.name);
        }
    }
}

#[test]
fn service_row_no_tool_publishes_signs_or_reads_secrets() {
    let tools = Tools::default();
    let words = [
        "push", "sign", "release", "promote", "secret", "login", "publish", "copy",
    ];
    for tool in tools.of(Tier::Open) {
        assert!(
            !words.iter().any(|word| tool.name.contains(word)),
            "{}",
            tool.name
        );
        let fields = tool.input.get("properties").and_then(Value::as_object);
        for field in fields.into_iter().flat_map(Map::keys) {
            let reserved = RESERVED.iter().any(|(names, _)| names.contains(&field.as_str()));
            assert!(!reserved, "{}: {field}", tool.name);
        }
    }
}

#[test]
fn a_reserved_argument_is_refused_with_its_reason() {
    let refused = refuse_reserved(&json!({"context": "x", "ssh": {}})).unwrap_err();
    assert_eq!(refused.kind, crate::ToolErrorKind::Refused);
    assert!(
        refused.message.starts_with("ssh: no tool takes or reads secrets"),
        "{refused}"
    );
    assert!(refuse_reserved(&json!({"context": "secrets"})).is_ok());
    for no_object in [json!([]), json!(["ctx", "ssh"]), json!(null), json!("secret")] {
        let refused = refuse_reserved(&no_object).unwrap_err();
        assert_eq!(refused.kind, crate::ToolErrorKind::Arguments, "{no_object}");
    }
}
