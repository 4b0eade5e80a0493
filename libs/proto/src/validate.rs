//! What it means to check a message: every violation at once, each with its path and a sentence.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// Most violations that one answer lists.
const LISTED_COUNT_MAX: usize = 100;
/// Most bytes of paths and descriptions that one answer lists. Details travel in a response header, and some
/// clients (gRPC for Java and the C core) refuse headers above 8 KiB as a whole.
const LISTED_BYTES_MAX: usize = 4096;
/// Most characters of a client's own map key that a path repeats.
const KEY_CHARS_MAX: usize = 64;

/// A message that knows the rules of its .proto file. Implemented by the build, never by hand.
pub trait Validate {
    /// The error domain of the package that declares the message, such as `rapport.loyalty`.
    const DOMAIN: &'static str;
    /// Whether a server sends it. Responses are never refused: a newer server may answer what this build's
    /// rules do not know.
    const RESPONSE: bool;

    /// Adds every broken rule of this message and the messages inside it. Allocates only to add one.
    fn validate(&self, at: &Path<'_>, found: &mut Violations);
}

/// Where in a message the check stands; a list on the stack that becomes text only for a violation.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Segment<'a>,
}

#[derive(Clone, Copy)]
enum Segment<'a> {
    Root,
    Field(&'static str),
    Item(&'static str, usize),
    Entry(&'static str, &'a dyn fmt::Debug),
}

impl Path<'static> {
    /// The message itself.
    pub const ROOT: Self = Path { parent: None, segment: Segment::Root };
}

impl Path<'_> {
    /// A field of the message here.
    pub fn field(&self, name: &'static str) -> Path<'_> {
        Path { parent: Some(self), segment: Segment::Field(name) }
    }

    /// One item of a repeated field of the message here, counted from 0.
    pub fn item(&self, name: &'static str, index: usize) -> Path<'_> {
        Path { parent: Some(self), segment: Segment::Item(name, index) }
    }

    /// One entry of a map field of the message here.
    pub fn entry<'a>(&'a self, name: &'static str, key: &'a dyn fmt::Debug) -> Path<'a> {
        Path { parent: Some(self), segment: Segment::Entry(name, key) }
    }
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if !matches!(parent.segment, Segment::Root) {
                f.write_str(".")?;
            }
        }
        match self.segment {
            Segment::Root => Ok(()),
            Segment::Field(name) => f.write_str(name),
            Segment::Item(name, index) => write!(f, "{name}[{index}]"),
            Segment::Entry(name, key) => {
                let mut start = Start { text: String::new(), room: KEY_CHARS_MAX };
                // An error only says that the key is longer than its start.
                let _ = write!(start, "{key:?}");
                write!(f, "{name}[{}]", start.text)
            }
        }
    }
}

/// The first characters of what is written to it; an error ends the writing.
struct Start {
    text: String,
    room: usize,
}

impl fmt::Write for Start {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for character in more.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(character);
        }
        Ok(())
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field as in protobuf, such as `requests[3].member_id`.
    pub field: String,
    /// What the field must be, without its name: `is required`.
    pub description: Cow<'static, str>,
}

/// All broken rules of one message: as many as an answer can carry are listed, all are counted.
#[derive(Debug, Default)]
pub struct Violations {
    listed: Vec<Violation>,
    bytes: usize,
    full: bool,
    count: usize,
}

impl Violations {
    /// Adds that the field `name` of the message at `at` breaks a rule.
    pub fn add(&mut self, at: &Path<'_>, name: &'static str, description: impl Into<Cow<'static, str>>) {
        self.add_at(&at.field(name), description);
    }

