//! Who is who: the service's ids of the members that a file names, enrolled as they appear.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{StreamExt as _, stream};
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::lookup_member_request::Key;
use proto::rapport::loyalty::v1::member_service_client::MemberServiceClient;
use rpc::client::Client;
use tonic::{Code, Status};

use super::purchase::Program;
use super::send::patiently;

/// Enrolments under way at once, per batch.
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
        let asked = stream::iter(unknown).map(|key| async {
            let id = self.enrol(&key).await;
            (key, id)
        });
        let found: HashMap<String, Result<Arc<str>, Status>> =
            asked.buffer_unordered(PARALLEL).collect().await;
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

    async fn enrol(&self, key: &str) -> Result<Arc<str>, Status> {
        let request = self.program.enrol(key);
        let enrolled = patiently(|| {
            let (mut client, request) = (self.client.clone(), request.clone());
            async move { client.enroll_member(request).await }
        });
        match enrolled.await {
            Ok(answer) => id_of(answer.into_inner().member),
            Err(status) if status.code() == Code::AlreadyExists => self.look_up(key).await,
            Err(status) => Err(status),
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
