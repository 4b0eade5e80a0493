//! What the stories and the benchmark stand on: private servers that never outlive their test process, the
//! suite in this process or in one of its own, and the calls that every story makes.

pub mod calls;
pub mod crowd_client;
pub mod database;
pub mod goodwill;
pub mod holds;
pub mod house;
pub mod log;
pub mod model;
pub mod model_caps;
pub mod model_client;
pub mod model_crowd;
pub mod model_holds;
pub mod model_kept;
pub mod model_life;
pub mod model_lives;
pub mod model_program;
pub mod model_purses;
pub(crate) mod model_returns;
pub mod model_rewards;
pub mod model_tiers;
pub mod moves;
pub mod offers;
pub mod orders;
mod postgres;
pub mod process;
pub mod processes;
mod redis;
pub mod reward_client;
pub mod servers;