    /// Adds that what is at `place`, such as one item of a list, breaks a rule.
    pub fn add_at(&mut self, place: &Path<'_>, description: impl Into<Cow<'static, str>>) {
        self.count = self.count.saturating_add(1);
        if self.full {
            return;
        }
        let (field, description) = (place.to_string(), description.into());
        self.bytes = self.bytes.saturating_add(field.len()).saturating_add(description.len());
        self.full = self.listed.len() >= LISTED_COUNT_MAX
            || (self.bytes > LISTED_BYTES_MAX && !self.listed.is_empty());
        if !self.full {
            self.listed.push(Violation { field, description });
        }
    }

    /// The violations an answer lists, in the order of the fields.
    pub fn listed(&self) -> &[Violation] {
        &self.listed
    }

    /// How many there are, listed or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Ends a check, also one written by hand.
    ///
    /// # Errors
    /// If anything was found: INVALID_ARGUMENT with reason `FIELDS_INVALID` in `domain`, one `BadRequest`
    /// entry per listed violation, and a message that names the first.
    pub fn into_result(self, domain: &str) -> Result<(), Status> {
        let Some(first) = self.listed.first() else { return Ok(()) };
        let mut text = format!("{}: {}", first.field, first.description);
        if self.count > 1 {
            text.push_str(&format!(" (and {} more)", self.count - 1));
        }
        let violations: Vec<FieldViolation> =
            self.listed.into_iter().map(|one| FieldViolation::new(one.field, one.description)).collect();
        let mut details = ErrorDetails::with_error_info("FIELDS_INVALID", domain, []);
        details.set_bad_request(violations);
        Err(Status::with_error_details(Code::InvalidArgument, text, details))
    }
}

/// Checks a message against the rules of its .proto file.
///
/// # Errors
/// As [`Violations::into_result`], with the domain of the message's package.
pub fn check<T: Validate>(message: &T) -> Result<(), Status> {
    let mut found = Violations::default();
    message.validate(&Path::ROOT, &mut found);
    found.into_result(T::DOMAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(usize);

    impl Validate for Broken {
        const DOMAIN: &'static str = "rapport.fixture";
        const RESPONSE: bool = false;

        fn validate(&self, at: &Path<'_>, found: &mut Violations) {
            let list = at.field("outer");
            for index in 0..self.0 {
                found.add(&list.item("items", index), "name", "is required");
            }
        }
    }

    fn refused(count: usize) -> Status {
        check(&Broken(count)).expect_err("it breaks rules")
    }

    #[test]
    fn the_message_names_the_first_violation_and_counts_the_others() {
        assert!(check(&Broken(0)).is_ok());
        assert_eq!(refused(1).message(), "outer.items[0].name: is required");
        assert_eq!(refused(3).message(), "outer.items[0].name: is required (and 2 more)");
    }

    #[test]
    fn the_details_carry_every_violation_with_reason_and_domain() {
        let status = refused(2);
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("FIELDS_INVALID", "rapport.fixture"));
        assert!(info.metadata.is_empty());
        let listed = &details.bad_request().expect("a BadRequest").field_violations;
        let listed: Vec<_> =
            listed.iter().map(|one| (one.field.as_str(), one.description.as_str())).collect();
        assert_eq!(listed, [("outer.items[0].name", "is required"), ("outer.items[1].name", "is required")]);
    }

    #[test]
    fn an_answer_stays_small_however_much_is_wrong() {
        let mut found = Violations::default();
        Broken(1_000_000).validate(&Path::ROOT, &mut found);
        assert_eq!((found.listed().len(), found.count()), (LISTED_COUNT_MAX, 1_000_000));
        assert!(refused(1_000_000).message().ends_with("(and 999999 more)"));

        let mut long = Violations::default();
        for _ in 0..LISTED_COUNT_MAX {
            long.add(&Path::ROOT, "field", "must be a UUID such as 7b1f0c5e-8d2a-4f60-9c3b-1e5d7a2f4b68");
        }
        let bytes: usize = long.listed().iter().map(|one| one.field.len() + one.description.len()).sum();
        assert!(long.listed().len() > 50 && bytes <= LISTED_BYTES_MAX, "{bytes}");
    }
}
