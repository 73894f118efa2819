//! Parses the frames of a client (RFC 6455 section 5). The server has no use for a client's messages. It
//! checks that they follow the protocol and discards them as they arrive, so they take no memory, however
//! long they are. What needs an answer is returned to the caller.

use arrayvec::ArrayVec;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASK: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
/// Maximum payload of a control frame, in bytes.
const MAX_CONTROL: usize = 125;
/// Length of the longest header, in bytes: two bytes, a length of eight, a mask of four.
const MAX_HEADER: usize = 14;
/// Maximum length of a message, in bytes.
pub(crate) const MAX_MESSAGE: u64 = 64 << 20;

/// How a client violated the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set that no extension uses there.
    #[error("a reserved bit is set")]
    Reserved,
    /// An undefined opcode.
    #[error("unknown opcode")]
    Opcode,
    /// A frame without a mask.
    #[error("a frame is not masked")]
    Unmasked,
    /// A control frame that is longer than 125 bytes or fragmented.
    #[error("a control frame is too long or fragmented")]
    Control,
    /// A continuation without a message, or a new message before the last one has ended.
    #[error("fragments are out of order")]
    Fragments,
    /// A message of more than 64 MiB. The server uses no messages, so it does not need longer ones.
    #[error("a message is too long")]
    TooLong,
    /// A length of more than 63 bits.
    #[error("a length has its highest bit set")]
    Length,
    /// A close frame with an invalid close code, or one that must not be sent.
    #[error("invalid close code")]
    CloseCode,
    /// Text that is not UTF-8.
    #[error("text is not UTF-8")]
    Utf8,
    /// Too many control frames.
    #[error("too many control frames")]
    Flood,
}

/// A number of frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameCount {
    /// All frames.
    pub all: u64,
    /// The control frames among them: ping, pong and close.
    pub control: u64,
}

/// What a client said in some bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The frames that ended in these bytes.
    pub count: FrameCount,
    /// The payload of the newest ping. Older ones need no answer (section 5.5.3).
    pub ping: Option<ArrayVec<u8, MAX_CONTROL>>,
    /// What ended the client's messages. Nothing that follows is heard.
    pub end: Option<ClientEnd>,
}

/// Why a client is not heard any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientEnd {
    /// It sent a close frame.
    Close(Option<ClosePayload>),
    /// It violated the protocol.
    Violation(Violation),
}

/// The payload of a close frame (section 5.5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosePayload {
    /// The close code, one that may be sent.
    pub code: u16,
    /// The text behind it.
    pub text: String,
}

impl Violation {
    /// The close code for the violation (section 7.4.1).
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Utf8 => 1007,
            Violation::TooLong => 1009,
            // Going away: the client may only be faulty, and may reconnect.
            Violation::Flood => 1001,
            _ => 1002,
        }
    }
}

/// Parses the frames of one client. The bytes may be split at any point.
#[derive(Debug)]
pub struct ClientFrames {
    /// Whether messages may be compressed (RFC 7692).
    deflate: bool,
    header: ArrayVec<u8, MAX_HEADER>,
    /// The frame whose payload is being received.
    frame: Option<Frame>,
    /// The message that is not complete yet.
    message: Option<Message>,
    control: ArrayVec<u8, MAX_CONTROL>,
    has_ended: bool,
}

#[derive(Debug)]
struct Frame {
    first: u8,
    mask: [u8; 4],
    /// Number of payload bytes received so far.
    at: u64,
    length: u64,
}

#[derive(Debug)]
struct Message {
    /// Total length of its frames so far, according to their headers.
    length: u64,
    /// The UTF-8 check of an uncompressed text message.
    text: Option<Utf8>,
}

/// UTF-8 check of text that arrives in parts: contains the bytes of an incomplete character.
#[derive(Debug, Default)]
struct Utf8(ArrayVec<u8, 4>);

impl ClientFrames {
    /// `deflate`: whether the client may compress its messages.
    pub fn new(deflate: bool) -> Self {
        ClientFrames {
            deflate,
            header: ArrayVec::new(),
            frame: None,
            message: None,
            control: ArrayVec::new(),
            has_ended: false,
        }
    }

    /// Parses the next bytes of the connection. Everything after a close frame or a violation is ignored.
    pub fn push(&mut self, bytes: &[u8]) -> Heard {
        let mut heard = Heard::default();
        if self.has_ended {
            return heard;
        }
        if let Err(violation) = self.parse(bytes, &mut heard) {
            heard.end = Some(ClientEnd::Violation(violation));
        }
        self.has_ended = heard.end.is_some();
        heard
    }

