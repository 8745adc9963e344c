//! Cases about what messages are made of: each in every serializer that knows such a thing.

use gigawamp::sim::Value;
use gigawamp::wire::Serializer;
use serde_json::json;

use crate::cargo::Chance;
use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::raw::{Raw, encode};

use Serializer::{Cbor, Json, MessagePack, Ubjson};

pub(crate) const VIOLATION: &str = "wamp.error.protocol_violation";

pub(crate) fn groups() -> Vec<Group> {
    let payloads = "message_bytes_max = \"16 MiB\"";
    vec![
        Group { name: "elements", tables: "", cases: ELEMENTS.to_vec() },
        Group { name: "payloads", tables: payloads, cases: PAYLOADS.to_vec() },
    ]
}

/// Octets on their way into an open session, in one serializer.
type Attack = (Serializer, Vec<u8>);

const ELEMENTS: [Case; 9] = [
    Case::new(
        "51",
        "Lists and dicts nested 100000 deep, as a message and as an argument; 65 and 64 deep",
        "ABORT protocol_violation; 64 levels are taken, in every serializer",
        nest,
    )
    .growing(32 << 20)
    .violating(16),
    Case::new(
        "52",
        "Lists, dicts, texts and octets that announce 2^32 - 1 items and more, with 10 octets \
         behind; in UBJSON also of a type that takes no octets",
        "ABORT protocol_violation; no memory for what did not come",
        |ground| aborts(ground, announced()),
    )
    .growing(2 << 20)
    .violating(20),
    Case::new(
        "53",
        "CBOR: tags nested 100000 deep, breaks where none belongs, reserved lengths; items of \
         indefinite length",
        "ABORT protocol_violation; indefinite lengths are taken everywhere",
        |ground| {
            let call = |arguments: &[u8]| (Cbor, cbor_call(arguments));
            let tags = [&[0x81][..], &[0xC1; 100_000], &[0]].concat();
            let list = aborts(
                ground,
                [
                    call(&tags),
                    call(&[0x81, 0xFF]),
                    call(&[0x9F, 0x01]),
                    call(&[0x81, 0xBF, 0x61, b'a', 0xFF]),
                    call(&[0x81, 0x7F, 0x41, b'a', 0xFF]),
                    call(&[0x81, 0x1C]),
                    call(&[0x81, 0x1F]),
                    (Cbor, vec![0xFF]),
                ],
            )?;
            // [_ 48, 1, {_ }, (_ "a" ".b"), [_ (_ h'01'), {_ "k": [_ ]}]]
            let indefinite = b"\x9F\x18\x30\x01\xBF\xFF\x7F\x61a\x62.b\xFF\
                               \x9F\x5F\x41\x01\xFF\xBF\x61k\x9F\xFF\xFF\xFF\xFF";
            answers(ground, Cbor, indefinite, "wamp.error.no_such_procedure")?;
            Ok(format!("{list}; indefinite lengths are taken"))
        },
    )
    .violating(8),
    Case::new(
        "54",
        "An attribute twice in Details or Options",
        "ABORT protocol_violation for each that is known, in every serializer",
        |ground| {
            let details = r#"{"acknowledge":true,"acknowledge":false}"#;
            let attacks = Serializer::ALL.map(|serializer| {
                let message = format!("[16,1,{details},\"a.b\"]");
                (serializer, verbatim(serializer, &message))
            });
            let list = aborts(ground, attacks)?;
            for serializer in Serializer::ALL {
                let roles = r#"{"caller":{}}"#;
                let hello = format!("[1,\"realm1\",{{\"roles\":{roles},\"roles\":{roles}}}]");
                let mut raw = Raw::open(&ground.address, serializer)?;
                raw.say(&verbatim(serializer, &hello));
                expect_violation(&raw.abort()?)?;
            }
            Ok(format!("{list}; 4 times in HELLO"))
        },
    )
    .violating(8),
    Case::new(
        "56",
        "Ids that are 2^53 + 1, negative, 1.0, 1e308, not a number, infinite, text, null",
        "ABORT protocol_violation for each; whole doubles from 2^32 to 2^53 are ids in all but \
         JSON, for clients in JavaScript write them so",
        |ground| {
            let attacks: Vec<_> = strange_ids().collect();
            aborts(ground, attacks)
        },
    )
    .violating(30),
    Case::new(
        "57",
        "JSON: lone surrogates, overlong UTF-8, a mark of byte order, comments, trailing commas, \
         control characters, numbers without an end or of a megabyte",
        "ABORT protocol_violation; a long number is read once",
        |ground| {
            let list = aborts(ground, json_flaws().map(|text| (Json, text)))?;
            // Legal, if of no use: a number of a megabyte.
            let long = [b"[48,1,{},\"a.b\",[0.", &[b'7'; 1_000_000][..], b"]]"].concat();
            answers(ground, Json, &long, "wamp.error.no_such_procedure")?;
            Ok(format!("{list}; a number of a megabyte is passed over"))
        },
    )
    .growing(16 << 20)
    .violating(14),
    Case::new(
        "58",
        "MessagePack: extensions, timestamps and the reserved 0xC1 where the protocol has its own",
        "ABORT protocol_violation",
        |ground| {
            let ext = b"\xD4\x01\x00";
            let time = b"\xD6\xFF\x00\x00\x00\x00";
            let fields = [
                [&b"\x94\x30"[..], ext, b"\x80\xA3a.b"].concat(),
                [&b"\x94\x30\x01\x80"[..], time].concat(),
                [&b"\x94\x30\x01"[..], ext, b"\xA3a.b"].concat(),
                [&b"\x95\x30\x01\x80\xA3a.b"[..], time].concat(),
                b"\x95\x30\x01\x80\xA3a.b\x91\xC1".to_vec(),
                b"\x95\x30\x01\x80\xA3a.b\x91\xC7\xFF\x01".to_vec(),
                vec![0xC1],
            ];
            aborts(ground, fields.map(|message| (MessagePack, message)))
        },
    )
    .violating(7),
    Case::new(
        "59",
        "Octets behind the end of a message",
        "ABORT protocol_violation, in every serializer",
        |ground| {
            let call = json!([48, 1, {}, "a.b"]);
            let attacks = Serializer::ALL.into_iter().flat_map(|serializer| {
                let message = encode(serializer, &call);
                let zero = [&message[..], b"\0"].concat();
                [(serializer, zero), (serializer, message.repeat(2))]
            });
            aborts(ground, attacks)
        },
    )
    .violating(8),
    Case::new(
        "55",
        "Keys that are no text: in Options, and in a payload",
        "ABORT protocol_violation in Options; in a payload they pass to a receiver of the same \
         serializer, and are `invalid_argument` for the sender if the receiver speaks JSON",
        strange_keys,
    )
    .violating(2),
];

