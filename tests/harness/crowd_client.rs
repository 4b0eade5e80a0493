//! Asks the service for the deeds of a crowd.

use ambient::Time;
use pb::points_service_client::PointsServiceClient;
use proto::rapport::loyalty::v1 as pb;
use rpc::client::Client;
use tonic::Status;

use crate::calls;
use crate::goodwill::{self, Purse};
use crate::model_client::code;
use crate::model_crowd::Deed;
use crate::moves;
use crate::orders::{self, Order};
use crate::reward_client::reward_id;

/// What was told of each currency, or of that which the deed is about, and the balance of that one after it.
pub type Told = (Vec<Vec<i64>>, pb::Balance);

/// Asks for a deed of those with these ids, with points of a purse if it is about one.
///
/// # Errors
/// What the service refused.
pub async fn ask(
    client: &Client,
    ids: &[String],
    request_id: &str,
    (purse, deed): (usize, Deed),
) -> Result<Told, Status> {
    let (request_id, currency_code) = (request_id.to_owned(), code(purse));
    let id = |name: usize| ids[name].clone();
    let mut points = PointsServiceClient::new(client.clone());
    let balance = match deed {
        Deed::Buy(..) | Deed::Reverse(..) | Deed::Confirm(..) | Deed::Cancel(..) => {
            return shop(client, ids, request_id, deed).await;
        }
        Deed::Merge(..) | Deed::Unmerge(_) | Deed::Join(..) | Deed::Leave(_) => {
            return move_member(client, ids, request_id, deed).await;
        }
        Deed::Redeem(name) => {
            let (member_id, reward_id) = (id(name), reward_id(purse));
            let what = pb::RedeemRewardRequest { request_id, member_id, reward_id, ..Default::default() };
            let request = pb::RedeemRewardRequest { quantity: 1, ..what };
            calls::redeem(client, request).await?.balance
        }
        Deed::Adjust(name, n) => {
            let purse = Purse { request_id, member_id: id(name), currency_code };
            goodwill::adjust(client, purse, n).await?.1
        }
        Deed::Give(name, to, n) => {
            let request = pb::TransferPointsRequest {
                request_id,
                member_id: id(name),
                to_member_id: id(to),
                points: n,
                currency_code,
                ..Default::default()
            };
            points.transfer_points(request).await?.into_inner().balance
        }
        Deed::Extend(name, before, to) => {
            let purse = Purse { request_id, member_id: id(name), currency_code };
            let moments = (Time::from_micros(before), Time::from_micros(to));
            return told(goodwill::extend(client, purse, moments).await?);
        }
        Deed::Reinstate(name, since) => {
            let purse = Purse { request_id, member_id: id(name), currency_code };
            return told(goodwill::reinstate(client, purse, Time::from_micros(since)).await?);
        }
    };
    Ok((vec![vec![]], balance.expect("a balance")))
}

fn told((points, balance): (i64, Option<pb::Balance>)) -> Result<Told, Status> {
    Ok((vec![vec![points]], balance.expect("a balance")))
}

async fn shop(client: &Client, ids: &[String], request_id: String, deed: Deed) -> Result<Told, Status> {
    let order =
        |name: usize, key| Order { request_id: request_id.clone(), member_id: ids[name].clone(), key };
    let parts = |r: &pb::Reversal| {
        vec![r.points_owed, r.points_from_pending, r.points_from_available, r.points_waived]
    };
    let (told, balance) = match deed {
        Deed::Buy(name, key, units) => {
            let mut request = pb::RecordActivityRequest { request_id, ..calls::purchase(&ids[name], units) };
            request.activity.as_mut().expect("an activity").external_id = orders::external_id(key);
            let done = calls::record(client, request).await?;
            let activity = done.activity.expect("an activity");
            let further = activity.further_points.iter().map(|earned| earned.points);
            let told = [activity.points].into_iter().chain(further).map(|points| vec![points]).collect();
            (told, done.balance)
        }
        Deed::Reverse(name, key, dollars) => {
            let part = dollars.map(|dollars| calls::usd(dollars, 0));
            let (back, balance) = orders::take_back(client, order(name, key), part).await?;
            (back.iter().map(parts).collect(), balance)
        }
        Deed::Confirm(name, key) => {
            let (released, balance) = orders::confirm(client, order(name, key)).await?;
            (released.into_iter().map(|points| vec![points]).collect(), balance)
        }
        Deed::Cancel(name, key) => {
            let (back, balance) = orders::cancel(client, order(name, key)).await?;
            (back.iter().map(parts).collect(), balance)
        }
        _ => panic!("{deed:?} has nothing to do with a shop"),
    };
    Ok((told, balance.expect("a balance")))
}

async fn move_member(
    client: &Client,
    ids: &[String],
    request_id: String,
    deed: Deed,
) -> Result<Told, Status> {
    macro_rules! told {
        ($asked:expr) => {{
            let moved = $asked.await?;
            let further = moved.further_points_moved.iter().map(|further| further.points);
            let told = [moved.points_moved].into_iter().chain(further).map(|points| vec![points]).collect();
            Ok((told, moved.balance.expect("a balance")))
        }};
    }
    let redeemer = pb::HouseholdRole::Redeemer;
    match deed {
        Deed::Merge(name, into) => {
            let request = pb::MergeMembersRequest { request_id, ..moves::merger(&ids[name], &ids[into]) };
            told!(moves::merge(client, request))
        }
        Deed::Unmerge(name) => told!(moves::unmerge_as(client, request_id, &ids[name])),
        Deed::Join(name, home) => {
            told!(moves::join_as(client, request_id, (&ids[home], &ids[name]), redeemer))
        }
        Deed::Leave(name) => told!(moves::leave_as(client, request_id, &ids[name])),
        _ => panic!("{deed:?} moves nobody"),
    }
}