    fn parse(&mut self, mut bytes: &[u8], heard: &mut Heard) -> Result<(), Violation> {
        while heard.end.is_none() {
            match &self.frame {
                None => {
                    let [byte, rest @ ..] = bytes else { break };
                    bytes = rest;
                    self.header.push(*byte);
                    self.frame = self.frame_of_header()?;
                }
                Some(frame) if frame.at == frame.length => {
                    let first = frame.first;
                    self.frame = None;
                    self.header.clear();
                    heard.count.all += 1;
                    heard.count.control += u64::from(is_control(first));
                    self.end(first, heard)?;
                }
                Some(_) => {
                    if bytes.is_empty() {
                        break;
                    }
                    bytes = self.payload(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// The frame that the header declares, if the header is complete. Errors are detected as early as
    /// possible.
    fn frame_of_header(&mut self) -> Result<Option<Frame>, Violation> {
        let [first, second, rest @ ..] = self.header.as_slice() else { return Ok(None) };
        if rest.is_empty() {
            self.check(*first, *second)?;
        }
        let short = [second & !MASK];
        let parts = match short {
            [126] => rest.split_at_checked(2),
            [127] => rest.split_at_checked(8),
            _ => Some((&short[..], rest)),
        };
        let Some((length, mask)) = parts else { return Ok(None) };
        let Ok(mask) = mask.try_into() else { return Ok(None) };
        let length = length.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        if length >> 63 != 0 {
            return Err(Violation::Length);
        }
        let frame = Frame { first: *first, mask, at: 0, length };
        match frame.first & 0xf {
            TEXT | BINARY => {
                let plain_text = frame.first & (RSV1 | 0xf) == TEXT;
                self.message = Some(Message { length, text: plain_text.then(Utf8::default) });
            }
            CLOSE | PING | PONG => self.control.clear(),
            _ => {
                if let Some(message) = &mut self.message {
                    message.length = message.length.saturating_add(length);
                }
            }
        }
        if self.message.as_ref().is_some_and(|message| message.length > MAX_MESSAGE) {
            return Err(Violation::TooLong);
        }
        Ok(Some(frame))
    }

    /// Checks the first two bytes of a frame.
    fn check(&self, first: u8, second: u8) -> Result<(), Violation> {
        let opcode = first & 0xf;
        let compressed = first & RSV1 != 0;
        if first & RSV2_RSV3 != 0 || compressed && !(self.deflate && matches!(opcode, TEXT | BINARY)) {
            return Err(Violation::Reserved);
        }
        if second & MASK == 0 {
            return Err(Violation::Unmasked);
        }
        match opcode {
            CLOSE | PING | PONG => {
                let fits = first & FIN != 0 && usize::from(second & !MASK) <= MAX_CONTROL;
                if fits { Ok(()) } else { Err(Violation::Control) }
            }
            CONTINUATION if self.message.is_none() => Err(Violation::Fragments),
            TEXT | BINARY if self.message.is_some() => Err(Violation::Fragments),
            CONTINUATION | TEXT | BINARY => Ok(()),
            _ => Err(Violation::Opcode),
        }
    }

    /// Consumes the bytes of the frame's payload. Returns the rest.
    fn payload<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Violation> {
        let Some(frame) = &mut self.frame else { return Ok(bytes) };
        let here = usize::try_from(frame.length - frame.at).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (bytes, rest) = bytes.split_at(here);
        let is_control = is_control(frame.first);
        for part in bytes.chunks(256) {
            let mask = frame.mask.iter().cycle().skip((frame.at % 4) as usize);
            let unmasked: ArrayVec<u8, 256> = part.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
            frame.at += part.len() as u64;
            if is_control {
                // The buffer has the maximum length of a control frame, so this cannot fail.
                let _ = self.control.try_extend_from_slice(&unmasked);
            } else if let Some(Message { text: Some(text), .. }) = &mut self.message {
                text.push(&unmasked)?;
            }
        }
        Ok(rest)
    }

    /// Handles the end of the frame whose first byte is `first`.
    fn end(&mut self, first: u8, heard: &mut Heard) -> Result<(), Violation> {
        match first & 0xf {
            CLOSE => heard.end = Some(ClientEnd::Close(close_reason(&self.control)?)),
            PING => heard.ping = Some(self.control.clone()),
            PONG => {}
            _ if first & FIN != 0 => {
                let text = self.message.take().and_then(|message| message.text);
                return text.map_or(Ok(()), |text| text.end());
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_control(first: u8) -> bool {
    matches!(first & 0xf, CLOSE | PING | PONG)
}

impl Utf8 {
    fn push(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !self.0.is_empty() {
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            bytes = rest;
            // A character has at most four bytes. It is complete or invalid before the buffer is full.
            self.0.try_push(*byte).map_err(|_| Violation::Utf8)?;
            match std::str::from_utf8(&self.0) {
                Ok(_) => self.0.clear(),
                Err(error) if error.error_len().is_some() => return Err(Violation::Utf8),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => {}
            Err(error) if error.error_len().is_some() => return Err(Violation::Utf8),
            Err(error) => self.0.extend(bytes.iter().skip(error.valid_up_to()).copied()),
        }
        Ok(())
    }

    fn end(self) -> Result<(), Violation> {
        if self.0.is_empty() { Ok(()) } else { Err(Violation::Utf8) }
    }
}

/// Checks the payload of a close frame (sections 5.5.1 and 7.4).
fn close_reason(payload: &[u8]) -> Result<Option<ClosePayload>, Violation> {
    let (code, text) = match payload {
        [] => return Ok(None),
        [high, low, text @ ..] => (u16::from_be_bytes([*high, *low]), text),
        [_] => return Err(Violation::CloseCode),
    };
    match code {
        1000..=1003 | 1007..=1014 | 3000..=4999 => {}
        _ => return Err(Violation::CloseCode),
    }
    let text = std::str::from_utf8(text).map_err(|_| Violation::Utf8)?.to_owned();
    Ok(Some(ClosePayload { code, text }))
}

#[cfg(test)]
mod tests;
