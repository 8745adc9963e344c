//! A WebSocket server that gives back what it gets, built of the router's own transport: for
//! conformance suites, which know nothing of WAMP. It is no part of the router.
//!
//! `cargo run --release --example echo -- 127.0.0.1:9001`; `tests/autobahn/run` has the Autobahn
//! suite try it.
//!
//! A transport takes either text or octets, whichever its subprotocol is about; suites send both.
//! So each connection has two of them that get the same bytes, and the one that refuses what came
//! as not meant for its subprotocol is given up. Clients offer `wamp.2.json`.

#![expect(clippy::print_stdout, reason = "a program that says where it listens")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use gigawamp::wire::{
    Deflater, Failure, Framing, Incoming, Negotiated, Serializer, Transport, TransportOptions,
};

/// The longest message that suites send.
const MESSAGE_BYTES_MAX: usize = 1 << 24;

/// What a transport says of a frame of the other type.
const OTHER_TYPE: &str = "text and binary do not fit the subprotocol";

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(&address)?;
    println!("echoes on ws://{}/ws", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || serve(stream));
    }
    Ok(())
}

/// One of the two transports of a connection.
struct Ear {
    transport: Transport,
    negotiated: Option<Negotiated>,
    deflater: Deflater,
}

/// What came of some bytes.
struct Heard {
    reply: Vec<u8>,
    /// The frames were meant for the other one.
    is_wrong: bool,
    /// Nothing comes after the reply.
    is_over: bool,
}

impl Ear {
    fn new() -> Self {
        Self { transport: Transport::new(), negotiated: None, deflater: Deflater::default() }
    }

    /// Takes bytes and says what to answer.
    fn hear(&mut self, options: &TransportOptions, bytes: &[u8]) -> Heard {
        let mut bytes = bytes.to_vec();
        let mut input = bytes.as_mut_slice();
        let mut heard = Heard { reply: Vec::new(), is_wrong: false, is_over: false };
        loop {
            match self.transport.next(options, &mut input, &mut heard.reply) {
                Ok(Some(Incoming::Negotiated(negotiated))) => self.negotiated = Some(negotiated),
                Ok(Some(Incoming::Message(message))) => {
                    let Some(negotiated) = &self.negotiated else { return heard };
                    let mark = Framing::begin(&mut heard.reply);
                    heard.reply.extend_from_slice(message);
                    let frame = negotiated.finish(&mut self.deflater, &mut heard.reply, mark);
                    heard.reply.drain(mark..frame.start);
                }
                Ok(Some(Incoming::Alive | Incoming::Request(_))) => {}
                Ok(None) => return heard,
                Ok(Some(Incoming::Finished)) => {
                    heard.is_over = true;
                    return heard;
                }
                Err(failure) => {
                    heard.is_wrong = failure == Failure::Refused(OTHER_TYPE);
                    heard.is_over = true;
                    return heard;
                }
            }
        }
    }
}

/// Serves one client; what goes wrong on the way ends it.
fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let options = TransportOptions {
        message_bytes_max: MESSAGE_BYTES_MAX,
        serializers: vec![Serializer::Json, Serializer::MessagePack],
        deflate: true,
        ..TransportOptions::default()
    };
    let mut head = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while !head.ends_with(b"\r\n\r\n") {
        // A suite waits for the answer before it goes on.
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&buffer[..count]);
    }
    let twin = String::from_utf8_lossy(&head).replace("wamp.2.json", "wamp.2.msgpack");
    let mut ears = vec![Ear::new(), Ear::new()];
    let answers = [ears[0].hear(&options, &head), ears[1].hear(&options, twin.as_bytes())];
    stream.write_all(&answers[0].reply)?;
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut heard: Vec<Heard> =
            ears.iter_mut().map(|ear| ear.hear(&options, &buffer[..count])).collect();
        if let Some(wrong) = heard.iter().position(|heard| heard.is_wrong)
            && heard.len() > 1
        {
            heard.remove(wrong);
            ears.remove(wrong);
        }
        stream.write_all(&heard[0].reply)?;
        if heard[0].is_over {
            return stream.shutdown(std::net::Shutdown::Write);
        }
    }
}
