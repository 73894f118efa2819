//! The messages of some entries of a batch, for clients with filters.

use super::certificate_update::{NUMBERED_BEHIND, NUMBERED_END};
use super::wire::Wire;
use super::{EntryBatch, Frames, FramesBuilder, Stream};
use enum_map::EnumMap;
use std::sync::Arc;

/// What clients with filters want of a batch whose entries have their numbers. The messages of each stream and wire format
/// are built once, for all of them, and only if anybody wants them; each client gets its part of them.
#[derive(Debug)]
pub struct Selection<'b> {
    batch: &'b EntryBatch,
    /// By stream, the places in the batch that anybody wants, in order, each once.
    places: EnumMap<Stream, Vec<usize>>,
    made: EnumMap<Stream, EnumMap<Wire, Option<Arc<Frames>>>>,
}

impl<'b> Selection<'b> {
    /// Nothing of `batch`.
    pub fn of(batch: &'b EntryBatch) -> Self {
        Selection { batch, places: EnumMap::default(), made: EnumMap::default() }
    }

    /// Adds the entry at `place` to what is wanted of `stream`. Places have to come in order.
    pub fn want(&mut self, stream: Stream, place: usize) {
        let places = &mut self.places[stream];
        if places.last().is_none_or(|last| *last < place) {
            places.push(place);
        }
    }

    /// The messages of `stream` for the entries at `places`, in the format of `wire`. `places` are in order, and were all
    /// wanted.
    pub fn frames(&mut self, stream: Stream, wire: Wire, places: &[usize]) -> Arc<Frames> {
        let all = self.all(stream, wire);
        Frames::picked_in(&all, self.numbers(places))
    }

    /// The same, each with a member beside `data`: `places` are the places with the texts of the members, such as
    /// `"matched":[]`.
    pub fn frames_with(&mut self, stream: Stream, wire: Wire, places: &[(usize, String)]) -> Arc<Frames> {
        let all = self.all(stream, Wire::WebSocket);
        let mut builder = FramesBuilder::default();
        for (place, member) in places {
            let Some(seq) = self.batch.entries().get(*place).and_then(|entry| entry.seq) else { continue };
            let i = all.index_of(seq);
            if all.seq(i) != Some(seq) {
                continue;
            }
            let text = all.text(i);
            let (before, number) = text.split_at(text.len().saturating_sub(NUMBERED_END));
            builder.push(|out| {
                [before, b",", member.as_bytes(), number].map(|part| out.extend_from_slice(part))
            });
            builder.number_last(seq, NUMBERED_BEHIND);
        }
        wire.converted(&builder.build())
    }

    /// The messages of everything that is wanted.
    fn all(&mut self, stream: Stream, wire: Wire) -> Arc<Frames> {
        if let Some(made) = &self.made[stream][wire] {
            return made.clone();
        }
        let places = &self.places[stream];
        let made = match (self.batch.built(stream, wire), wire) {
            // The few that are wanted stay in memory for long, and must not keep all others there.
            (Some(built), _) => built.picked(self.numbers(places)),
            (None, Wire::WebSocket) => self.batch.written_at(stream, places),
            (None, _) => wire.converted(&self.all(stream, Wire::WebSocket)),
        };
        self.made[stream][wire].insert(made).clone()
    }

    fn numbers(&self, places: &[usize]) -> impl Iterator<Item = u64> {
        places.iter().filter_map(|place| self.batch.entries().get(*place)?.seq)
    }
}
