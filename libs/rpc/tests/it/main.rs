//! A real server on a real socket, called by clients that misbehave.

#![cfg(test)]

extern crate rapport_rpc as rpc;

mod a_call_has_a_deadline;
mod a_mutation_outlives_its_caller;
mod a_panic_is_one_lost_call;
mod a_server_closes_in_order;
mod clients_try_again_within_a_budget;
mod overload_is_refused_early;
mod refusals_have_reasons;
mod support;
mod the_ports_are_guarded;
mod the_process_can_be_looked_at;
