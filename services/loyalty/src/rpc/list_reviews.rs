//! ListReviews: what waits in a program, or waited, with what it is.

use std::collections::HashMap;

use ambient::Time;
use db::sea_orm::ConnectionTrait;
use proto::rapport::loyalty::v1 as pb;
use requests::{Caller, Record};
use tonic::{Request, Status};
use uuid::Uuid;

use super::Api;
use super::call::told;
use super::refusal::program_not_found;
use super::waiting::Waiting;
use super::wire::{cursor, money, opt_timestamp, place, timestamp, uuid_text};
use crate::domain::{Review, ReviewState};
use crate::store::{Owner, reviews};

const METHOD: &str = "ListReviews";

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::ListReviewsRequest>,
) -> Result<pb::ListReviewsResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let (db, program_id) = (api.db.reader(), &message.program_id);
    let program = api.catalogue.program(db, &caller.tenant, program_id).await;
    program.map_err(|e| told(&e))?.ok_or_else(|| program_not_found(program_id))?;
    let state = ReviewState::from_number(message.state).unwrap_or(ReviewState::Open);
    let filter = format!("{program_id} {}", state as i32);
    let list = caller.list(&api.pages, METHOD, &filter, message.page_size)?;
    let opened = list.open(&message.page_token)?;
    let after = opened.and_then(|bytes| place(&bytes)).unwrap_or((Time::MIN, Uuid::nil()));
    let of = (&caller.tenant, program_id.as_str());
    let mut found = reviews::page(db, of, state, after, list.limit()).await.map_err(|e| told(&e))?;
    let next_page_token = list.next(&mut found, |_| 0, |(_, review)| cursor(review.create_time, review.id));
    let reviews = review_messages(db, &found).await.map_err(|e| told(&e))?;
    Ok(pb::ListReviewsResponse { reviews, next_page_token })
}

/// Reviews with the commands that wait.
pub(super) async fn review_messages(
    db: &impl ConnectionTrait,
    reviews: &[(Owner, Review)],
) -> Result<Vec<pb::Review>, db::Error> {
    let keys: Vec<_> = reviews.iter().map(|(owner, review)| (owner.clone(), review.id)).collect();
    let records = requests::find(db, &keys).await?;
    Ok(reviews.iter().map(|(owner, review)| review_message(owner, review, &records)).collect())
}

fn review_message(owner: &Owner, review: &Review, records: &HashMap<(Owner, Uuid), Record>) -> pb::Review {
    let record = records.get(&(owner.clone(), review.id));
    let asked = review.asked.as_ref();
    pb::Review {
        review_id: uuid_text(review.id),
        member_id: uuid_text(owner.id()),
        program_id: review.program_id.clone(),
        limit_id: review.limit_id.clone(),
        state: review.state as i32,
        create_time: Some(timestamp(review.create_time)),
        decide_time: opt_timestamp(review.decide_time),
        decided_by: review.decided_by.clone(),
        note: review.note.clone(),
        points: asked.map(|moved| moved.points),
        currency_code: asked.map_or_else(String::new, |moved| moved.currency.clone()),
        money: asked.and_then(|moved| moved.money).map(money),
        command: record.and_then(Waiting::of).map(Waiting::message),
    }
}
