//! A WebSocket that says any octets, and reads frames.

use crate::line::Line;

/// First octets of whole frames.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8A;

/// One frame of the router.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its first octet.
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
}

/// An open WebSocket.
pub(crate) struct Web(pub(crate) Line);

/// A request for an upgrade with `headers` instead of the usual ones behind Host.
pub(crate) fn request(headers: &str) -> String {
    format!("GET /ws HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}

/// The usual headers of an upgrade to `subprotocol`.
pub(crate) fn headers(subprotocol: &str) -> String {
    format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {subprotocol}\r\n"
    )
}

impl Web {
    /// Opens one for `subprotocol`, with `more` headers in its request.
    pub(crate) fn open(address: &str, subprotocol: &str, more: &str) -> Result<Self, String> {
        let mut line = Line::to(address);
        line.say(request(&format!("{}{more}", headers(subprotocol))).as_bytes());
        let head = line.take_until(b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&head).into_owned();
        if head.starts_with("HTTP/1.1 101 ") { Ok(Self(line)) } else { Err(head) }
    }

    /// Opens one that speaks JSON.
    pub(crate) fn json(address: &str) -> Result<Self, String> {
        Self::open(address, "wamp.2.json", "")
    }

    /// Sends one frame; false if the router does not take it any more.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) -> bool {
        self.0.say(&frame(first, payload))
    }

    /// Joins `realm1` as a client that speaks JSON.
    pub(crate) fn join(&mut self) -> Result<(), String> {
        self.frame(TEXT, br#"[1,"realm1",{"roles":{"caller":{},"subscriber":{}}}]"#);
        match self.next()? {
            Some(Frame { first: TEXT, payload }) if payload.starts_with(b"[2,") => Ok(()),
            // Compressed, if that was negotiated: then it is not looked at.
            Some(Frame { first: 0xC1, .. }) => Ok(()),
            other => Err(format!("{other:?} instead of WELCOME")),
        }
    }

    /// The router's next frame, none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, String> {
        while self.0.received.is_empty() {
            if !self.0.more()? {
                return Ok(None);
            }
        }
        let head = self.0.take(2)?;
        let length = match head[1] {
            126 => usize::from(u16::from_be_bytes(self.0.take(2)?.try_into().unwrap())),
            127 => u64::from_be_bytes(self.0.take(8)?.try_into().unwrap()) as usize,
            length @ 0..=125 => usize::from(length),
            _ => return Err("a masked frame from the router".to_owned()),
        };
        Ok(Some(Frame { first: head[0], payload: self.0.take(length)? }))
    }

    /// All frames up to the end, which must come.
    pub(crate) fn rest(&mut self) -> Result<Vec<Frame>, String> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next()? {
            frames.push(frame);
        }
        Ok(frames)
    }

    /// The code with which the router closes, and the end; frames before do not matter.
    pub(crate) fn close_code(&mut self) -> Result<u16, String> {
        let frames = self.rest()?;
        let last = frames.last().ok_or("the end without a close frame")?;
        match (last.first, last.payload.first_chunk()) {
            (CLOSE, Some(code)) => Ok(u16::from_be_bytes(*code)),
            _ => Err(format!("{last:?} instead of a close frame")),
        }
    }
}

/// A frame as a client sends it. A key that is no zero, so that masking matters.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = head(first, payload.len() as u64);
    out.extend(payload.iter().zip(KEY.iter().cycle()).map(|(octet, key)| octet ^ key));
    out
}

/// The head of a frame whose payload has that length, in its shortest form.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    let mut out = vec![first];
    match length {
        0..=125 => out.push(0x80 | length as u8),
        126..=0xFFFF => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend_from_slice(&length.to_be_bytes());
        }
    }
    out.extend_from_slice(&KEY);
    out
}

/// The key that all frames are masked with.
pub(crate) const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
