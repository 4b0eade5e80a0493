//! Every rule passes what it allows and refuses what it forbids, on the messages of `fixture/`.

use crate::fixture::rapport::fixture::v1::*;
use crate::{Path, Validate, Violations};

/// All violations of a message as `path: description`.
fn broken<T: Validate>(message: &T) -> Vec<String> {
    let mut found = Violations::default();
    message.validate(&Path::ROOT, &mut found);
    found.listed().iter().map(|one| format!("{}: {}", one.field, one.description)).collect()
}

const UUID: &str = "7B1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68";
const UUID_BROKEN: &str = "must be a UUID such as 7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68";
const NONE: [&str; 0] = [];

fn strings() -> Strings {
    Strings {
        min: "éé".into(),
        max: "ééé".into(),
        pattern: "ab".into(),
        uuid: UUID.into(),
        r#const: "say \"x\"".into(),
        r#in: "b".into(),
        required: "x".into(),
        lenient: String::new(),
        maybe: None,
        must_be_sent: Some(String::new()),
        lenient_maybe: Some(String::new()),
    }
}

fn with_strings(change: impl FnOnce(&mut Strings)) -> Vec<String> {
    let mut message = strings();
    change(&mut message);
    broken(&message)
}

#[test]
fn strings_are_measured_in_characters() {
    assert_eq!(broken(&strings()), NONE);
    assert_eq!(with_strings(|m| m.min = "é".into()), ["min: must have at least 2 characters"]);
    assert_eq!(with_strings(|m| m.max = "éééé".into()), ["max: must not be longer than 3 characters"]);
    assert_eq!(with_strings(|m| m.max = "abcd".into()), ["max: must not be longer than 3 characters"]);
    assert_eq!(with_strings(|m| m.maybe = Some(String::new())), ["maybe: must not be empty"]);
    assert_eq!(with_strings(|m| m.maybe = Some("x".into())), NONE);
}

