//! Every attribute, metric and span name of the suite, once. Semantic conventions 1.44; a rename there is an
//! edit here.

/// The version of the conventions these names follow, sent with every span and metric.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.44.0";

/// The instrumentation scope of all our spans and metrics.
pub const SCOPE: &str = "rapport";

/// Bucket bounds for durations in seconds: the conventions' own, with finer ones below 5 ms.
pub const SECONDS: [f64; 17] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0,
    10.0,
];

/// Attributes that several domains share, and those of RPCs.
pub mod attribute {
    /// What kind of error ended the operation; absent on success.
    pub const ERROR_TYPE: &str = "error.type";
    /// The value for an error without a better name.
    pub const ERROR_TYPE_OTHER: &str = "_OTHER";

    /// Always [`RPC_SYSTEM_GRPC`] here.
    pub const RPC_SYSTEM_NAME: &str = "rpc.system.name";
    /// The value of [`RPC_SYSTEM_NAME`].
    pub const RPC_SYSTEM_GRPC: &str = "grpc";
    /// `package.Service/Method`.
    pub const RPC_METHOD: &str = "rpc.method";
    /// The value of [`RPC_METHOD`] for a method that no descriptor names.
    pub const RPC_METHOD_OTHER: &str = "_OTHER";
    /// The gRPC code as text, `OK` included. Called `rpc.status_code` after 1.44.
    pub const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
    /// The host a client calls.
    pub const SERVER_ADDRESS: &str = "server.address";
    /// The port a client calls.
    pub const SERVER_PORT: &str = "server.port";

    /// `postgresql`, `sqlite` or `redis`.
    pub const DB_SYSTEM_NAME: &str = "db.system.name";
    /// The database, or the file's stem.
    pub const DB_NAMESPACE: &str = "db.namespace";
    /// The table.
    pub const DB_COLLECTION_NAME: &str = "db.collection.name";
    /// `SELECT`, `COMMIT`, `HGETALL` ...
    pub const DB_OPERATION_NAME: &str = "db.operation.name";
    /// A short name of the statement, without values.
    pub const DB_QUERY_SUMMARY: &str = "db.query.summary";
    /// The SQLSTATE or the error's prefix.
    pub const DB_RESPONSE_STATUS_CODE: &str = "db.response.status_code";
    /// How many statements one round trip carried.
    pub const DB_OPERATION_BATCH_SIZE: &str = "db.operation.batch.size";
    /// Which pool.
    pub const DB_CLIENT_CONNECTION_POOL_NAME: &str = "db.client.connection.pool.name";
    /// `idle` or `used`.
    pub const DB_CLIENT_CONNECTION_STATE: &str = "db.client.connection.state";

    /// Always `rapport`: our own event log.
    pub const MESSAGING_SYSTEM: &str = "messaging.system";
    /// The log that an event is read from.
    pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
    /// `publish`, `deliver` or `process`.
    pub const MESSAGING_OPERATION_NAME: &str = "messaging.operation.name";
    /// `send`, `receive` or `process`.
    pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
    /// Who reads.
    pub const MESSAGING_CONSUMER_GROUP_NAME: &str = "messaging.consumer.group.name";
    /// The event's id.
    pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
    /// Events in one slice.
    pub const MESSAGING_BATCH_MESSAGE_COUNT: &str = "messaging.batch.message_count";

    /// Which service of the suite, in a process that runs several.
    pub const SERVICE: &str = "rapport.service";
    /// The reason of a refusal, from the closed list in `docs/errors.md`.
    pub const REASON: &str = "rapport.reason";
    /// `interactive` or `batch`.
    pub const PRIORITY: &str = "rapport.priority";
    /// How an operation ended, in one word.
    pub const OUTCOME: &str = "rapport.outcome";
    /// Which cached kind of value.
    pub const CACHE_KIND: &str = "rapport.cache.kind";
}

/// Metrics.
pub mod metric {
    /// Duration of an incoming call in seconds.
    pub const RPC_SERVER_CALL_DURATION: &str = "rpc.server.call.duration";
    /// Duration of an outgoing call, retries included, in seconds.
    pub const RPC_CLIENT_CALL_DURATION: &str = "rpc.client.call.duration";
    /// Outgoing attempts beyond the first.
    pub const RPC_CLIENT_RETRIES: &str = "rapport.rpc.client.retries";
    /// Calls refused because the process had too many.
    pub const RPC_SERVER_SHED: &str = "rapport.rpc.server.shed";
    /// Calls, and mutations that outlived theirs, being worked on.
    pub const RPC_SERVER_IN_FLIGHT: &str = "rapport.rpc.server.in_flight";
    /// Calls waiting for their turn.
    pub const RPC_SERVER_QUEUED: &str = "rapport.rpc.server.queued";
    /// Open connections on the RPC port.
    pub const RPC_SERVER_CONNECTIONS: &str = "rapport.rpc.server.connections";
    /// Handlers and mutations that panicked.
    pub const RPC_SERVER_PANICS: &str = "rapport.rpc.server.panics";

    /// Duration of a database operation in seconds.
    pub const DB_CLIENT_OPERATION_DURATION: &str = "db.client.operation.duration";
    /// Connections of a pool, by state.
    pub const DB_CLIENT_CONNECTION_COUNT: &str = "db.client.connection.count";
    /// Callers waiting for a connection.
    pub const DB_CLIENT_CONNECTION_PENDING_REQUESTS: &str = "db.client.connection.pending_requests";
    /// Transactions run again, by SQLSTATE.
    pub const DB_TRANSACTION_RETRIES: &str = "rapport.db.transaction.retries";

    /// Cache reads by kind and outcome (hit, miss, refused, bypassed).
    pub const CACHE_READS: &str = "rapport.cache.reads";
    /// Fill leases by kind and outcome (taken, waited_hit, waited_timeout, void, bypassed, error).
    pub const CACHE_LEASES: &str = "rapport.cache.leases";
    /// 1 while the breaker keeps calls away from the cache.
    pub const CACHE_BREAKER_OPEN: &str = "rapport.cache.breaker.open";

    /// Events appended and not yet delivered.
    pub const EVENTS_LAG: &str = "rapport.events.lag";
    /// Buckets that stand still with LOG_DIVERGED or LOG_TRUNCATED.
    pub const EVENTS_STOPPED: &str = "rapport.events.stopped";
    /// Age of the oldest undelivered event in seconds.
    pub const EVENTS_OLDEST_AGE: &str = "rapport.events.oldest_age";
    /// Events parked until somebody decides.
    pub const EVENTS_PARKED: &str = "rapport.events.parked";

    /// Commands answered from the record of an earlier one.
    pub const REPLAYS: &str = "rapport.replays";
    /// Commands that the ledger answered, by outcome (done, refused, failed).
    pub const LEDGER_COMMANDS: &str = "rapport.ledger.commands";
    /// Commands committed in one transaction.
    pub const LEDGER_BATCH_SIZE: &str = "rapport.ledger.batch.size";
    /// Points by which the books disagree; anything but 0 is a bug.
    pub const LEDGER_IMBALANCE: &str = "rapport.ledger.imbalance";
    /// 1, with the version as attribute.
    pub const BUILD_INFO: &str = "rapport.build.info";
}
