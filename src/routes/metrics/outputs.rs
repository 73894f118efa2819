//! The metrics of the outputs.

use super::families::{Families, Labels};
use crate::outputs::OutputFigures;
use std::fmt::Error;

pub(super) fn write(outputs: &[OutputFigures], families: &mut Families) -> Result<(), Error> {
    let of = |output: &OutputFigures| -> Labels {
        vec![("output", output.name.clone()), ("type", output.kind.to_string())]
    };
    families.counter(
        "certstream_output_messages",
        "Messages that the output has delivered",
        outputs.iter().map(|output| (of(output), output.messages_delivered)),
    )?;
    families.counter(
        "certstream_output_bytes",
        "Bytes of these messages, without compression",
        outputs.iter().map(|output| (of(output), output.bytes_delivered)),
    )?;
    families.counter(
        "certstream_output_failures",
        "Deliveries of the output that failed and were tried again",
        outputs.iter().map(|output| (of(output), output.failures)),
    )?;
    families.counter(
        "certstream_output_dead_letters",
        "Messages that the receiver has refused for good",
        outputs.iter().map(|output| (of(output), output.dead_letters)),
    )?;
    families.gauge(
        "certstream_output_failing",
        "1 if the last delivery of the output failed",
        outputs.iter().map(|output| (of(output), u8::from(output.error.is_some()).into())),
    )?;
    families.gauge(
        "certstream_output_behind_seconds",
        "Age of what the output has not delivered yet, at most",
        outputs.iter().map(|output| (of(output), output.behind_seconds)),
    )?;
    families.gauge(
        "certstream_output_behind_entries",
        "Numbers of the journal that the output has not come to",
        outputs.iter().map(|output| (of(output), output.behind as f64)),
    )
}
