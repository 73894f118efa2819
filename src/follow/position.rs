//! The number up to which a stream has been received, or handed on. Pure.

/// What a message says about the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The stream begins after about this number.
    Begins(u64),
    /// Everything up to this number has come.
    UpTo(u64),
    /// The message has no number.
    None,
}

/// A position in a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position {
    seq: Option<u64>,
    /// Only where the stream begins is known. What comes first may be older than that: shortly after its start, a server
    /// begins where its last run ended.
    is_start: bool,
}

impl Position {
    /// The position behind the entry `seq`.
    pub(super) fn at(seq: Option<u64>) -> Self {
        Position { seq, is_start: false }
    }

    /// The number to resume after.
    pub(super) fn seq(self) -> Option<u64> {
        self.seq
    }

    /// Moves it. A number never leads back.
    pub(super) fn advance(&mut self, progress: Progress) {
        match progress {
            Progress::Begins(seq) if self.seq.is_none() => {
                *self = Position { seq: Some(seq), is_start: true }
            }
            Progress::UpTo(seq) if self.is_start || self.seq.is_none_or(|reached| seq > reached) => {
                *self = Position::at(Some(seq));
            }
            Progress::Begins(_) | Progress::UpTo(_) | Progress::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(progress: &[Progress]) -> Option<u64> {
        let mut position = Position::default();
        progress.iter().for_each(|progress| position.advance(*progress));
        position.seq()
    }

    #[test]
    fn it_only_rises_but_for_the_first_number_after_the_start() {
        use Progress::{Begins, UpTo};
        assert_eq!(after(&[Progress::None]), None);
        assert_eq!(after(&[Begins(5)]), Some(5));
        assert_eq!(after(&[Begins(5), UpTo(3)]), Some(3), "an entry of before the start");
        assert_eq!(after(&[Begins(5), UpTo(3), UpTo(9), UpTo(8), Progress::None]), Some(9));
        assert_eq!(after(&[UpTo(4), Begins(9)]), Some(4), "a stream begins once");
    }
}
