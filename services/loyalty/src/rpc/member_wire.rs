//! The wire's shapes of members and of what is known of them, in both directions.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use proto::google::r#type as gtype;
use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use super::wire::{timestamp, uuid_text};
use crate::domain::{Member, MonthDay, Profile, referral_code};

/// Entries of attributes and of consents at most.
const ENTRIES_MAX: usize = 50;
/// Characters of a name and of a value at most.
const NAME_MAX: usize = 64;
const VALUE_MAX: usize = 500;

pub(super) const IS_NO_EMAIL: &str = "must be an address such as anna@example.com, of at most 254 characters";
pub(super) const IS_NO_PHONE: &str = "must be an E.164 number such as +4930123456";

/// A member as it is now.
pub(super) fn member_message(member: &Member) -> pb::Member {
    pb::Member {
        member_id: uuid_text(member.id),
        program_id: member.program_id.clone(),
        external_id: member.external_id.clone(),
        wallet_id: uuid_text(member.wallet_id),
        state: member.state as i32,
        create_time: Some(timestamp(member.create_time)),
        profile: Some(profile_message(&member.profile)),
        update_time: Some(timestamp(member.update_time)),
        etag: etag(member),
        referral_code: if member.state.is_over() { String::new() } else { referral_code(member.id) },
        referred_by: member.referred_by.map_or_else(String::new, uuid_text),
        merged_into: member.merged_into.map_or_else(String::new, uuid_text),
        household_role: member.role.map_or(0, |role| role as i32),
    }
}

/// What a member's etag is as long as it does not change.
pub(super) fn etag(member: &Member) -> String {
    member.version.to_string()
}

fn profile_message(profile: &Profile) -> pb::MemberProfile {
    let date = |(month, day): (u32, u32)| gtype::Date {
        year: 0,
        month: i32::try_from(month).unwrap_or(0),
        day: i32::try_from(day).unwrap_or(0),
    };
    pb::MemberProfile {
        display_name: profile.display_name.clone(),
        emails: profile.emails.clone(),
        phones: profile.phones.clone(),
        attributes: profile.attributes.clone(),
        locale: profile.locale.clone(),
        time_zone: profile.time_zone.clone(),
        birthday: profile.birthday.map(date),
        consents: profile.consents.clone(),
    }
}

/// Finds that an external id may be that of somebody who was erased.
pub(super) fn external_id(given: &str, path: &Path<'_>, found: &mut Violations) {
    if given.starts_with(Member::ERASED) {
        found.add(path, "external_id", format!("must not begin with {:?}", Member::ERASED));
    }
}

/// A profile that was checked.
pub(super) fn profile(given: &pb::MemberProfile, path: &Path<'_>, found: &mut Violations) -> Profile {
    if !given.emails.iter().all(|address| is_email(address)) {
        found.add(path, "emails", IS_NO_EMAIL);
    }
    if !given.phones.iter().all(|number| is_phone(number)) {
        found.add(path, "phones", IS_NO_PHONE);
    }
    names(given.attributes.keys(), path, "attributes", found);
    names(given.consents.keys(), path, "consents", found);
    if given.attributes.values().any(|value| value.chars().count() > VALUE_MAX) {
        found.add(path, "attributes", format!("must have values of at most {VALUE_MAX} characters"));
    }
    if !given.locale.is_empty() && !is_language_tag(&given.locale) {
        found.add(path, "locale", "must be a BCP 47 tag such as de-CH");
    }
    if !given.time_zone.is_empty() && given.time_zone.parse::<Tz>().is_err() {
        found.add(path, "time_zone", "must be an IANA name such as Europe/Zurich");
    }
    let birthday = given.birthday.as_ref().map(|date| (date.month.unsigned_abs(), date.day.unsigned_abs()));
    let is_day = |date: &gtype::Date| {
        date.year == 0 && MonthDay::try_new(date.month.unsigned_abs(), date.day.unsigned_abs()).is_some()
    };
    if !given.birthday.as_ref().is_none_or(is_day) {
        found.add(path, "birthday", "must be a month and a day that it has in some year, with the year 0");
    }
    Profile {
        display_name: given.display_name.clone(),
        emails: given.emails.clone(),
        phones: given.phones.clone(),
        attributes: given.attributes.clone(),
        locale: given.locale.clone(),
        time_zone: given.time_zone.clone(),
        birthday,
        consents: given.consents.clone(),
    }
}

/// The attributes that members are asked for.
pub(super) fn attributes(
    given: &BTreeMap<String, String>,
    path: &Path<'_>,
    found: &mut Violations,
) -> Vec<(String, String)> {
    names(given.keys(), path, "attributes", found);
    given.clone().into_iter().collect()
}

fn names<'a>(
    given: impl ExactSizeIterator<Item = &'a String>,
    path: &Path<'_>,
    field: &'static str,
    found: &mut Violations,
) {
    if given.len() > ENTRIES_MAX {
        found.add(path, field, format!("must have at most {ENTRIES_MAX} entries"));
    }
    let is_name = |name: &String| {
        let known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=NAME_MAX).contains(&name.len()) && name.chars().all(known)
    };
    if !{ given }.all(is_name) {
        let told = format!("must have names of 1 to {NAME_MAX} lower-case letters, digits and `_`");
        found.add(path, field, told);
    }
}

/// One `@` with something before it, and after it a name with a dot; no blanks.
pub(super) fn is_email(address: &str) -> bool {
    let shape = || {
        let (name, host) = address.split_once('@')?;
        let labels = host.split('.').all(|label| !label.is_empty());
        Some(!name.is_empty() && !host.contains('@') && host.contains('.') && labels)
    };
    let clean = !address.chars().any(|c| c.is_whitespace() || c.is_control());
    clean && address.chars().count() <= 254 && shape().unwrap_or(false)
}

/// `+`, no leading zero, 7 to 15 digits.
pub(super) fn is_phone(number: &str) -> bool {
    let digits = number.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
}

/// A language of 2 or 3 letters, and further parts of 1 to 8 letters or digits.
fn is_language_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let language = parts.next().unwrap_or_default();
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (2..=3).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic()) && parts.all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_numbers_and_tags_have_a_form() {
        for (address, fits) in [
            ("anna@example.com", true),
            ("Anna.O'Hara+club@mail.example.co.uk", true),
            ("grün@exämple.de", true),
            ("anna", false),
            ("@example.com", false),
            ("anna@", false),
            ("anna@localhost", false),
            ("anna@a..b", false),
            ("a@b@c.de", false),
            ("an na@example.com", false),
            ("anna@example.com\n", false),
        ] {
            assert_eq!(is_email(address), fits, "{address}");
        }
        for (number, fits) in
            [("+4930123456", true), ("4930123456", false), ("+0123456789", false), ("+49 30 12", false)]
        {
            assert_eq!(is_phone(number), fits, "{number}");
        }
        for (tag, fits) in
            [("de", true), ("de-CH", true), ("zh-Hant-TW", true), ("german", false), ("de_CH", false)]
        {
            assert_eq!(is_language_tag(tag), fits, "{tag}");
        }
    }
}
