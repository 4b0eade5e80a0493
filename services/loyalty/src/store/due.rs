//! A wallet with all that falls due by some moment, for those who look at it without deciding anything.

use std::collections::{BTreeMap, BTreeSet};

use ambient::Time;
use db::Owner;
use db::sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::{activities, lots, redemptions, tiers};
use crate::domain::{Redemption, State, Wallet};

/// What settling the wallet up to `until` looks at. Read it on one snapshot.
///
/// # Errors
/// That the database refused, or `Damaged` for a row that does not make sense.
pub async fn state(
    db: &impl ConnectionTrait,
    owner: &Owner,
    wallet: Wallet,
    until: Time,
) -> Result<State, db::Error> {
    let mut want = lots::Want::due(owner, &wallet, until);
    let mut state = State::new(wallet);
    if state.wallet.next_hold <= until {
        let holds = redemptions::open_holds(db, std::slice::from_ref(owner)).await?;
        state.hold(holds.into_iter().map(|(_, hold)| hold));
        let owing = activities::owing(db, std::slice::from_ref(owner)).await?;
        state.owing = owing.into_iter().map(|(_, activity)| (activity.id, activity)).collect();
    }
    want.numbers =
        state.holds.values().flat_map(Redemption::own_lots).collect::<BTreeSet<_>>().into_iter().collect();
    let mut elsewhere: BTreeMap<Uuid, Vec<i64>> = BTreeMap::new();
    let others: BTreeSet<_> = state.holds.values().flat_map(Redemption::other_lots).collect();
    for (wallet_id, number) in others {
        elsewhere.entry(wallet_id).or_default().push(number);
    }
    for (wallet_id, numbers) in elsewhere {
        let origin = Owner::new(owner.tenant(), wallet_id);
        let found = lots::numbered(db, &origin, numbers).await?;
        state.origins.extend(found.into_iter().map(|lot| ((wallet_id, lot.key.number), lot)));
    }
    let loaded = lots::load(db, vec![want]).await?.remove(owner);
    loaded.into_iter().flatten().for_each(|lot| state.insert(lot));
    state.past = tiers::pasts(db, &BTreeSet::from([owner.clone()])).await?.remove(owner);
    Ok(state)
}
