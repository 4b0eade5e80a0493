//! The columns of a CSV of each kind of row: their order never changes, new ones are added at the end.

/// What no row has, because the service leaves it out.
pub(super) const LEFT_OUT: [&str; 1] = ["note"];

/// Of a posting.
pub(super) const POSTING: [&str; 15] = [
    "wallet_id",
    "seq",
    "debit_account",
    "credit_account",
    "points",
    "currency_code",
    "reason",
    "effective_time",
    "create_time",
    "actor_member_id",
    "activity_id",
    "redemption_id",
    "rule_version",
    "other_wallet_id",
    "request_id",
];

/// Of a lot.
pub(super) const LOT: [&str; 14] = [
    "wallet_id",
    "lot_number",
    "member_id",
    "currency_code",
    "points",
    "remaining",
    "expired",
    "pending",
    "activate_time",
    "expire_time",
    "activity_id",
    "rule_version",
    "origin_wallet_id",
    "origin_lot_number",
];

/// Of a member. What a profile has is named by both.
pub(super) const MEMBER: [&str; 20] = [
    "member_id",
    "program_id",
    "external_id",
    "wallet_id",
    "state",
    "create_time",
    "update_time",
    "referral_code",
    "referred_by",
    "merged_into",
    "household_role",
    "etag",
    "profile.display_name",
    "profile.emails",
    "profile.phones",
    "profile.attributes",
    "profile.locale",
    "profile.time_zone",
    "profile.birthday",
    "profile.consents",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The fields of a message by their names; those of a profile stand for it.
    fn fields(name: &str) -> BTreeSet<String> {
        let of = |name: &str| proto::message_of(&format!("rapport.loyalty.v1.{name}")).unwrap();
        let mut names = BTreeSet::new();
        for field in of(name).fields() {
            if field.name() == "profile" {
                names.extend(of("MemberProfile").fields().map(|field| format!("profile.{}", field.name())));
            } else {
                names.insert(field.name().to_owned());
            }
        }
        names
    }

    #[test]
    fn every_field_has_a_column() {
        let named = |columns: &[&str]| columns.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let posting = fields("Posting").into_iter().filter(|name| !LEFT_OUT.contains(&name.as_str()));
        assert_eq!(named(&POSTING), posting.collect());
        assert_eq!(named(&LOT), fields("Lot"));
        assert_eq!(named(&MEMBER), fields("Member"));
    }
}
