//! Client and router talk to each other, over everything either of them can speak.

use super::*;
use crate::env::Random;
use crate::wire::Transport;
use crate::wire::transport::tests::{Got, Played, cut, feed, options};

const FRAMINGS: [Framing; 2] = [Framing::RawSocket, Framing::WebSocket];

/// Feeds octets, cut at random, to the client.
fn feed_client(client: &mut Client, random: &mut Random, stream: &[u8], played: &mut Played) {
    for part in cut(random, stream) {
        let mut part = part.to_vec();
        let mut input = part.as_mut_slice();
        loop {
            match client.next(&mut input, &mut played.reply) {
                Ok(Some(incoming)) => played.got.push(incoming.into()),
                Ok(None) => break,
                Err(failure) => return played.got.push(Got::Failed(failure)),
            }
        }
        assert!(input.is_empty());
    }
}

/// A message that is text in UTF-8, of about `length` octets.
fn message(random: &mut Random, length: u64) -> Vec<u8> {
    let mut text = String::new();
    while (text.len() as u64) < length {
        text.push(['a', 'é', '漢', '🦀'][random.below(4) as usize]);
    }
    text.into_bytes()
}

/// Lengths around every border of the framings.
const LENGTHS: [u64; 10] = [0, 1, 2, 125, 126, 127, 200, 65_535, 65_536, 100_000];

fn frame_by_router(negotiated: Negotiated, message: &[u8], out: &mut Vec<u8>) {
    let mut scratch = Vec::new();
    let mark = Framing::begin(&mut scratch);
    scratch.extend_from_slice(message);
    let range = negotiated
        .framing
        .finish(negotiated.serializer, &mut scratch, mark);
    out.extend_from_slice(&scratch[range]);
}

#[test]
fn both_ends_understand_each_other_however_the_stream_is_cut() {
    let options = options();
    for round in 0..30_u64 {
        for (framing, serializer) in FRAMINGS
            .into_iter()
            .flat_map(|f| Serializer::ALL.map(|s| (f, s)))
        {
            let mut random = Random::from_number(round * 31 + serializer.index() as u64);
            let wishes = ClientOptions {
                masking_seed: round,
                ..ClientOptions::default()
            };
            let mut client = Client::new(framing, serializer, wishes);
            let (mut upstream, mut sent) = (Vec::new(), Vec::new());
            client.hello(&mut upstream);
            for _ in 0..8 {
                let length = LENGTHS[random.below(LENGTHS.len() as u64) as usize];
                let message = message(&mut random, length);
                match random.below(3) {
                    0 => {
                        let size = message.len() / 7 + 1;
                        client.frame_fragmented(&message, size, &mut upstream);
                    }
                    _ => client.frame(&message, &mut upstream),
                }
                if random.one_in(2) {
                    client.ping(b"are you there", &mut upstream);
                }
                sent.push(Got::Message(message));
            }

            let (mut transport, mut router) = (Transport::new(), Played::default());
            for part in cut(&mut random, &upstream) {
                feed(&mut transport, &options, part, &mut router);
            }
            let Some((Got::Negotiated(negotiated), messages)) = router.got.split_first() else {
                panic!("{:?}", router.got.first());
            };
            assert_eq!(
                (negotiated.framing, negotiated.serializer),
                (framing, serializer)
            );
            assert_eq!(messages, sent);
            assert!(!transport.is_midway());

            let mut downstream = router.reply;
            for sent in messages {
                let Got::Message(message) = sent else {
                    panic!("{sent:?}")
                };
                frame_by_router(*negotiated, message, &mut downstream);
            }
            let mut back = Played::default();
            feed_client(&mut client, &mut random, &downstream, &mut back);
            let got: Vec<Got> = back
                .got
                .iter()
                .filter(|got| **got != Got::Alive)
                .cloned()
                .collect();
            assert!(matches!(got[0], Got::Negotiated(found) if found.serializer == serializer));
            assert_eq!(got[1..], sent);
            assert_eq!(back.reply, b"");
        }
    }
}
