//! ExportMember: everything that is kept of a member, page after page, however much it is.

use std::sync::Arc;

use db::Db;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use futures::{FutureExt, TryStreamExt};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::export_member_response::Piece;
use requests::Caller;
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::activity_wire::activity_message;
use super::call::told;
use super::get_balance;
use super::get_tier_history::periods;
use super::list_lots::lot_message;
use super::list_postings::posting_message;
use super::list_referrals::referral_message;
use super::list_reviews::review_messages;
use super::member_wire::member_message;
use super::redemption_wire::redemption_message;
use super::refusal::member_not_found;
use super::wire::only_id;
use crate::domain::{Program, Wallet};
use crate::store::{
    Owner, activities, lots, members, postings, redemptions, referrals, reviews, tiers, wallets,
};

/// Rows of one page.
const ROWS: u64 = 500;

type Pieces = BoxStream<'static, Result<pb::ExportMemberResponse, Status>>;

pub(super) async fn handle(api: &Api, request: Request<pb::ExportMemberRequest>) -> Result<Pieces, Status> {
    let (caller, message) = Caller::open(request)?;
    let member_id = only_id(&message.member_id, "member_id")?;
    let db = api.db.reader();
    let member = members::find(db, &caller.tenant, member_id).await.map_err(|e| told(&e))?;
    let member = member.ok_or_else(|| member_not_found(&message.member_id))?;
    let (owner, wallet, program) = api.settled(&caller, member_id).await?;
    let balance = get_balance::full(api, &owner).await?;
    let rows = tiers::known_at(db, &owner, ambient::Time::MAX).await.map_err(|e| told(&e))?;
    let tiers = periods(&program, wallet.open_time, &rows).into_iter().map(Piece::Tier);
    let known: Vec<Piece> =
        [Piece::Member(member_message(&member)), Piece::Balance(balance)].into_iter().chain(tiers).collect();
    let own = Owner::new(&caller.tenant, member_id);
    let friends_and_reviews = stream::iter(beside(api, &own)).flatten();
    let known = stream::iter(known.into_iter().map(|piece| Ok(response(piece))));
    let (wallets, api) = (api.wallets_of(&own, owner).await?, api.clone());
    let parts = stream::iter(wallets).then(move |owner| of_wallet(api.clone(), owner, own.clone()));
    Ok(known.chain(parts.try_flatten()).chain(friends_and_reviews).boxed())
}

/// What a wallet owns of the member whose own one is `own`.
async fn of_wallet(api: Api, owner: Owner, own: Owner) -> Result<Pieces, Status> {
    let found = wallets::find(api.db.reader(), &owner).await.map_err(|e| told(&e))?;
    let Some(found) = found else { return Ok(stream::empty().boxed()) };
    let program = api.program_of(&owner, &found).await?;
    // Of a wallet that others have points in, only what is in the member's name.
    let only = (owner != own).then(|| own.id());
    Ok(stream::iter(pieces(&api, owner, only, found.wallet, &program)).flatten().boxed())
}

/// What is kept beside the wallets that have the member's points.
fn beside(api: &Api, own: &Owner) -> [Pieces; 2] {
    let rows = (api.db.clone(), own.clone());
    let friends = Rows::of(&rows, Uuid::nil(), |db, owner, after| {
        async move { referrals::page(db.reader(), owner.tenant(), owner.id(), after, ROWS).await }.boxed()
    });
    let reviews = Rows::of(&rows, Uuid::nil(), |db, owner, after| {
        async move {
            let found = reviews::of_wallet(db.reader(), &owner, after, ROWS).await?;
            let messages = review_messages(db.reader(), &found).await?;
            Ok(found.into_iter().map(|(_, review)| review.id).zip(messages).collect())
        }
        .boxed()
    });
    [
        friends.pieces(|one| one.friend.id(), |one| Some(Piece::Referral(referral_message(one)))),
        reviews.pieces(|(id, _)| *id, |(_, review)| Some(Piece::Review(review.clone()))),
    ]
}

/// What a wallet owns, of one member if `only` says so.
fn pieces(
    api: &Api,
    owner: Owner,
    only: Option<Uuid>,
    wallet: Wallet,
    program: &Arc<Program>,
) -> [Pieces; 4] {
    let wallet_id = owner.id();
    let rows = (api.db.clone(), owner);
    let [of_lots, of_activities, of_postings] = std::array::from_fn(|_| program.clone());
    let lots = Rows::of(&rows, 0, |db, owner, after| {
        async move { lots::page(db.reader(), &owner, after, false, ROWS).await }.boxed()
    });
    let activities = Rows::of(&rows, Uuid::max(), |db, owner, before| {
        async move { activities::page(db.reader(), &owner, &Default::default(), before, ROWS).await }.boxed()
    });
    let redemptions = Rows::of(&rows, Uuid::max(), |db, owner, before| {
        async move { redemptions::page(db.reader(), &owner, redemptions::Filter::All, before, ROWS).await }
            .boxed()
    });
    let postings = Rows::of(&rows, i64::MAX, |db, owner, before| {
        async move { postings::page(db.reader(), &owner, &Default::default(), before, ROWS).await }.boxed()
    });
    let told = move |member_id: Uuid| only.is_none_or(|only| only == member_id);
    [
        lots.pieces(
            |lot| lot.key.number,
            move |lot| told(lot.member_id).then(|| Piece::Lot(lot_message(&wallet, &of_lots, lot))),
        ),
        activities.pieces(
            |one| one.id,
            move |one| told(one.member_id).then(|| Piece::Activity(activity_message(&of_activities, one))),
        ),
        redemptions.pieces(
            |one| one.id,
            move |one| told(one.member_id).then(|| Piece::Redemption(redemption_message(one))),
        ),
        postings.pieces(
            |one| one.posting.seq,
            move |one| {
                told(one.posting.source.actor_member_id)
                    .then(|| Piece::Posting(posting_message(wallet_id, one, &of_postings)))
            },
        ),
    ]
}

/// Reads one page: what comes after a place.
type Read<K, T> = fn(Db, Owner, K) -> BoxFuture<'static, Result<Vec<T>, db::Error>>;

/// All rows that a wallet owns of one kind, from a first place on.
struct Rows<K, T> {
    db: Db,
    owner: Owner,
    first: K,
    read: Read<K, T>,
}

impl<K: Copy + Send + 'static, T: Send + 'static> Rows<K, T> {
    fn of((db, owner): &(Db, Owner), first: K, read: Read<K, T>) -> Rows<K, T> {
        Rows { db: db.clone(), owner: owner.clone(), first, read }
    }

    /// As pieces; a row's place is where the page after it begins.
    fn pieces(self, place: fn(&T) -> K, piece: impl Fn(&T) -> Option<Piece> + Send + 'static) -> Pieces {
        let Rows { db, owner, first, read } = self;
        let pages = stream::try_unfold(Some(first), move |at| {
            let reading = at.map(|at| read(db.clone(), owner.clone(), at));
            async move {
                let Some(reading) = reading else { return Ok(None) };
                let page = reading.await.map_err(|error| told(&error))?;
                let next = page.last().map(place).filter(|_| page.len() as u64 == ROWS);
                Ok::<_, Status>(Some((page, next)))
            }
        });
        let pieces = move |page: Vec<T>| -> Vec<_> {
            page.iter().filter_map(&piece).map(|p| Ok(response(p))).collect()
        };
        pages.map_ok(move |page| stream::iter(pieces(page))).try_flatten().boxed()
    }
}

fn response(piece: Piece) -> pb::ExportMemberResponse {
    pb::ExportMemberResponse { piece: Some(piece) }
}
