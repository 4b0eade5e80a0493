//! Who is who: the service's ids of the members that a file names, enrolled as they appear.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, stream};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::enroll_member_result::Result as Outcome;
use proto::rapport::loyalty::v1::lookup_member_request::Key;
use proto::rapport::loyalty::v1::member_service_client::MemberServiceClient;
use rpc::client::Client;
use tonic::{Code, Status};

use super::purchase::Program;
use super::send::patiently;

/// Look-ups under way at once, per batch.
const PARALLEL: usize = 32;
/// Members that are remembered; more are asked for again, which changes nothing.
const REMEMBERED_MAX: usize = 500_000;

/// The members met so far. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    client: MemberServiceClient<Client>,
    program: Arc<Program>,
    known: Arc<Mutex<HashMap<String, Arc<str>>>>,
}

impl Members {
    pub(crate) fn new(client: Client, program: Arc<Program>) -> Members {
        Members { client: MemberServiceClient::new(client), program, known: Arc::default() }
    }

    /// The ids of the members with these keys, or why there is none; new ones are enrolled.
    pub(crate) async fn resolve(&self, keys: &[&str]) -> Vec<Result<Arc<str>, Status>> {
        let known: Vec<Option<Arc<str>>> = {
            let map = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            keys.iter().map(|key| map.get(*key).cloned()).collect()
        };
        let unknown: HashSet<&str> =
            keys.iter().zip(&known).filter(|(_, id)| id.is_none()).map(|(key, _)| *key).collect();
        let unknown: Vec<String> = unknown.into_iter().map(str::to_owned).collect();
        let found = if unknown.is_empty() { HashMap::new() } else { self.enrol(unknown).await };
        self.remember(&found);
        let lost = || Err(Status::internal("the member was not resolved"));
        let answer = |(key, id): (&&str, Option<Arc<str>>)| match id {
            Some(id) => Ok(id),
            None => found.get(*key).cloned().unwrap_or_else(lost),
        };
        keys.iter().zip(known).map(answer).collect()
    }

    /// Every member met, by the caller's own key.
    pub(crate) fn all(&self) -> Vec<(String, Arc<str>)> {
        let map = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        map.iter().map(|(key, id)| (key.clone(), id.clone())).collect()
    }

    fn remember(&self, found: &HashMap<String, Result<Arc<str>, Status>>) {
        if found.is_empty() {
            return;
        }
        let mut map = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if map.len() > REMEMBERED_MAX {
            map.clear();
        }
        for (key, id) in found {
            if let Ok(id) = id {
                map.insert(key.clone(), id.clone());
            }
        }
    }

    /// At most as many keys as a batch of purchases has.
    async fn enrol(&self, keys: Vec<String>) -> HashMap<String, Result<Arc<str>, Status>> {
        let requests: Vec<_> = keys.iter().map(|key| self.program.enrol(key)).collect();
        let enrolled = patiently(|| {
            let (mut client, requests) = (self.client.clone(), requests.clone());
            async move { client.batch_enroll_members(pb::BatchEnrollMembersRequest { requests }).await }
        });
        let results = match enrolled.await {
            Ok(answer) => answer.into_inner().results,
            Err(status) => return keys.into_iter().map(|key| (key, Err(status.clone()))).collect(),
        };
        let asked = stream::iter(keys.into_iter().zip(results)).map(|(key, result)| async {
            let id = self.id_of(&key, result).await;
            (key, id)
        });
        asked.buffer_unordered(PARALLEL).collect().await
    }

    async fn id_of(&self, key: &str, result: pb::EnrollMemberResult) -> Result<Arc<str>, Status> {
        match result.result {
            Some(Outcome::Response(response)) => id_of(response.member),
            Some(Outcome::Error(error)) if error.code == Code::AlreadyExists as i32 => {
                self.look_up(key).await
            }
            Some(Outcome::Error(error)) => Err(rpc::from_proto(error)),
            None => Err(Status::internal("the server answered without a result")),
        }
    }

    /// Somebody else enrolled the member before.
    async fn look_up(&self, key: &str) -> Result<Arc<str>, Status> {
        let request = pb::LookupMemberRequest {
            program_id: self.program.id.clone(),
            key: Some(Key::ExternalId(key.to_owned())),
        };
        let found = patiently(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.lookup_member(request).await }
        });
        id_of(found.await?.into_inner().member)
    }
}

fn id_of(member: Option<pb::Member>) -> Result<Arc<str>, Status> {
    let id = member.map(|member| member.member_id).filter(|id| !id.is_empty());
    id.map(Arc::from).ok_or_else(|| Status::internal("the server answered without the member"))
}
