//! A script that runs inside Redis, so that nothing comes between its looks and its writes.

use redis::{Cmd, RedisResult, Value};

use super::endpoint::Connection;
use crate::Key;

const SET_IF_NEWER: &str = include_str!("set_if_newer.lua");
const SWAP: &str = include_str!("swap.lua");

pub(super) struct Scripts {
    /// Keeps the newest of what is offered: for what a commit wrote.
    pub(super) set_if_newer: Script,
    /// Replaces one value by another: for leases and what is filled under them.
    pub(super) swap: Script,
}

pub(super) struct Script {
    code: &'static str,
    hash: String,
}

impl Scripts {
    pub(super) fn new() -> Scripts {
        Scripts { set_if_newer: Script::new(SET_IF_NEWER), swap: Script::new(SWAP) }
    }

    /// Makes the scripts known to Redis, for as long as that runs.
    pub(super) async fn load(&self, connection: &mut Connection) -> RedisResult<()> {
        self.set_if_newer.load(connection).await?;
        self.swap.load(connection).await
    }
}

impl Script {
    fn new(code: &'static str) -> Script {
        Script { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }

    async fn load(&self, connection: &mut Connection) -> RedisResult<()> {
        connection.one(redis::cmd("SCRIPT").arg("LOAD").arg(self.code)).await.map(|_| ())
    }

    pub(super) fn call(&self, key: &Key, arguments: &[&[u8]]) -> Cmd {
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(1).arg(key.text()).arg(arguments);
        call
    }

    /// The answer to each call, in one round trip. A Redis that was restarted has forgotten the script and is
    /// told it again.
    pub(super) async fn run(
        &self,
        connection: &mut Connection,
        calls: &[Cmd],
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let answers = connection.all(calls).await?;
        if !answers.iter().any(forgotten) {
            return Ok(answers);
        }
        self.load(connection).await?;
        // Only what found no script: the others have their answers, and a repeated one would read "refused".
        let pairs = calls.iter().zip(&answers);
        let lost: Vec<Cmd> =
            pairs.filter(|(_, answer)| forgotten(answer)).map(|(call, _)| call.clone()).collect();
        let mut repeated = connection.all(&lost).await?.into_iter();
        let replace = |answer| match forgotten(&answer) {
            true => repeated.next().unwrap_or(answer),
            false => answer,
        };
        Ok(answers.into_iter().map(replace).collect())
    }
}

fn forgotten(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}
