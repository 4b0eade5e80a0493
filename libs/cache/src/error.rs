//! What can be wrong with the settings of a store or on the way to it. No text here holds a password.

/// Why Redis cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL can never work.
    #[error(
        "the Redis URL is wrong: {reason}; allowed is redis://[user:password@]host[:port][/database] \
         (rediss:// for TLS), several separated by commas for a cluster"
    )]
    Url {
        /// What is wrong, without the URL itself: it may hold a password.
        reason: &'static str,
    },
    /// A duration or count that can never work.
    #[error("the Redis setting {name} must be greater than zero")]
    Zero {
        /// The setting.
        name: &'static str,
    },
    /// Redis did not answer, or refused.
    #[error("Redis at {address} cannot be used: {reason}")]
    Unavailable {
        /// Host and port.
        address: String,
        /// What the connection or Redis said.
        reason: String,
    },
}
