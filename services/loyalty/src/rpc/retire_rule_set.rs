//! RetireRuleSet: a rule set holds no longer.

use proto::rapport::loyalty::v1 as pb;
use requests::Caller;
use tonic::{Request, Status};

use super::Api;
use super::refusal::DOMAIN;
use super::rule_set_term::Change;
use super::wire::only_id;
use crate::domain::retire;

pub(super) async fn handle(
    api: &Api,
    request: Request<pb::RetireRuleSetRequest>,
) -> Result<pb::RetireRuleSetResponse, Status> {
    let (caller, message) = Caller::open(request)?;
    let request_id = only_id(&message.request_id, "request_id")?;
    let (version, now) = (message.version, api.clock.now());
    let call = caller.call(DOMAIN, "RetireRuleSet", request_id, &message);
    let change = Change { version, now, decide: move |terms: &[_]| retire(terms, version, now) };
    let answer = |rule_set| pb::RetireRuleSetResponse { rule_set: Some(rule_set), replayed: false };
    let (response, replayed) = api.change_terms(&caller, call, &message.program_id, change, answer).await?;
    Ok(pb::RetireRuleSetResponse { replayed, ..response })
}
