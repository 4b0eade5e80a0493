//! Who brought a new member: found by the code, and refused where nobody brought anybody.

use std::collections::{BTreeSet, VecDeque};

use db::Tx;
use rpc::Problem;
use uuid::Uuid;

use super::refusal::DOMAIN;
use crate::domain::{Member, MemberKey, MemberState, Program};
use crate::store::{Tenant, member_keys, members};

/// How far back it is looked for whom a chain of friends began with.
const CHAIN_MAX: usize = 1_000;

/// A code as it is kept: letters that look like digits are those, and what only helps the eye is gone.
pub(super) fn canonical_code(given: &str) -> String {
    let letter = |c: char| match c.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    given.chars().filter(|c| !c.is_whitespace() && *c != '-').map(letter).collect()
}

/// The member whose code this is, or why the new member cannot name it: nobody brings themselves, and no
/// friend of a friend brings the one with whom that began. People are known by their addresses and numbers.
pub(super) async fn referrer(
    tx: &Tx,
    tenant: &Tenant,
    new: &Member,
    program: &Program,
    code: &str,
) -> Result<Result<Uuid, Problem>, db::Error> {
    if program.referral.is_none() {
        let message = "the program rewards nobody for friends; leave referral_code out";
        return Ok(Err(Problem::precondition(DOMAIN, "REFERRALS_NOT_OFFERED", message)));
    }
    let place = (tenant, program.id.as_str());
    let found = member_keys::holders(tx, place, [MemberKey::Referral(code.to_owned())]).await?;
    let mut current = None;
    for id in found {
        current = members::find(tx, tenant, id).await?.filter(|member| member.state == MemberState::Active);
    }
    let Some(referrer) = current else {
        let message = "no active member has this referral_code";
        return Ok(Err(Problem::not_found(DOMAIN, "REFERRAL_CODE_NOT_FOUND", message)));
    };
    let reached = new.profile.keys().filter(|key| !matches!(key, MemberKey::Attribute(..)));
    let mut same = BTreeSet::new();
    for id in member_keys::holders(tx, place, reached).await? {
        if let Some(member) = members::find(tx, tenant, id).await? {
            same.insert(members::survivor(tx, tenant, member).await?.id);
        }
    }
    let referrer_id = referrer.id;
    let (mut above, mut seen) = (VecDeque::from([referrer]), BTreeSet::new());
    while let Some(member) = above.pop_front().filter(|_| !same.is_empty() && seen.len() < CHAIN_MAX) {
        let names = members::customer(tx, tenant, member).await?;
        let is_referrer = seen.is_empty();
        if !names.iter().all(|name| seen.insert(name.id)) {
            continue;
        }
        if names.iter().any(|name| same.contains(&name.id)) {
            return Ok(Err(is_the_same_customer(is_referrer)));
        }
        for id in names.iter().filter_map(|name| name.referred_by) {
            above.extend(members::find(tx, tenant, id).await?);
        }
    }
    Ok(Ok(referrer_id))
}

fn is_the_same_customer(is_referrer: bool) -> Problem {
    let (reason, message) = if is_referrer {
        ("SELF_REFERRAL", "the code is that of a member with the same e-mail address or phone number")
    } else {
        ("REFERRAL_LOOP", "a friend of the new member's friends was brought by the new member")
    };
    Problem::precondition(DOMAIN, reason, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        assert_eq!(canonical_code(" 7kq0-ol1i 2abc "), "7KQ001112ABC");
        assert_eq!(canonical_code("7KQ001112ABC"), "7KQ001112ABC");
    }
}
