//! Which rule set of a program holds when: one at a time, each up to the beginning of the next.

use ambient::Time;

/// When a rule set that was activated holds, held or will hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its version.
    pub version: i64,
    /// From when.
    pub start: Time,
    /// Up to but without this moment; never, if that is `start`.
    pub end: Time,
}

/// Why a term is not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermRefusal {
    /// The rule set was activated before.
    NotDraft {
        /// Which.
        version: i64,
    },
    /// It would begin to hold before that was known.
    StartsInPast {
        /// When it would begin.
        start: Time,
        /// The present.
        now: Time,
    },
    /// Another one begins then or later.
    Scheduled {
        /// Which.
        version: i64,
        /// When it begins.
        start: Time,
    },
    /// It does not hold and will not.
    NotActive {
        /// Which.
        version: i64,
    },
}

impl Term {
    fn holds_after(&self, at: Time) -> bool {
        self.start < self.end && at < self.end
    }
}

/// Lets a version hold from `start` on, or from now on. Returns the terms that this changes or makes.
///
/// # Errors
/// `NotDraft` if it was activated before, `StartsInPast`, `Scheduled` if another begins at that moment or
/// later.
pub fn activate(
    terms: &[Term],
    version: i64,
    start: Option<Time>,
    now: Time,
) -> Result<Vec<Term>, TermRefusal> {
    let start = start.unwrap_or(now);
    if start < now {
        return Err(TermRefusal::StartsInPast { start, now });
    }
    if terms.iter().any(|term| term.version == version) {
        return Err(TermRefusal::NotDraft { version });
    }
    let alive = || terms.iter().filter(|term| term.holds_after(start));
    if let Some(later) = alive().find(|term| term.start >= start) {
        return Err(TermRefusal::Scheduled { version: later.version, start: later.start });
    }
    let ended = alive().map(|term| Term { end: start, ..*term });
    Ok(ended.chain([Term { version, start, end: Time::NEVER }]).collect())
}

/// Ends a version now, or lets it never hold; then the one before it goes on, up to the one after it. Returns
/// the terms that this changes.
///
/// # Errors
/// `NotActive` if it does not hold and will not.
pub fn retire(terms: &[Term], version: i64, now: Time) -> Result<Vec<Term>, TermRefusal> {
    let named = terms.iter().find(|term| term.version == version && term.holds_after(now));
    let named = named.ok_or(TermRefusal::NotActive { version })?;
    if named.start <= now {
        return Ok(vec![Term { end: now, ..*named }]);
    }
    let before = terms.iter().filter(|term| term.end == named.start && term.start < term.end);
    let longer = before.map(|term| Term { end: named.end, ..*term });
    Ok(longer.chain([Term { end: named.start, ..*named }]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::fixture::at;

    fn term(version: i64, start: &str, end: Option<&str>) -> Term {
        Term { version, start: at(start), end: end.map_or(Time::NEVER, at) }
    }

    const MAY: &str = "2026-05-01T00:00:00Z";
    const JUNE: &str = "2026-06-01T00:00:00Z";
    const JULY: &str = "2026-07-01T00:00:00Z";

    fn begin(terms: &[Term], version: i64, start: &str) -> Result<Vec<Term>, TermRefusal> {
        activate(terms, version, Some(at(start)), at("2026-04-01T00:00:00Z"))
    }

    #[test]
    fn the_past_is_not_changed() {
        let past = TermRefusal::StartsInPast { start: at(MAY), now: at(JUNE) };
        assert_eq!(activate(&[], 2, Some(at(MAY)), at(JUNE)), Err(past));
        assert_eq!(activate(&[], 2, None, at(JUNE)).unwrap(), [term(2, JUNE, None)]);
    }

    #[test]
    fn the_next_ends_the_one_before_and_only_the_last_is_followed() {
        let first = begin(&[], 2, MAY).unwrap();
        assert_eq!(first, [term(2, MAY, None)]);
        let both = begin(&first, 3, JUNE).unwrap();
        assert_eq!(both, [term(2, MAY, Some(JUNE)), term(3, JUNE, None)]);
        assert_eq!(begin(&both, 3, JULY), Err(TermRefusal::NotDraft { version: 3 }));
        for start in [MAY, JUNE] {
            let scheduled = TermRefusal::Scheduled { version: 3, start: at(JUNE) };
            let expected =
                if start == MAY { TermRefusal::Scheduled { version: 2, start: at(MAY) } } else { scheduled };
            assert_eq!(begin(&both, 4, start), Err(expected));
        }
        assert!(begin(&both, 4, JULY).is_ok());
    }

    #[test]
    fn what_did_not_begin_never_holds_and_the_one_before_goes_on() {
        let both = [term(2, MAY, Some(JUNE)), term(3, JUNE, None)];
        let retired = retire(&both, 3, at("2026-05-20T00:00:00Z")).unwrap();
        assert_eq!(retired, [term(2, MAY, None), term(3, JUNE, Some(JUNE))]);
        assert_eq!(retire(&retired, 3, at(MAY)), Err(TermRefusal::NotActive { version: 3 }));
        assert_eq!(begin(&retired, 4, JUNE).unwrap().len(), 2, "its place is free");
        let between = [term(2, MAY, Some(JUNE)), term(3, JUNE, Some(JULY)), term(4, JULY, None)];
        let retired = retire(&between, 3, at("2026-05-20T00:00:00Z")).unwrap();
        assert_eq!(retired, [term(2, MAY, Some(JULY)), term(3, JUNE, Some(JUNE))]);
    }

    #[test]
    fn what_holds_ends_now_and_once() {
        let both = [term(2, MAY, Some(JUNE)), term(3, JUNE, None)];
        assert_eq!(retire(&both, 3, at(JULY)).unwrap(), [term(3, JUNE, Some(JULY))]);
        assert_eq!(retire(&both, 2, at(JULY)), Err(TermRefusal::NotActive { version: 2 }));
        assert_eq!(retire(&both, 9, at(JULY)), Err(TermRefusal::NotActive { version: 9 }));
    }
}
