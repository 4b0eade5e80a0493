//! The wire contract of the suite: messages, clients and servers made from the .proto files, and the promise
//! that no handler ever sees a message that breaks the rules written there.
//!
//! Every RPC decodes through [`Codec`], which refuses to exist for a type without [`Validate`]; the build
//! makes the checks from the `buf.validate` annotations and fails on a rule that it does not understand.
//! Nothing here knows a service's domain: other crates use these types as `pb`, at the edge only.

mod codec;
mod descriptors;
mod difference;
#[cfg(test)]
mod every_rule;
mod rules;
mod validate;

#[expect(clippy::all, clippy::allow_attributes, reason = "written by prost and tonic")]
#[expect(rustdoc::broken_intra_doc_links, reason = "Google's comments are not written for rustdoc")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/mod.rs"));
}

#[expect(clippy::all, reason = "written by the build")]
mod checks {
    include!(concat!(env!("OUT_DIR"), "/checks.rs"));
}

#[cfg(test)]
#[expect(clippy::all, unreachable_pub, reason = "written by prost and by the build")]
mod fixture {
    include!(concat!(env!("OUT_DIR"), "/fixture/mod.rs"));

    mod checks {
        include!(concat!(env!("OUT_DIR"), "/fixture/checks.rs"));
    }
}

pub use codec::Codec;
pub use descriptors::{FILE_DESCRIPTOR_SET, message_of, services_of};
pub use difference::first_difference;
pub use generated::{google, rapport};
pub use validate::{Path, Validate, Violation, Violations, check};
