//! A program as a file: TOML with the names of the API, where amounts are texts and enumerations are words.
//!
//! Whatever the API's messages are made of may be written, so nothing here knows a field by its name. What is
//! wrong is told with the place where it stands.

use std::path::Path;

use prost_reflect::{
    DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};
use proto::rapport::loyalty::v1 as pb;
use toml::{Table, Value as Toml};

use crate::Failure;
use crate::money::Currency;

/// True of a field that the service sets by itself.
pub(super) fn is_set_by_service(field: &FieldDescriptor) -> bool {
    match field.name() {
        "version" | "create_time" | "etag" | "state" | "earlier_tiers" => true,
        // When a reward may be had is for those to say who offer it.
        "start_time" | "end_time" => field.parent_message().name() != "Reward",
        _ => false,
    }
}

pub(super) const MOMENT: &str = "google.protobuf.Timestamp";

/// What a file wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) program: pb::Program,
    /// None: whatever rules hold are left alone.
    pub(super) rule_set: Option<pb::RuleSet>,
    /// Other rewards are left alone.
    pub(super) rewards: Vec<pb::Reward>,
}

impl Wanted {
    pub(super) fn read(path: &Path) -> Result<Wanted, Failure> {
        let wrong = |what: String| Failure::usage(format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        Wanted::parse(&text).map_err(wrong)
    }

    fn parse(text: &str) -> Result<Wanted, String> {
        let mut file: Table = text.parse().map_err(|error: toml::de::Error| position(text, &error))?;
        let mut part = |name: &str| file.remove(name);
        let (program, rule_set, rewards) = (part("program"), part("rule_set"), part("rewards"));
        if let Some(name) = file.keys().next() {
            return Err(format!("`{name}` is not known here; expected program, rule_set and rewards"));
        }
        let program = program.ok_or("[program] is missing")?;
        let code = program.get("money_currency_code").and_then(Toml::as_str).unwrap_or_default();
        let currency = Currency::parse(code)
            .ok_or("program.money_currency_code must be an ISO 4217 code of three capital letters")?;
        let reader = Reader { currency };
        let program: pb::Program = reader.message("Program", &program, "program")?;
        let own = |program_id: &mut String| program_id.clone_from(&program.program_id);
        let rule_set = rule_set.map(|rules| reader.message("RuleSet", &rules, "rule_set")).transpose()?;
        let rule_set = rule_set.map(|mut rules: pb::RuleSet| {
            own(&mut rules.program_id);
            rules
        });
        let rewards = match rewards {
            None => Vec::new(),
            Some(Toml::Array(rewards)) => rewards,
            Some(_) => return Err("rewards must be a list: write [[rewards]]".to_owned()),
        };
        let reward = |(n, reward): (usize, &Toml)| {
            let mut reward: pb::Reward = reader.message("Reward", reward, &format!("rewards[{n}]"))?;
            own(&mut reward.program_id);
            Ok(reward)
        };
        let rewards = rewards.iter().enumerate().map(reward).collect::<Result<_, String>>()?;
        Ok(Wanted { program, rule_set, rewards })
    }
}

/// Where a text is not TOML, on one line.
fn position(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(0, |before| before.matches('\n').count()) + 1;
    format!("line {line}: {}", error.message().replace('\n', " "))
}

struct Reader {
    currency: Currency,
}

impl Reader {
    fn message<M: prost::Message + Default>(&self, name: &str, given: &Toml, at: &str) -> Result<M, String> {
        let named = proto::message_of(&format!("rapport.loyalty.v1.{name}"));
        let message = self.fields(named.ok_or("the message is not known")?, given, at)?;
        message.transcode_to().map_err(|error| format!("{at}: {error}"))
    }

    fn fields(&self, of: MessageDescriptor, given: &Toml, at: &str) -> Result<DynamicMessage, String> {
        let table = given.as_table().ok_or_else(|| format!("{at} must be a table"))?;
        let mut message = DynamicMessage::new(of.clone());
        for (name, value) in table {
            let at = format!("{at}.{name}");
            let Some(field) = of.get_field_by_name(name) else {
                let names: Vec<String> = of.fields().map(|field| field.name().to_owned()).collect();
                return Err(format!("{at} is not known; expected one of {}", names.join(", ")));
            };
            if is_set_by_service(&field) {
                return Err(format!("{at} is set by the service; leave it out"));
            }
            if let Some(oneof) = field.containing_oneof()
                && let Some(other) = oneof.fields().find(|other| message.has_field(other))
            {
                return Err(format!("{at} cannot stand beside {}", other.name()));
            }
            message.set_field(&field, self.field(&field, value, &at)?);
        }
        Ok(message)
    }