const PAYLOADS: [Case; 3] = [
    Case::new(
        "60",
        "100000 keys made to collide in simple hashes, as keyword arguments",
        "passed on as they are: nothing is hashed",
        |ground| {
            // Equal sums and equal products of their octets, and equal FNV prefixes: all
            // permutations of two halves.
            let keys = (0..100_000_u32).map(|number| {
                let halves =
                    (0..17).map(|bit| if number >> bit & 1 == 0 { "AaBB" } else { "BBAa" });
                format!("\"{}\":0", halves.collect::<String>())
            });
            let keywords = format!("{{{}}}", keys.collect::<Vec<_>>().join(","));
            let passed = pass(ground, Json, b"[]", keywords.as_bytes())?;
            if passed { Ok(format!("{} octets arrived", keywords.len())) } else { Err("no".into()) }
        },
    )
    .growing(96 << 20),
    Case::new(
        "61",
        "JSON texts that claim to be octets but are no base64, for receivers that know octets",
        "`invalid_argument` for the sender; the receivers stay, and get what is right",
        no_base64,
    ),
    Case::new(
        "62",
        "Random payloads, in forms that no encoder would choose, for receivers of the same \
         serializer",
        "the same octets arrive",
        |ground| {
            let count = ground.or_full(1_000, 330_000);
            let mut octets = 0;
            for serializer in [Json, MessagePack, Cbor, Ubjson] {
                octets += carry_random(ground, serializer, count)?;
            }
            Ok(format!("{} payloads, {octets} octets", 4 * count))
        },
    )
    .growing(64 << 20),
];

