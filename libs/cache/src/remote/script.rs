//! Set-if-newer, run inside Redis so that nothing comes between the comparison and the write.

use std::time::Duration;

use redis::{Cmd, RedisResult, Value};

use super::endpoint::Connection;
use crate::snapshot::Entry;
use crate::{AGE_MAX, Key, wire};

const CODE: &str = include_str!("set_if_newer.lua");

pub(super) struct Script {
    hash: String,
}

impl Script {
    pub(super) fn new() -> Script {
        Script { hash: redis::Script::new(CODE).get_hash().to_owned() }
    }

    /// Makes the script known to Redis, for as long as that runs.
    pub(super) async fn load(&self, connection: &mut Connection) -> RedisResult<()> {
        connection.one(redis::cmd("SCRIPT").arg("LOAD").arg(CODE)).await.map(|_| ())
    }

    /// Offers each entry: true if it was taken, false if Redis has it or something newer. An entry past its
    /// life is not sent and counts as refused. A Redis that was restarted has forgotten the script and is
    /// told it again.
    pub(super) async fn set_if_newer(
        &self,
        connection: &mut Connection,
        entries: &[(&Key, Entry)],
        now: Duration,
        ttl: impl Fn() -> Duration,
    ) -> RedisResult<Vec<RedisResult<bool>>> {
        let calls: Vec<Option<Cmd>> =
            entries.iter().map(|(key, entry)| self.call(key, entry, now, ttl())).collect();
        let commands: Vec<Cmd> = calls.iter().flatten().cloned().collect();
        let mut answers = connection.all(&commands).await?;
        if answers.iter().any(forgotten) {
            self.load(connection).await?;
            answers = self.again(connection, &commands, answers).await?;
        }
        let mut answers = answers.into_iter();
        let answer = |call: &Option<Cmd>| match call {
            None => Ok(false),
            Some(_) => answers.next().unwrap_or(Ok(Value::Nil)).map(|taken| taken == Value::Int(1)),
        };
        Ok(calls.iter().map(answer).collect())
    }

    /// Repeats only what found no script: the others have their answers, and a repeated one would read
    /// "refused".
    async fn again(
        &self,
        connection: &mut Connection,
        commands: &[Cmd],
        answers: Vec<RedisResult<Value>>,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let pairs = commands.iter().zip(&answers);
        let lost: Vec<Cmd> =
            pairs.filter(|(_, answer)| forgotten(answer)).map(|(command, _)| command.clone()).collect();
        let mut repeated = connection.all(&lost).await?.into_iter();
        let replace = |answer| match forgotten(&answer) {
            true => repeated.next().unwrap_or(answer),
            false => answer,
        };
        Ok(answers.into_iter().map(replace).collect())
    }

    /// The call that offers one entry; `None` if its life is over.
    fn call(&self, key: &Key, entry: &Entry, now: Duration, ttl: Duration) -> Option<Cmd> {
        let life = entry.life();
        // Both bounds count from the moment the state was known, not from now.
        let ttl = ttl.saturating_sub(AGE_MAX.saturating_sub(life));
        if ttl.as_millis() == 0 {
            return None;
        }
        let value = wire::encode(key, entry, now.saturating_add(life));
        let mut call = redis::cmd("EVALSHA");
        call.arg(&self.hash).arg(1).arg(key.text()).arg(&value[..]).arg(ttl.as_millis().to_string());
        Some(call)
    }
}

fn forgotten(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}