    fn field(&self, field: &FieldDescriptor, given: &Toml, at: &str) -> Result<Value, String> {
        let kind = field.kind();
        if let (true, Kind::Message(entry)) = (field.is_map(), &kind) {
            let table = given.as_table().ok_or_else(|| format!("{at} must be a table"))?;
            let of = entry.map_entry_value_field().kind();
            let entry = |(key, value): (&String, &Toml)| {
                Ok((MapKey::String(key.clone()), self.value(&of, value, &format!("{at}.{key}"))?))
            };
            return Ok(Value::Map(table.iter().map(entry).collect::<Result<_, String>>()?));
        }
        if !field.is_list() {
            return self.value(&kind, given, at);
        }
        let items = given.as_array().ok_or_else(|| format!("{at} must be a list"))?.iter().enumerate();
        let items = items.map(|(n, item)| self.value(&kind, item, &format!("{at}[{n}]")));
        Ok(Value::List(items.collect::<Result<_, _>>()?))
    }

    fn value(&self, kind: &Kind, given: &Toml, at: &str) -> Result<Value, String> {
        let must = |what: &str| format!("{at} must be {what}");
        match (kind, given) {
            (Kind::String, Toml::String(text)) => Ok(Value::String(text.clone())),
            (Kind::String, Toml::Datetime(moment)) => Ok(Value::String(moment.to_string())),
            (Kind::String, _) => Err(must("a text")),
            (Kind::Bool, Toml::Boolean(yes)) => Ok(Value::Bool(*yes)),
            (Kind::Bool, _) => Err(must("true or false")),
            (Kind::Int64, Toml::Integer(number)) => Ok(Value::I64(*number)),
            (Kind::Int32, Toml::Integer(number)) => {
                i32::try_from(*number).map(Value::I32).map_err(|_| must("a number of at most 2147483647"))
            }
            (Kind::Int32 | Kind::Int64, _) => Err(must("a whole number")),
            (Kind::Enum(words), Toml::String(word)) => {
                word_of(words, word).ok_or_else(|| must(&format!("one of {}", words_of(words).join(", "))))
            }
            (Kind::Enum(_), _) => Err(must("a word")),
            (Kind::Message(of), Toml::String(text)) if of.full_name() == "google.type.Money" => {
                // What a point costs may be less than the smallest coin.
                let of_point = at.ends_with(".unit_cost");
                let read = if of_point { self.currency.fraction(text) } else { self.currency.major(text) };
                let money = read.map_err(|error| format!("{at}: {error}"))?;
                message(of, &money, at)
            }
            (Kind::Message(of), _) if of.full_name() == "google.type.Money" => {
                Err(must("an amount as a text, such as \"12.50\""))
            }
            (Kind::Message(of), Toml::Datetime(moment)) if of.full_name() == MOMENT => {
                let moment = chrono::DateTime::parse_from_rfc3339(&moment.to_string());
                let moment =
                    moment.map_err(|_| must("a moment with an offset, such as 2026-12-24T00:00:00Z"))?;
                let moment = prost_types::Timestamp::from(std::time::SystemTime::from(moment));
                message(of, &moment, at)
            }
            (Kind::Message(of), _) if of.full_name() == MOMENT => {
                Err(must("a moment without quotes, such as 2026-12-24T00:00:00Z"))
            }
            (Kind::Message(of), _) => self.fields(of.clone(), given, at).map(Value::Message),
            (kind, _) => Err(format!("{at} cannot be written in a file ({kind:?})")),
        }
    }
}

/// A value of a type that the API shares with others.
fn message(of: &MessageDescriptor, value: &impl prost::Message, at: &str) -> Result<Value, String> {
    let mut message = DynamicMessage::new(of.clone());
    message.transcode_from(value).map_err(|error| format!("{at}: {error}"))?;
    Ok(Value::Message(message))
}

/// The words of an enumeration: its names without what they have in common, in lower case.
fn words_of(of: &EnumDescriptor) -> Vec<String> {
    of.values().filter(|value| value.number() != 0).map(|value| word(of, value.name())).collect()
}

fn word_of(of: &EnumDescriptor, given: &str) -> Option<Value> {
    let given = given.to_lowercase().replace('-', "_");
    let mut values = of.values().filter(|value| value.number() != 0);
    let value = values.find(|value| word(of, value.name()) == given)?;
    Some(Value::EnumNumber(value.number()))
}

/// `ACTIVITY_TYPE_CHECK_IN` of `ActivityType` is `check_in`.
pub(crate) fn word(of: &EnumDescriptor, name: &str) -> String {
    let mut prefix = String::new();
    for letter in of.name().chars() {
        if letter.is_ascii_uppercase() && !prefix.is_empty() {
            prefix.push('_');
        }
        prefix.push(letter.to_ascii_uppercase());
    }
    name.trim_start_matches(&prefix).trim_start_matches('_').to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "[program]\nprogram_id = 'shop'\nmoney_currency_code = 'EUR'\n";

    fn told(more: &str) -> String {
        Wanted::parse(&format!("{SHOP}{more}")).unwrap_err()
    }

    #[test]
    fn a_file_has_the_names_of_the_api() {
        let wanted = Wanted::parse(&format!(
            "{SHOP}expiry_policy = {{ rolling_months = 6, round_to = 'quarter' }}\n\
             tiers = [{{ tier_id = 'a', threshold = '0' }}, {{ tier_id = 'b', threshold = '12.50' }}]\n\
             [[rule_set.rules]]\nrule_id = 'r'\nactivity_types = ['purchase', 'check-in']\nfixed_points = 3\n\
             window = {{ start = 2026-12-01T00:00:00 }}\n\
             [[rewards]]\nreward_id = 'mug'\nprice_points = 100\nunlimited = true\n\
             start_time = 2026-12-24T00:00:00+01:00\n"
        ));
        let wanted = wanted.unwrap();
        let expiry = wanted.program.expiry_policy.unwrap();
        assert_eq!(expiry.policy, Some(pb::expiry_policy::Policy::RollingMonths(6)));
        assert_eq!(expiry.round_to(), pb::ExpiryPeriod::Quarter);
        let threshold = wanted.program.tiers[1].threshold.clone().unwrap();
        assert_eq!(
            (threshold.currency_code.as_str(), threshold.units, threshold.nanos),
            ("EUR", 12, 500_000_000)
        );
        let rules = wanted.rule_set.unwrap();
        assert_eq!(rules.program_id, "shop");
        let types: Vec<_> = rules.rules[0].activity_types().collect();
        assert_eq!(types, [pb::ActivityType::Purchase, pb::ActivityType::CheckIn]);
        assert_eq!(rules.rules[0].window.clone().unwrap().start, "2026-12-01T00:00:00");
        assert_eq!(wanted.rewards[0].stock, Some(pb::reward::Stock::Unlimited(true)));
        assert_eq!(wanted.rewards[0].program_id, "shop");
        let start = prost_types::Timestamp { seconds: 1_798_066_800, nanos: 0 };
        assert_eq!(wanted.rewards[0].start_time, Some(start));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        assert_eq!(told("name = "), "line 4: string values must be quoted, expected literal string");
        assert!(
            told("colour = 'red'").starts_with("program.colour is not known; expected one of program_id, ")
        );
        assert_eq!(told("version = 3"), "program.version is set by the service; leave it out");
        assert_eq!(told("display_name = 3"), "program.display_name must be a text");
        assert_eq!(
            told("return_policy = 'some'"),
            "program.return_policy must be one of only_pending, within_balance, unlimited"
        );
        assert_eq!(
            told("tiers = [{ threshold = 1.5 }]"),
            "program.tiers[0].threshold must be an amount as a text, such as \"12.50\""
        );
        let finer = told("tiers = [{ threshold = '0.001' }]");
        assert_eq!(finer, "program.tiers[0].threshold: `0.001` is finer than EUR allows (2 decimals)");
        let both = told("expiry_policy = { rolling_days = 1, rolling_months = 1 }");
        assert_eq!(both, "program.expiry_policy.rolling_months cannot stand beside rolling_days");
        let large = told("expiry_policy = { rolling_days = 9999999999 }");
        assert_eq!(large, "program.expiry_policy.rolling_days must be a number of at most 2147483647");
        let hour = told("[[rewards]]\nend_time = 2026-12-24T00:00:00");
        assert_eq!(hour, "rewards[0].end_time must be a moment with an offset, such as 2026-12-24T00:00:00Z");
        let text = told("[[rewards]]\nend_time = '2026-12-24T00:00:00Z'");
        assert_eq!(text, "rewards[0].end_time must be a moment without quotes, such as 2026-12-24T00:00:00Z");
        let start = told("[rule_set]\nstart_time = 2026-12-24T00:00:00Z");
        assert_eq!(start, "rule_set.start_time is set by the service; leave it out");
        assert_eq!(told("[rules]"), "`rules` is not known here; expected program, rule_set and rewards");
        assert_eq!(told("[rewards]"), "rewards must be a list: write [[rewards]]");
        assert_eq!(Wanted::parse("").unwrap_err(), "[program] is missing");
        let currency = "program.money_currency_code must be an ISO 4217 code of three capital letters";
        assert_eq!(Wanted::parse("[program]\nmoney_currency_code = 'euro'").unwrap_err(), currency);
    }
}