/// Says each of `attacks` in a session of its own; each must be its end, as a violation.
fn aborts(ground: &Ground, attacks: impl IntoIterator<Item = Attack>) -> Verdict {
    let mut count = 0;
    for (serializer, octets) in attacks {
        let shown = String::from_utf8_lossy(&octets[..octets.len().min(40)]).into_owned();
        let mut raw = Raw::open(&ground.address, serializer)?;
        raw.join("realm1")?;
        raw.say(&octets);
        let reason = raw.abort().map_err(|why| format!("{serializer:?} {shown:?}: {why}"))?;
        expect_violation(&reason)?;
        count += 1;
    }
    Ok(format!("{count} times protocol_violation"))
}

fn expect_violation(reason: &str) -> Result<(), String> {
    if reason == VIOLATION { Ok(()) } else { Err(format!("{reason} instead of a violation")) }
}

/// Says one message in a session of its own; it must be answered by that ERROR.
fn answers(ground: &Ground, serializer: Serializer, octets: &[u8], error: &str) -> Verdict {
    let mut raw = Raw::open(&ground.address, serializer)?;
    raw.join("realm1")?;
    raw.say(octets);
    let answer = raw.expect(8)?;
    if answer[4] == error.into() { Ok(error.to_owned()) } else { Err(format!("{answer:?}")) }
}

/// What JSON's text stands for in each serializer, with doubled keys, which a value would drop.
fn verbatim(serializer: Serializer, text: &str) -> Vec<u8> {
    let value = Value::read(Json, text.as_bytes()).expect("JSON");
    let mut out = Vec::new();
    value.write(serializer, &mut out);
    out
}

