//! The numbers of a recipient's messages.

/// How many messages a recipient got and has not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inbox {
    /// Number of the last message; they are counted from 1 without gaps.
    pub seq: i64,
    /// Messages that are unread.
    pub unread: i64,
    /// Grows with every change.
    pub version: i64,
}

impl Inbox {
    /// Takes in one message and returns its number.
    pub fn receive(&mut self) -> i64 {
        self.seq += 1;
        self.unread += 1;
        self.version += 1;
        self.seq
    }

    /// Notes that this many unread messages were read. More than there are unread is a bug.
    pub fn read(&mut self, count: i64) {
        assert!(0 <= count && count <= self.unread, "{count} of {} unread messages were read", self.unread);
        if count > 0 {
            self.unread -= count;
            self.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_from_one_without_gaps() {
        let mut inbox = Inbox::default();
        assert_eq!([inbox.receive(), inbox.receive(), inbox.receive()], [1, 2, 3]);
        inbox.read(2);
        inbox.read(0);
        assert_eq!(inbox, Inbox { seq: 3, unread: 1, version: 4 });
    }

    #[test]
    #[should_panic(expected = "2 of 1 unread messages were read")]
    fn nobody_reads_more_than_there_is() {
        Inbox { seq: 5, unread: 1, version: 5 }.read(2);
    }
}
