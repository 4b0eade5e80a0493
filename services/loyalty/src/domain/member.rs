//! A member: who it is, how it is reached, and whether it may act.

use std::collections::BTreeMap;

use ambient::Time;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rules::MemberFacts;
use super::{HouseholdRole, referral_code};

/// Who belongs to which program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Random UUID.
    pub id: Uuid,
    /// The program.
    pub program_id: String,
    /// The caller's own key.
    pub external_id: String,
    /// Where the member's points are.
    pub wallet_id: Uuid,
    /// Whether the member may act.
    pub state: MemberState,
    /// Who the member is.
    pub profile: Profile,
    /// The member who brought this one.
    pub referred_by: Option<Uuid>,
    /// The member that this one was merged into.
    pub merged_into: Option<Uuid>,
    /// Its role in the household that its wallet is of.
    pub role: Option<HouseholdRole>,
    /// Grows with every change.
    pub version: i64,
    /// When the member was enrolled.
    pub create_time: Time,
    /// When it last changed.
    pub update_time: Time,
}

/// Whether a member may act. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum MemberState {
    /// May earn and redeem.
    Active = 1,
    /// May neither earn nor redeem for now.
    Suspended = 2,
    /// Has left.
    Closed = 3,
    /// Has left, and nothing personal is known any more.
    Erased = 4,
}

/// Who a member is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// A name for people.
    pub display_name: String,
    /// E-mail addresses, the first one first.
    pub emails: Vec<String>,
    /// Phone numbers as E.164.
    pub phones: Vec<String>,
    /// Whatever else is known.
    pub attributes: BTreeMap<String, String>,
    /// BCP 47 tag; may be empty.
    pub locale: String,
    /// IANA name; may be empty.
    pub time_zone: String,
    /// Month and day.
    pub birthday: Option<(u32, u32)>,
    /// What the member agreed to or refused, by purpose.
    pub consents: BTreeMap<String, bool>,
}

/// What members are found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemberKey {
    /// An e-mail address, in small letters.
    Email(String),
    /// A phone number as E.164.
    Phone(String),
    /// An attribute and its value.
    Attribute(String, String),
    /// The code by which it brings friends.
    Referral(String),
}

impl MemberState {
    /// The state with this stored number.
    pub fn from_number(number: i32) -> Option<MemberState> {
        use MemberState::{Active, Closed, Erased, Suspended};
        [Active, Suspended, Closed, Erased].into_iter().find(|state| *state as i32 == number)
    }

    /// True if the member has left.
    pub fn is_over(self) -> bool {
        matches!(self, MemberState::Closed | MemberState::Erased)
    }
}

impl Member {
    /// One who comes to a program now, brought by nobody.
    pub fn enrolled(id: Uuid, program_id: &str, external_id: &str, profile: Profile, now: Time) -> Member {
        Member {
            id,
            program_id: program_id.to_owned(),
            external_id: external_id.to_owned(),
            wallet_id: id,
            state: MemberState::Active,
            profile,
            referred_by: None,
            merged_into: None,
            role: None,
            version: 1,
            create_time: now,
            update_time: now,
        }
    }

    /// What the external ids of the erased begin with, and of nobody else.
    pub const ERASED: &str = "erased-";

    /// What nobody's own key looks like: it stands for that of an erased member.
    pub fn pseudonym(id: Uuid) -> String {
        format!("{}{id}", Member::ERASED)
    }
}

impl Member {
    /// What it is to rules.
    pub fn facts(&self) -> MemberFacts {
        let (birth_month, birth_day) = self.profile.birthday.unwrap_or_default();
        MemberFacts {
            external_id: self.external_id.clone(),
            attributes: self.profile.attributes.clone(),
            locale: self.profile.locale.clone(),
            time_zone: self.profile.time_zone.clone(),
            birth_month,
            birth_day,
            join_micros: self.create_time.micros(),
        }
    }

    /// What it is found by. Who has left brings nobody any more.
    pub fn keys(&self) -> impl Iterator<Item = MemberKey> {
        let code = (!self.state.is_over()).then(|| MemberKey::Referral(referral_code(self.id)));
        self.profile.keys().chain(code)
    }
}

impl MemberKey {
    /// That of an e-mail address, in any case of letters.
    pub fn email(address: &str) -> MemberKey {
        MemberKey::Email(address.to_lowercase())
    }
}

impl Profile {
    /// What a member with this profile is found by.
    pub fn keys(&self) -> impl Iterator<Item = MemberKey> {
        let emails = self.emails.iter().map(|address| MemberKey::email(address));
        let phones = self.phones.iter().cloned().map(MemberKey::Phone);
        let attributes = self.attributes.clone().into_iter();
        emails.chain(phones).chain(attributes.map(|(key, value)| MemberKey::Attribute(key, value)))
    }
}