fn nest(ground: &Ground) -> Verdict {
    const DEEP: usize = 100_000;
    let lists = |serializer, depth| {
        let (begin, end): (&[u8], &[u8]) = match serializer {
            Json => (b"[", b"]"),
            Ubjson => (b"[", b"]"),
            MessagePack => (b"\x91", b""),
            Cbor => (b"\x81", b""),
        };
        let inner: &[u8] = match serializer {
            Json => b"1",
            Ubjson => b"i\x01",
            MessagePack | Cbor => b"\x01",
        };
        [&begin.repeat(depth), inner, &end.repeat(depth)].concat()
    };
    let dicts = |serializer| match serializer {
        Json => [br#"{"a":"#.repeat(DEEP), b"1".to_vec(), b"}".repeat(DEEP)].concat(),
        Ubjson => [b"{i\x01a".repeat(DEEP), b"Z".to_vec(), b"}".repeat(DEEP)].concat(),
        MessagePack => [b"\x81\xA1a".repeat(DEEP), b"\x01".to_vec()].concat(),
        Cbor => [b"\xA1\x61a".repeat(DEEP), b"\x01".to_vec()].concat(),
    };
    let call = |serializer: Serializer, argument: Vec<u8>| {
        // The list of arguments itself is the second level.
        let mut message = encode(serializer, &json!([48, 1, {}, "a.b", []]));
        match serializer {
            Json | Ubjson => {
                message.truncate(message.len() - 2);
                [&message[..], &argument, b"]]"].concat()
            }
            MessagePack => [&message[..message.len() - 1], b"\x91", &argument].concat(),
            Cbor => [&message[..message.len() - 1], b"\x81", &argument].concat(),
        }
    };
    let attacks = Serializer::ALL.into_iter().flat_map(|serializer| {
        [
            (serializer, lists(serializer, DEEP)),
            (serializer, call(serializer, lists(serializer, DEEP))),
            (serializer, call(serializer, dicts(serializer))),
            (serializer, call(serializer, lists(serializer, 63))),
        ]
    });
    let attacks: Vec<_> = attacks.collect();
    // As many octets without any depth: what these need is none of depth.
    for (serializer, octets) in &attacks {
        let flat = encode(*serializer, &json!([48, 1, {}, "a.b", ["x".repeat(octets.len())]]));
        answers(ground, *serializer, &flat, "wamp.error.no_such_procedure")?;
    }
    let growth = ground.growth(|| aborts(ground, attacks).map(drop))?;
    if growth > 16 << 20 {
        return Err(format!("{} KiB more than without depth", growth >> 10));
    }
    for serializer in Serializer::ALL {
        let message = call(serializer, lists(serializer, 62));
        answers(ground, serializer, &message, "wamp.error.no_such_procedure")?;
    }
    Ok(format!("16 times protocol_violation; {} KiB more than without depth", growth >> 10))
}

/// CALL of `a.b` with these arguments.
fn cbor_call(arguments: &[u8]) -> Vec<u8> {
    [b"\x85\x18\x30\x01\xA0\x63a.b", arguments].concat()
}

/// Elements that are said to be much longer than they are, as a message and as an argument.
fn announced() -> impl Iterator<Item = Attack> {
    let ten = b"0123456789";
    let pack = [0xDB, 0xC6, 0xC9, 0xDD, 0xDF].map(|head| [&[head], &[0xFF; 4][..], ten].concat());
    let pack = pack.into_iter().flat_map(|element| {
        let argument = [b"\x95\x30\x01\x80\xA3a.b\x91", &element[..]].concat();
        [(MessagePack, element), (MessagePack, argument)]
    });
    let cbor = [0x5A, 0x7A, 0x9A, 0xBA].map(|head| [&[head], &[0xFF; 4][..], ten].concat());
    let longer = [0x5B, 0x7B, 0x9B, 0xBB].map(|head| [&[head], &[0xFF; 8][..], ten].concat());
    let cbor = cbor.into_iter().chain(longer).flat_map(|element| {
        let argument = cbor_call(&[b"\x81", &element[..]].concat());
        [(Cbor, element), (Cbor, argument)]
    });
    let most = b"l\x7F\xFF\xFF\xFF";
    let ubjson = [&b"S"[..], b"H", b"[#", b"{#", b"[$U#", b"[$Z#", b"[$T#", b"{$Z#"];
    let ubjson = ubjson.into_iter().flat_map(move |head| {
        let element = [head, most, ten].concat();
        let call = encode(Ubjson, &json!([48, 1, {}, "a.b", []]));
        let argument = [&call[..call.len() - 2], &element, b"]]"].concat();
        [(Ubjson, element), (Ubjson, argument)]
    });
    pack.chain(cbor).chain(ubjson)
}

fn strange_ids() -> impl Iterator<Item = Attack> {
    let json = ["9007199254740993", "-1", "1.0", "1e308", "1e0", "NaN", "-0.5", "\"1\"", "null"];
    let json = json.map(|id| (Json, format!("[48,{id},{{}},\"a.b\"]").into_bytes()));
    let double = |value: f64| value.to_be_bytes();
    let doubles = [1.0, 1e308, -1.0, 0.5, f64::NAN, f64::INFINITY].map(double);
    let pack = doubles.map(|bits| [b"\x94\x30\xCB", &bits[..], b"\x80\xA3a.b"].concat());
    let cbor = doubles.map(|bits| [b"\x84\x18\x30\xFB", &bits[..], b"\xA0\x63a.b"].concat());
    let large = (1_u64 << 53) + 1;
    let pack_large = [b"\x94\x30\xCF", &large.to_be_bytes()[..], b"\x80\xA3a.b"].concat();
    let cbor_large = [b"\x84\x18\x30\x1B", &large.to_be_bytes()[..], b"\xA0\x63a.b"].concat();
    let pack_other =
        [&b"\xFF"[..], b"\xC0", b"\xA11"].map(|id| [b"\x94\x30", id, b"\x80\xA3a.b"].concat());
    let cbor_other = [&b"\x20"[..], b"\xF6", b"\x611", b"\xC0\x01"]
        .map(|id| [b"\x84\x18\x30", id, b"\xA0\x63a.b"].concat());
    let pack = pack.into_iter().chain([pack_large]).chain(pack_other);
    let cbor = cbor.into_iter().chain([cbor_large]).chain(cbor_other);
    json.into_iter()
        .chain(pack.map(|message| (MessagePack, message)))
        .chain(cbor.map(|message| (Cbor, message)))
}

fn json_flaws() -> impl Iterator<Item = Vec<u8>> {
    let arguments: [&[u8]; 15] = [
        br#""\ud800""#,
        br#""\udc00\ud800""#,
        b"\"\xC0\x80\"",
        b"\"\xED\xA0\x80\"",
        b"\"\xF5\x80\x80\x80\"",
        b"\"a\x01b\"",
        b"\"\\x41\"",
        b"1,",
        b"/* 1 */ 1",
        b"01",
        b"1.",
        b"+1",
        b"NaN",
        b"'a'",
        b"1e999999",
    ];
    let long = [b"[48,1,{},\"a.b\",[", &[b'7'; 1_000_000][..], b"]]"].concat();
    let whole = [&b"\xEF\xBB\xBF[48,1,{},\"a.b\"]"[..], b"[48,1,{},\"a.b\",]", b"", b" "];
    let call = |argument: &[u8]| [b"[48,1,{},\"a.b\",[", argument, b"]]"].concat();
    arguments.into_iter().map(call).chain(whole.map(<[u8]>::to_vec)).chain([long])
}

fn strange_keys(ground: &Ground) -> Verdict {
    let pack = b"\x94\x30\x01\x81\x07\xC3\xA3a.b".to_vec();
    let cbor = b"\x84\x18\x30\x01\xA1\x07\xF5\x63a.b".to_vec();
    aborts(ground, [(MessagePack, pack), (Cbor, cbor)])?;
    // [{7: true}]
    for (serializer, arguments) in
        [(MessagePack, &b"\x91\x81\x07\xC3"[..]), (Cbor, b"\x81\xA1\x07\xF5")]
    {
        pass(ground, serializer, arguments, b"")?;
        let mut callee = Raw::open(&ground.address, Json)?;
        callee.join("realm1")?;
        callee.tell(&json!([64, 1, {}, "case55"]));
        callee.expect(65)?;
        let call = encode(serializer, &json!([48, 1, {}, "case55"]));
        let call = [&call[..], arguments].concat();
        // One item more than the head of the list says.
        let call = [&[call[0] + 1], &call[1..]].concat();
        answers(ground, serializer, &call, "wamp.error.invalid_argument")?;
        let registration_id = registration_of(&mut callee)?;
        callee.tell(&json!([66, 3, registration_id]));
        callee.expect(67)?;
    }
    Ok("2 times protocol_violation; passed on; invalid_argument".to_owned())
}

/// The id of the one procedure that a callee has, asked of the router.
fn registration_of(callee: &mut Raw) -> Result<u64, String> {
    callee.tell(&json!([48, 2, {}, "wamp.registration.lookup", ["case55"]]));
    let result = callee.expect(50)?;
    result[3].items()[0].number().ok_or_else(|| format!("{result:?}"))
}

/// Publishes this payload to a subscriber of the same serializer; the same octets must arrive.
fn pass(
    ground: &Ground,
    serializer: Serializer,
    arguments: &[u8],
    keywords: &[u8],
) -> Result<bool, String> {
    let mut subscriber = Raw::open(&ground.address, serializer)?;
    subscriber.join("realm1")?;
    subscriber.tell(&json!([32, 1, {}, "case.payload"]));
    subscriber.expect(33)?;
    let mut publisher = Raw::open(&ground.address, serializer)?;
    publisher.join("realm1")?;
    carry(&mut publisher, &mut subscriber, 1, arguments, keywords)?;
    Ok(true)
}

/// Publishes one payload and compares what arrives.
fn carry(
    publisher: &mut Raw,
    subscriber: &mut Raw,
    request: u64,
    arguments: &[u8],
    keywords: &[u8],
) -> Result<(), String> {
    let serializer = publisher.serializer;
    let head = encode(serializer, &json!([16, request, {}, "case.payload"]));
    let message = match serializer {
        Json | Ubjson => {
            let comma: &[u8] = if serializer == Json { b"," } else { b"" };
            let mut message = head[..head.len() - 1].to_vec();
            for part in [arguments, keywords].into_iter().filter(|part| !part.is_empty()) {
                message.extend_from_slice(comma);
                message.extend_from_slice(part);
            }
            message.push(b']');
            message
        }
        MessagePack | Cbor => {
            let more = 1 + u8::from(!keywords.is_empty());
            [&[head[0] + more], &head[1..], arguments, keywords].concat()
        }
    };
    publisher.say(&message);
    let end: &[u8] = if matches!(serializer, Json | Ubjson) { b"]" } else { b"" };
    let separator: &[u8] = if serializer == Json && !keywords.is_empty() { b"," } else { b"" };
    let expected = [arguments, separator, keywords, end].concat();
    let event = subscriber.next().map_err(|why| match publisher.hear() {
        Ok(answer) => format!("{serializer:?}: {message:?} was answered by {answer}"),
        Err(_) => why,
    })?;
    match event {
        Some((0, event)) if event.ends_with(&expected) => Ok(()),
        other => Err(format!("{serializer:?}: {arguments:?} arrived as {other:?}")),
    }
}

/// Payloads by chance from a publisher to a subscriber; how many octets.
fn carry_random(ground: &Ground, serializer: Serializer, count: u64) -> Result<usize, String> {
    let mut subscriber = Raw::open(&ground.address, serializer)?;
    subscriber.join("realm1")?;
    subscriber.tell(&json!([32, 1, {}, "case.payload"]));
    subscriber.expect(33)?;
    let mut publisher = Raw::open(&ground.address, serializer)?;
    publisher.join("realm1")?;
    let (mut chance, mut octets) = (Chance::new(62), 0);
    for request in 1..=count {
        let arguments = chance.arguments(serializer);
        let keywords = if chance.below(2) == 0 { chance.keywords(serializer) } else { vec![] };
        octets += arguments.len() + keywords.len();
        carry(&mut publisher, &mut subscriber, request, &arguments, &keywords)?;
    }
    Ok(octets)
}

fn no_base64(ground: &Ground) -> Verdict {
    let mut receivers = Vec::new();
    for serializer in [MessagePack, Cbor, Ubjson] {
        let mut receiver = Raw::open(&ground.address, serializer)?;
        receiver.join("realm1")?;
        receiver.tell(&json!([64, 1, {}, format!("case61.{serializer:?}")]));
        receiver.expect(65)?;
        receiver.tell(&json!([32, 2, {}, "case61"]));
        receiver.expect(33)?;
        receivers.push(receiver);
    }
    let mut sender = Raw::open(&ground.address, Json)?;
    sender.join("realm1")?;
    let mut request = 0;
    for text in ["!", "abc", "YQ", " YQ=="].map(|text| format!("\\u0000{text}")) {
        for receiver in &receivers {
            request += 1;
            let procedure = format!("case61.{:?}", receiver.serializer);
            sender.say(format!("[48,{request},{{}},\"{procedure}\",[\"{text}\"]]").as_bytes());
            let error = sender.expect(8)?;
            if error[4] != "wamp.error.invalid_argument".into() {
                return Err(format!("{text:?}: {error:?}"));
            }
        }
        request += 1;
        let options = r#"{"acknowledge":true}"#;
        sender.say(format!("[16,{request},{options},\"case61\",[\"{text}\"]]").as_bytes());
        let answer = sender.hear()?;
        if answer.items()[0] == Value::from(8)
            && answer.items()[4] != "wamp.error.invalid_argument".into()
        {
            return Err(format!("{text:?}: {answer}"));
        }
    }
    sender.say(
        format!("[16,{},{{}},\"case61\",[\"\\u0000YQ==\",{request}]]", request + 1).as_bytes(),
    );
    for receiver in &mut receivers {
        let event = receiver.expect(36)?;
        if event[4] != Value::List(vec![Value::Binary(b"a".to_vec()), request.into()]) {
            return Err(format!("{event:?}"));
        }
    }
    Ok("12 times invalid_argument; all receivers got the last event".to_owned())
}
