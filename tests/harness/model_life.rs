//! What the model knows of how long points live: days and months of UTC that are walked one by one.

use chrono::{DateTime, Datelike, Months, NaiveDate};

use crate::model::{DAY, NEVER, date};

/// How long points live.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// From where it begins.
    pub lasts: Lasts,
    /// On to the end of the period of so many months in which they would end.
    pub rounded: Option<u32>,
}

/// How long a life lasts.
#[derive(Clone, Copy, Debug)]
pub enum Lasts {
    /// So many days.
    Days(i64),
    /// So many months.
    Months(u32),
    /// To the end of this day of the year (month and day), or of the one so many years later.
    Until(u32, u32, u32),
    /// For ever.
    Endless,
}

impl Life {
    /// So many days.
    pub fn of_days(days: i64) -> Life {
        Life { lasts: Lasts::Days(days), rounded: None }
    }

    /// The moment at which points end whose life begins at another one.
    pub fn end(self, begins: i64) -> i64 {
        if begins == NEVER {
            return NEVER;
        }
        let end = match self.lasts {
            Lasts::Endless => return NEVER,
            Lasts::Days(days) => begins + days * DAY,
            Lasts::Months(months) => {
                let moment = DateTime::from_timestamp_micros(begins).expect("a moment");
                (moment + Months::new(months)).timestamp_micros()
            }
            Lasts::Until(month, day, years_later) => {
                let is_it = |date: &NaiveDate| {
                    let leapless = NaiveDate::from_ymd_opt(date.year(), month, day).is_none();
                    let day = if leapless { day - 1 } else { day };
                    (date.month(), date.day()) == (month, day)
                };
                let mut days = date(begins).iter_days().filter(is_it);
                after(days.nth(usize::try_from(years_later).expect("years")).expect("a day"))
            }
        };
        let Some(months) = self.rounded else { return end };
        let last = |date: &NaiveDate| {
            let next = date.succ_opt().expect("a day");
            next.day() == 1 && next.month0().is_multiple_of(months)
        };
        after(date(end - 1).iter_days().find(last).expect("a day"))
    }
}

/// The moment at which a day is over.
fn after(date: NaiveDate) -> i64 {
    let next = date.succ_opt().expect("a day").and_hms_opt(0, 0, 0).expect("midnight");
    next.and_utc().timestamp_micros()
}
