//! What outputs need of a message in its text, without parsing it.

use super::certificate_update::{DIGITS, NUMBERED_BEHIND, NUMBERED_END};

/// What every heartbeat begins with.
const HEARTBEAT: &[u8] = br#"{"message_type":"heartbeat""#;

/// The number that the message `text` ends with: that of its entry, or what a heartbeat says. `None` if there is none.
pub(crate) fn number_of(text: &[u8]) -> Option<u64> {
    let end = text.get(text.len().checked_sub(NUMBERED_END)?..)?;
    let member = end.strip_prefix(br#","seq":"#)?;
    let digits = member.get(..DIGITS).filter(|_| member.len() == DIGITS + NUMBERED_BEHIND)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether the message `text` is a heartbeat.
pub(crate) fn is_heartbeat(text: &[u8]) -> bool {
    text.starts_with(HEARTBEAT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Wire, gap};

    #[test]
    fn heartbeats_and_numbers_are_seen_in_the_text() {
        let heartbeat = Wire::Lines.heartbeat(1_795_460_507_000_000, 1_795_460_507_875_404);
        assert!(is_heartbeat(heartbeat.bytes()));
        let gap = gap(1_795_460_507_875_404, 1_795_460_507_875_405);
        assert!(!is_heartbeat(gap.as_bytes()));
        assert_eq!(number_of(gap.as_bytes()), None);
        assert_eq!(number_of(br#"{"a":"b","seq":1795460507875404}"#), Some(1_795_460_507_875_404));
        for other in
            [&b"{}"[..], b"", br#"{"a":",\"seq\":1795460507875404"}"#, br#"{"seq":1795460507875404}"#]
        {
            assert_eq!(number_of(other), None, "{}", String::from_utf8_lossy(other));
        }
    }
}
