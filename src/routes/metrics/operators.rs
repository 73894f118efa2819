//! The metrics of the logs' operators.

use super::families::{Families, Labels};
use crate::log_client::OperatorFigures;
use std::collections::BTreeMap;
use std::fmt::Error;

pub(super) fn write(
    operators: &BTreeMap<String, OperatorFigures>,
    families: &mut Families,
) -> Result<(), Error> {
    let of = |name: &String| -> Labels { vec![("operator", name.clone())] };
    families.gauge(
        "certstream_operator_requests_per_second_limit",
        "Maximum rate of requests to the operator's logs, as configured or as learned from its refusals",
        operators.iter().map(|(name, figures)| (of(name), figures.requests_per_second)),
    )?;
    families.counter(
        "certstream_operator_refused",
        "Requests that the operator refused with status 429 or 503",
        operators.iter().map(|(name, figures)| (of(name), figures.refused)),
    )
}
