//! The wire's shape of velocity limits, in both directions.

use proto::rapport::loyalty::v1 as pb;
use proto::{Path, Violations};

use crate::domain::rules::CapOf;
use crate::domain::{Breach, Movement, VelocityLimit, VelocityWindow};

/// The limits of a program, checked.
pub(super) fn velocity(
    given: &[pb::VelocityLimit],
    path: &Path<'_>,
    found: &mut Violations,
) -> Vec<VelocityLimit> {
    let mut limits: Vec<VelocityLimit> = Vec::with_capacity(given.len());
    for (n, given) in given.iter().enumerate() {
        let path = path.item("velocity_limits", n);
        if given.count_max.is_none() && given.points_max.is_none() {
            found.add(&path, "count_max", "must be set, or points_max");
        }
        if limits.iter().any(|other| other.id == given.limit_id) {
            found.add(&path, "limit_id", "must be unique within the program");
        }
        let Some(movement) = Movement::from_number(given.movement) else { continue };
        limits.push(VelocityLimit {
            id: given.limit_id.clone(),
            movement,
            of: match given.owner() {
                pb::CapOwner::Program => CapOf::Program,
                pb::CapOwner::Member | pb::CapOwner::Unspecified => CapOf::Member,
            },
            window: match given.window() {
                pb::VelocityWindow::Hour => VelocityWindow::Hour,
                pb::VelocityWindow::Day | pb::VelocityWindow::Unspecified => VelocityWindow::Day,
                pb::VelocityWindow::Month => VelocityWindow::Month,
            },
            count_max: given.count_max,
            points_max: given.points_max,
            breach: match given.breach() {
                pb::VelocityBreach::Refuse | pb::VelocityBreach::Unspecified => Breach::Refuse,
                pb::VelocityBreach::Review => Breach::Review,
            },
        });
    }
    limits
}

pub(super) fn velocity_message(limit: &VelocityLimit) -> pb::VelocityLimit {
    let owner = match limit.of {
        CapOf::Member => pb::CapOwner::Member,
        CapOf::Program => pb::CapOwner::Program,
    };
    let window = match limit.window {
        VelocityWindow::Hour => pb::VelocityWindow::Hour,
        VelocityWindow::Day => pb::VelocityWindow::Day,
        VelocityWindow::Month => pb::VelocityWindow::Month,
    };
    let breach = match limit.breach {
        Breach::Refuse => pb::VelocityBreach::Refuse,
        Breach::Review => pb::VelocityBreach::Review,
    };
    pb::VelocityLimit {
        limit_id: limit.id.clone(),
        movement: limit.movement as i32,
        owner: owner.into(),
        window: window.into(),
        count_max: limit.count_max,
        points_max: limit.points_max,
        breach: breach.into(),
    }
}
