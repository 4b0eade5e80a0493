//! The cache against its promise: both stores by one list, and Redis under every fault it can have.

#![cfg(test)]

mod redis_cluster;
mod redis_faults;
mod redis_server;
mod stores;