#[test]
fn no_text_holds_a_character_that_postgresql_does_not_keep() {
    const TOLD: &str = "must not contain the character U+0000";
    const KEY_TOLD: &str = "must not have a key with the character U+0000";
    assert_eq!(with_strings(|m| m.max = "a\0b".into()), [format!("max: {TOLD}")]);
    assert_eq!(
        with_strings(|m| m.lenient_maybe = Some("\0".into())).last(),
        Some(&format!("lenient_maybe: {TOLD}"))
    );
    let words = ["a", "\0"].map(str::to_owned);
    assert_eq!(with_tree(|m| m.words = words.into()), [format!("words[1]: {TOLD}")]);
    let labels = [(7, "x\0".to_owned()), (8, "x".to_owned())];
    assert_eq!(with_tree(|m| m.labels = labels.into()), [format!("labels[7]: {TOLD}")]);
    let by_name = [("a\0b".to_owned(), leaf("x"))];
    assert_eq!(with_tree(|m| m.by_name = by_name.into()), [format!(r#"by_name["a\0b"]: {KEY_TOLD}"#)]);
    let notes = [("\0".to_owned(), "\0".to_owned())];
    let both = [format!(r#"notes["\0"]: {KEY_TOLD}"#), format!(r#"notes["\0"]: {TOLD}"#)];
    assert_eq!(with_tree(|m| m.notes = notes.into()), both);
    let inner = Leaf { name: "\0".into() };
    assert_eq!(with_tree(|m| m.many.push(inner)), [format!("many[1].name: {TOLD}")]);
}

#[test]
fn strings_have_a_form() {
    for wrong in ["", "a", "abc", "AB", "ab\n"] {
        assert_eq!(
            with_strings(|m| m.pattern = wrong.into()),
            ["pattern: must match ^[a-z]{2}$"],
            "{wrong:?}"
        );
    }
    let (short, long) = (&UUID[1..], format!("{UUID}0"));
    let (shifted, letter) = (UUID.replacen("e-8", "-e8", 1), UUID.replace('f', "g"));
    for wrong in ["", short, &long, &shifted, &letter, "７b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b"] {
        assert_eq!(with_strings(|m| m.uuid = wrong.into()), [format!("uuid: {UUID_BROKEN}")], "{wrong:?}");
    }
    assert_eq!(with_strings(|m| m.r#const = "x".into()), [r#"const: must be "say \"x\"""#]);
    assert_eq!(with_strings(|m| m.r#in = String::new()), [r#"in: must be one of "a", "b""#]);
}

#[test]
fn required_strings_are_not_empty_and_then_obey_their_other_rules() {
    assert_eq!(with_strings(|m| m.required = String::new()), ["required: is required"]);
    assert_eq!(
        with_strings(|m| m.required = "long".into()),
        ["required: must not be longer than 3 characters"]
    );
    assert_eq!(with_strings(|m| m.must_be_sent = None), ["must_be_sent: is required"]);
    assert_eq!(with_strings(|m| m.lenient = "x".into()), [format!("lenient: {UUID_BROKEN}")]);
    assert_eq!(with_strings(|m| m.lenient_maybe = None), NONE);
    let short = with_strings(|m| m.lenient_maybe = Some("x".into()));
    assert_eq!(short, ["lenient_maybe: must have at least 2 characters"]);
}

fn numbers() -> Numbers {
    Numbers {
        gt: -4,
        gte: 10,
        lt: 2,
        lte: u64::MAX - 1,
        r#const: i64::MIN,
        r#in: 5,
        not_in: -2,
        required: 1,
        lenient: 0,
    }
}

fn with_numbers(change: impl FnOnce(&mut Numbers)) -> Vec<String> {
    let mut message = numbers();
    change(&mut message);
    broken(&message)
}

#[test]
fn numbers_have_bounds() {
    assert_eq!(broken(&numbers()), NONE);
    assert_eq!(with_numbers(|m| m.gt = -5), ["gt: must be greater than -5"]);
    assert_eq!(with_numbers(|m| m.gte = 9), ["gte: must be at least 10"]);
    assert_eq!(with_numbers(|m| m.gte = i64::MAX), NONE);
    assert_eq!(with_numbers(|m| m.lt = 3), ["lt: must be less than 3"]);
    assert_eq!(with_numbers(|m| m.lte = u64::MAX), ["lte: must be at most 18446744073709551614"]);
    assert_eq!(with_numbers(|m| m.r#const = 0), ["const: must be -9223372036854775808"]);
    assert_eq!(with_numbers(|m| m.r#in = 3), NONE);
    assert_eq!(with_numbers(|m| m.r#in = 4), ["in: must be one of 3, 5"]);
}

#[test]
fn a_number_may_be_forbidden_within_its_bounds() {
    assert_eq!(with_numbers(|m| m.not_in = 2), NONE);
    assert_eq!(with_numbers(|m| m.not_in = 0), ["not_in: must not be 0"]);
    assert_eq!(with_numbers(|m| m.not_in = -3), ["not_in: must be at least -2"]);
    assert_eq!(with_numbers(|m| m.not_in = 3), ["not_in: must be at most 2"]);
    assert_eq!(with_numbers(|m| m.required = 0), ["required: is required"]);
    assert_eq!(with_numbers(|m| m.lenient = 6), ["lenient: must be at least 7"]);
    assert_eq!(with_numbers(|m| m.lenient = 7), NONE);
}

fn others() -> Others {
    Others {
        r#const: true,
        defined: 0,
        not_in: 99,
        r#in: Colour::Blue.into(),
        required: true,
        amount: 0.5,
        data: vec![0],
        colour: Colour::Red.into(),
    }
}

#[test]
fn booleans_enums_and_required_values() {
    assert_eq!(broken(&others()), NONE);
    assert_eq!(broken(&Others { defined: 7, ..others() }), NONE);
    assert_eq!(broken(&Others { r#const: false, ..others() }), ["const: must be true"]);
    for wrong in [-1, 2, 8] {
        let found = broken(&Others { defined: wrong, ..others() });
        assert_eq!(found, ["defined: must be a defined value of Colour"], "{wrong}");
    }
    assert_eq!(broken(&Others { not_in: 0, ..others() }), ["not_in: must not be COLOUR_UNSPECIFIED"]);
    assert_eq!(broken(&Others { r#in: 0, ..others() }), ["in: must be one of COLOUR_RED, COLOUR_BLUE"]);
    let empty = Others { required: false, amount: 0.0, data: Vec::new(), colour: 0, ..others() };
    let missing = ["required", "amount", "data", "colour"].map(|field| format!("{field}: is required"));
    assert_eq!(broken(&empty), missing);
}

fn leaf(name: &str) -> Leaf {
    Leaf { name: name.into() }
}

fn tree() -> Tree {
    Tree {
        one: Some(leaf("abc")),
        needed: Some(leaf("")),
        many: vec![leaf("a")],
        numbers: vec![0],
        by_name: [("k".to_owned(), leaf("b"))].into(),
        labels: [(7, "any".to_owned())].into(),
        r#type: Some(prost_types::Timestamp::default()),
        inner: Some(tree::Inner { self_: "x".into() }),
        choice: Some(tree::Choice::Plain(false)),
        free: Some(tree::Free::Left(String::new())),
        pair: vec![0, 0],
        lenient: Vec::new(),
        words: Vec::new(),
        notes: [("k".to_owned(), "any".to_owned())].into(),
    }
}

fn with_tree(change: impl FnOnce(&mut Tree)) -> Vec<String> {
    let mut message = tree();
    change(&mut message);
    broken(&message)
}

const LONG: &str = "must not be longer than 3 characters";

#[test]
fn messages_are_checked_inside_other_messages() {
    assert_eq!(broken(&tree()), NONE);
    assert_eq!(with_tree(|m| m.one = None), NONE);
    assert_eq!(with_tree(|m| m.one = Some(leaf("long"))), [format!("one.name: {LONG}")]);
    assert_eq!(with_tree(|m| m.needed = None), ["needed: is required"]);
    assert_eq!(with_tree(|m| m.needed = Some(leaf("long"))), [format!("needed.name: {LONG}")]);
    assert_eq!(with_tree(|m| m.r#type = None), ["type: is required"]);
    let inner = tree::Inner { self_: "xy".into() };
    assert_eq!(with_tree(|m| m.inner = Some(inner)), ["inner.self: must not be longer than 1 character"]);
    let chain = Chain {
        next: Some(Box::new(Chain { next: Some(Box::default()), name: "long".into() })),
        name: String::new(),
    };
    assert_eq!(broken(&chain), [format!("next.name: {LONG}")]);
}

#[test]
fn lists_and_maps_are_counted_and_their_items_checked() {
    assert_eq!(with_tree(|m| m.many.clear()), ["many: must have at least 1 item"]);
    assert_eq!(with_tree(|m| m.many = vec![leaf(""); 3]), NONE);
    let mut four = vec![leaf(""); 4];
    four[3] = leaf("long");
    let both = ["many: must not have more than 3 items".to_owned(), format!("many[3].name: {LONG}")];
    assert_eq!(with_tree(|m| m.many = four), both);
    assert_eq!(with_tree(|m| m.numbers.clear()), ["numbers: is required"]);
    assert_eq!(with_tree(|m| m.pair.clear()), ["pair: is required"]);
    assert_eq!(with_tree(|m| m.pair = vec![1]), ["pair: must have at least 2 items"]);
    assert_eq!(with_tree(|m| m.lenient = vec![1]), ["lenient: must have at least 2 items"]);
    let entry = |key: &str| [(key.to_owned(), leaf("long"))].into();
    assert_eq!(with_tree(|m| m.by_name = entry("a.b")), [format!(r#"by_name["a.b"].name: {LONG}"#)]);
    let key = "x".repeat(1_000_000);
    assert!(with_tree(|m| m.by_name = entry(&key))[0].len() < 200);
}

#[test]
fn members_of_a_oneof_are_checked_when_set() {
    let with_choice = |choice| with_tree(|m| m.choice = choice);
    use tree::Choice::*;
    assert_eq!(with_choice(None), ["choice: one of leaf, text, number, plain must be set"]);
    assert_eq!(with_choice(Some(Leaf(leaf("long")))), [format!("leaf.name: {LONG}")]);
    assert_eq!(with_choice(Some(Text("x".into()))), ["text: must have at least 2 characters"]);
    assert_eq!(with_choice(Some(Text("xy".into()))), NONE);
    assert_eq!(with_choice(Some(Number(0))), ["number: must be greater than 0"]);
    assert_eq!(with_choice(Some(Number(1))), NONE);
    assert_eq!(with_tree(|m| m.free = None), ["left: is required"]);
    let right = tree::Free::Right(String::new());
    assert_eq!(with_tree(|m| m.free = Some(right)), ["left: is required"]);
}

#[test]
fn responses_are_never_refused() {
    let response = RuledResponse { name: "long".into(), leaf: Some(leaf("long")) };
    assert_eq!(broken(&response), NONE);
    assert_eq!((RuledResponse::RESPONSE, Leaf::RESPONSE), (true, false));
    assert_eq!((Leaf::DOMAIN, crate::google::r#type::Money::DOMAIN), ("rapport.fixture", "google.type"));
}
