//! Who brought a new member: found by the code, and refused where nobody brought anybody.

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
    let mut same = Vec::new();
    for id in member_keys::holders(tx, place, reached).await? {
        same.push(customer(tx, tenant, id).await?);
    }
    if same.contains(&customer(tx, tenant, referrer.id).await?) {
        let message = "the code is that of a member with the same e-mail address or phone number";
        return Ok(Err(Problem::precondition(DOMAIN, "SELF_REFERRAL", message)));
    }
    let mut above = referrer.referred_by;
    for _ in 0..CHAIN_MAX {
        let Some(id) = above else { break };
        if !same.is_empty() && same.contains(&customer(tx, tenant, id).await?) {
            let message = "a friend of the new member's friends was brought by the new member";
            return Ok(Err(Problem::precondition(DOMAIN, "REFERRAL_LOOP", message)));
        }
        above = members::find(tx, tenant, id).await?.and_then(|member| member.referred_by);
    }
    Ok(Ok(referrer.id))
}

/// The member who stands for all that were merged into it.
async fn customer(tx: &Tx, tenant: &Tenant, mut id: Uuid) -> Result<Uuid, db::Error> {
    while let Some(into) = members::find(tx, tenant, id).await?.and_then(|member| member.merged_into) {
        id = into;
    }
    Ok(id)
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
