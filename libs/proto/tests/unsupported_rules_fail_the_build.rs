//! The generator of the build refuses every rule that it would not enforce, and says where it stands.

#[path = "../build/emit.rs"]
mod emit;
#[path = "../build/names.rs"]
mod names;
#[path = "../build/numbers.rs"]
mod numbers;
#[path = "../build/patterns.rs"]
mod patterns;
#[path = "../build/rules.rs"]
mod rules;

use std::path::Path;

use prost_reflect::DescriptorPool;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What the generator makes of a message with this body.
fn generate(body: &str) -> Result<String> {
    let folder = tempfile::tempdir()?;
    let text = format!(
        "syntax = \"proto3\"; package a.b.v1; import \"buf/validate/validate.proto\"; message M {{ {body} }}"
    );
    std::fs::write(folder.path().join("m.proto"), text)?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let mut compiler = protox::Compiler::new([folder.path(), &shipped])?;
    compiler.include_imports(true).open_file("m.proto")?;
    let pool = DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice())?;
    emit::checks(&pool, "crate::generated", |file| file.package_name() == "a.b.v1")
}

#[track_caller]
fn assert_refused(body: &str, expected: &str) {
    match generate(body) {
        Ok(code) => panic!("{body} was accepted:\n{code}"),
        Err(error) => assert_eq!(error.to_string(), format!("m.proto: message a.b.v1.M, {expected}")),
    }
}

#[track_caller]
fn assert_field_refused(declaration: &str, rules: &str, expected: &str) {
    let annotations = rules.split("; ").map(|rule| format!("(buf.validate.field).{rule}"));
    let annotations = annotations.collect::<Vec<_>>().join(", ");
    assert_refused(
        &format!("{declaration} f = 1 [{annotations}];"),
        &format!("field f: validation rule {expected}"),
    );
}

#[test]
fn a_supported_rule_becomes_a_check() -> Result<()> {
    let code = generate("string f = 1 [(buf.validate.field).string.max_len = 5];")?;
    assert!(code.contains("impl crate::Validate for crate::generated::a::b::v1::M"), "{code}");
    assert!(code.contains(r#"const DOMAIN: &'static str = "a.b";"#), "{code}");
    assert!(code.contains("must not be longer than 5 characters"), "{code}");
    Ok(())
}

#[test]
fn rules_without_a_check_are_refused() {
    assert_field_refused("string", "string.email = true", "string.email (not supported)");
    assert_field_refused("string", "string.len = 3", "string.len (not supported)");
    assert_field_refused("string", "string.example = 'x'", "string.example (not supported)");
    assert_field_refused("int32", "int32.example = 1", "int32.example (not supported)");
    assert_field_refused("int64", "int64.gt = 0; int64.example = 1", "int64.example (not supported)");
    assert_field_refused("bool", "bool.example = true", "bool.example (not supported)");
    assert_field_refused("repeated string", "repeated.unique = true", "repeated.unique (not supported)");
    assert_field_refused(
        "repeated string",
        "repeated.items.string.min_len = 1",
        "repeated.items (not supported)",
    );
    assert_field_refused("int32", "ignore = IGNORE_ALWAYS", "ignore = 3 (not supported)");
    let cel = "cel = {id: 'x' expression: 'true'}";
    assert_field_refused("int32", cel, "cel = [{id:\"x\",expression:\"true\"}] (not supported)");
}

#[test]
fn rules_of_kinds_without_checks_are_refused() {
    let unfit = |kind: &str| format!("(does not fit a field of kind {kind})");
    assert_field_refused("bytes", "bytes.min_len = 1", &format!("bytes.min_len {}", unfit("bytes")));
    assert_field_refused("double", "double.gt = 1", &format!("double.gt {}", unfit("double")));
    assert_field_refused("sint32", "sint32.gt = 1", &format!("sint32.gt {}", unfit("sint32")));
    assert_field_refused("int64", "int32.gt = 1", &format!("int32.gt {}", unfit("int64")));
    assert_field_refused(
        "repeated string",
        "string.min_len = 1",
        &format!("string.min_len {}", unfit("string")),
    );
}

#[test]
fn rules_of_maps_are_refused() {
    for rule in ["min_pairs = 1", "max_pairs = 9", "keys.string.min_len = 1", "values.string.min_len = 1"] {
        let name = rule.split(['.', ' ']).next().unwrap_or_default();
        assert_field_refused(
            "map<string, string>",
            &format!("map.{rule}"),
            &format!("map.{name} (not supported)"),
        );
    }
}

#[test]
fn rules_that_contradict_themselves_are_refused() {
    assert_field_refused("int32", "int32.gt = 5; int32.lt = 3", "int32 (its bounds lie the wrong way round)");
    assert_field_refused("int32", "int32.gt = 2147483647", "int32.gt (no value passes)");
    assert_field_refused("uint32", "uint32.lt = 0", "uint32.lt (no value passes)");
    let both = "required = true; ignore = IGNORE_IF_ZERO_VALUE";
    assert_field_refused("string", both, "ignore (contradicts required)");
    assert_field_refused("M", "ignore = IGNORE_IF_ZERO_VALUE", "ignore (not supported for messages)");
}

#[test]
fn patterns_must_mean_the_same_in_every_language() {
    assert_field_refused(
        "string",
        r#"string.pattern = "^\\d$""#,
        "string.pattern (spell its character classes out, as in [0-9])",
    );
    let error = generate(r#"string f = 1 [(buf.validate.field).string.pattern = "("];"#).unwrap_err();
    assert!(
        error.to_string().contains("field f: validation rule string.pattern (regex parse error"),
        "{error}"
    );
}

#[test]
fn rules_of_messages_and_oneofs_are_refused() {
    assert_refused(
        "option (buf.validate.message).cel_expression = 'true';",
        "field (message): validation rule cel_expression (not supported)",
    );
    assert_refused(
        "string a = 1; option (buf.validate.message).oneof = {fields: ['a'] required: true};",
        "field (message): validation rule oneof (not supported)",
    );
    generate("oneof o { option (buf.validate.oneof).required = false; string a = 1; }").unwrap();
}

#[test]
fn rules_in_responses_are_read_too() {
    let error = generate("message AResponse { string a = 1 [(buf.validate.field).string.email = true]; }")
        .unwrap_err();
    assert!(error.to_string().contains("a.b.v1.M.AResponse, field a"), "{error}");
}
