//! The Rust names that prost gives to what a .proto file declares.

use heck::{ToSnakeCase, ToUpperCamelCase};
use prost_reflect::MessageDescriptor;

/// The path of a message below `module`, such as `crate::generated::google::r#type::Money`.
pub(crate) fn message(module: &str, message: &MessageDescriptor) -> String {
    format!("{}::{}", scope(module, message), upper_camel(message.name()))
}

/// The path of the enum that prost makes for a oneof of this message.
pub(crate) fn oneof(module: &str, message: &MessageDescriptor, oneof: &str) -> String {
    format!("{}::{}::{}", scope(module, message), snake(message.name()), upper_camel(oneof))
}

/// The module that declares a message: its package, then the messages around it.
fn scope(module: &str, message: &MessageDescriptor) -> String {
    match message.parent_message() {
        Some(parent) => format!("{}::{}", scope(module, &parent), snake(parent.name())),
        None => {
            let packages = message.package_name().split('.').map(snake);
            std::iter::once(module.to_owned()).chain(packages).collect::<Vec<_>>().join("::")
        }
    }
}

pub(crate) fn snake(name: &str) -> String {
    escape(name.to_snake_case())
}

pub(crate) fn upper_camel(name: &str) -> String {
    escape(name.to_upper_camel_case())
}

/// The same list as prost-build's own: a name it treats differently fails to compile, never misbehaves.
fn escape(name: String) -> String {
    match name.as_str() {
        "as" | "break" | "const" | "continue" | "else" | "enum" | "false" | "fn" | "for" | "if" | "impl"
        | "in" | "let" | "loop" | "match" | "mod" | "move" | "mut" | "pub" | "ref" | "return" | "static"
        | "struct" | "trait" | "true" | "type" | "unsafe" | "use" | "where" | "while" | "dyn"
        | "abstract" | "become" | "box" | "do" | "final" | "macro" | "override" | "priv" | "typeof"
        | "unsized" | "virtual" | "yield" | "async" | "await" | "try" | "gen" => format!("r#{name}"),
        "_" | "super" | "self" | "Self" | "extern" | "crate" => format!("{name}_"),
        _ if name.starts_with(|first: char| first.is_numeric()) => format!("_{name}"),
        _ => name,
    }
}
