//! The cache against its promise: both stores by one list, and Redis under every fault it can have.

#![cfg(test)]

mod harness;
mod redis_cluster;
mod redis_faults;
mod redis_leases;
mod redis_server;
mod redis_unpublished;
mod stores;
