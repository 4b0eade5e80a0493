//! The wire's shapes of what several RPCs speak of, in both directions.

use proto::rapport::notification::v1 as pb;
use proto::{Path, Violations};

use crate::domain::{Datum, Template, Variable};

pub(super) use requests::wire::{opt_timestamp, timestamp, uuid};

/// A template with its variables.
pub(super) fn template_message(template: &Template) -> pb::Template {
    pb::Template {
        template_id: template.id.clone(),
        version: template.version,
        subject: template.subject.clone(),
        body: template.body.clone(),
        variables: template.variables.iter().map(variable_message).collect(),
        create_time: opt_timestamp(template.create_time),
    }
}

fn variable_message(variable: &Variable) -> pb::TemplateVariable {
    use pb::template_variable::Value;
    let value = match &variable.sample {
        Datum::Text(text) => Value::Text(text.clone()),
        Datum::Number(number) => Value::Number(*number),
    };
    pb::TemplateVariable { name: variable.name.clone(), value: Some(value) }
}

/// Variables from a list whose rules have been checked already; each name may stand in it once.
pub(super) fn variables(
    given: &[pb::TemplateVariable],
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) -> Vec<Variable> {
    use pb::template_variable::Value;
    let mut variables: Vec<Variable> = Vec::with_capacity(given.len());
    for (i, variable) in given.iter().enumerate() {
        let path = path.item(field, i);
        if variables.iter().any(|other| other.name == variable.name) {
            found.add(&path, "name", "must be unique within the list");
        }
        let sample = match &variable.value {
            Some(Value::Text(text)) => Datum::Text(text.clone()),
            Some(Value::Number(number)) => Datum::Number(*number),
            None => continue,
        };
        variables.push(Variable { name: variable.name.clone(), sample });
    }
    variables
}
