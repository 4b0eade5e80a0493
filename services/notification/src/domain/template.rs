//! Templates: versioned texts with variables, checked before they are kept.

use std::collections::BTreeMap;

use ambient::Time;

use super::render::{Flaw, render};

/// Characters of a rendered subject at most.
const SUBJECT_CHARS_MAX: usize = 200;
/// Characters of a rendered text at most.
const BODY_CHARS_MAX: usize = 10_000;

/// What may stand in place of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datum {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

/// Values by the names of their variables.
pub type Values = BTreeMap<String, Datum>;

/// A variable that a template may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// A value that the template is checked with.
    pub sample: Datum,
}

/// One version of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The same for all its versions.
    pub id: String,
    /// From 1.
    pub version: i64,
    /// The source of the line above the text.
    pub subject: String,
    /// The source of the text.
    pub body: String,
    /// What it may use.
    pub variables: Vec<Variable>,
    /// When it was created; `NEVER` for one that is shipped.
    pub create_time: Time,
}

/// What a template makes of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The text.
    pub body: String,
}

/// The two texts of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The line above.
    Subject,
    /// The text.
    Body,
}

impl Part {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Part::Subject => "subject",
            Part::Body => "body",
        }
    }
}

impl Template {
    /// The samples of all variables.
    pub fn samples(&self) -> Values {
        self.variables.iter().map(|v| (v.name.clone(), v.sample.clone())).collect()
    }

    /// Everything that is wrong with the template when it is rendered with its samples.
    pub fn check(&self) -> Vec<(Part, Flaw)> {
        let samples = self.samples();
        let flaw_of = |part| Some((part, self.part(part, &samples).err()?));
        [Part::Subject, Part::Body].into_iter().filter_map(flaw_of).collect()
    }

    /// What the template makes of these values.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn render(&self, values: &Values) -> Result<Rendered, (Part, Flaw)> {
        let part = |part| self.part(part, values).map_err(|flaw| (part, flaw));
        Ok(Rendered { subject: part(Part::Subject)?, body: part(Part::Body)? })
    }

    fn part(&self, part: Part, values: &Values) -> Result<String, Flaw> {
        match part {
            Part::Subject => Ok(one_line(&render(&self.subject, values, SUBJECT_CHARS_MAX)?)),
            Part::Body => render(&self.body, values, BODY_CHARS_MAX),
        }
    }
}

/// A subject is one line, whatever the values hold: some channels would take a second one for a header.
fn one_line(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(subject: &str, body: &str) -> Template {
        let points = Variable { name: "points".into(), sample: Datum::Number(5) };
        let name = Variable { name: "name".into(), sample: Datum::Text("Ann".into()) };
        Template {
            id: "t".into(),
            version: 1,
            subject: subject.into(),
            body: body.into(),
            variables: vec![points, name],
            create_time: Time::NEVER,
        }
    }

    #[test]
    fn a_check_tells_what_is_wrong_with_both_parts() {
        assert_eq!(template("Hi {{ name }}", "{{ points }} points\n").check(), []);
        let flaws = template("{{ nmae }}", "{% if %}").check();
        let parts: Vec<_> = flaws.iter().map(|(part, flaw)| (part.name(), flaw.name())).collect();
        assert_eq!(parts, [("subject", "uses unknown variables"), ("body", "is not a template")]);
    }

    #[test]
    fn sizes_are_those_of_the_rendered_text() {
        let long = template(&"x".repeat(201), &"y".repeat(10_001));
        let told: Vec<_> = long.check().into_iter().map(|(_, flaw)| flaw).collect();
        assert_eq!(told, [Flaw::Long { chars_max: 200 }, Flaw::Long { chars_max: 10_000 }]);
        assert_eq!(template(&"x".repeat(200), &"y".repeat(10_000)).check(), []);
    }

    #[test]
    fn a_subject_is_one_line_whatever_the_values_hold() {
        let mut values = template("", "").samples();
        values.insert("name".into(), Datum::Text("Ann\r\nBcc: all\u{0}\u{85}x".into()));
        let rendered = template("Hi  {{ name }}", "{{ name }}").render(&values).unwrap();
        assert_eq!(rendered.subject, "Hi Ann Bcc: all x");
        assert_eq!(rendered.body, "Ann\r\nBcc: all\u{0}\u{85}x");
    }
}
