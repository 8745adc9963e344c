//! Cases about who may do what: what is refused by name is not to be had in another way.

use gigawamp::wire::Framing;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::case::{Case, Group, Verdict};
use crate::ground::Ground;
use crate::peer::Peer;
use crate::program::{Folder, Router, program};
use crate::talk::{call, error_of, expect, in_realm, register, subscribe};

pub(crate) fn groups() -> Vec<Group> {
    vec![Group { name: "rules", tables: RULES, cases: CASES.to_vec() }]
}

/// Guests, and members with a ticket, who may do everything.
const RULES: &str = "
[[realms]]
name = \"ruled\"
anonymous = \"guest\"
history = [\"case.secret\", \"case.open\"]
  [[realms.roles]]
  name = \"guest\"
  allow = [\"call,subscribe,publish case.open*\", \"call wamp.*\", \"register case.own.*\",
           \"subscribe case.caf\u{e9}\"]
  deny = [\"publish case.open.read\"]
  [[realms.roles]]
  name = \"member\"
  allow = [\"* *\"]
  [[realms.principals]]
  authid = \"joe\"
  role = \"member\"
  ticket = \"correct-horse\"
";

const NOT_AUTHORIZED: &str = "wamp.error.not_authorized";

const CASES: [Case; 7] = [
    Case::new(
        "91b",
        "What a guest is denied by name, asked for by a prefix or wildcard around it",
        "`not_authorized`: a pattern is allowed if all it stands for is",
        |ground| {
            let mut guest = in_realm(ground, "ruled");
            let mut request = 0;
            for (code, policy, uri) in [
                (32, "exact", "case.secret"),
                (32, "prefix", ""),
                (32, "prefix", "case."),
                (32, "prefix", "case.sec"),
                (32, "wildcard", "case."),
                (32, "wildcard", "."),
                (64, "exact", "case.secret"),
                (64, "exact", "case.open.p"),
                (64, "prefix", ""),
                (64, "prefix", "case.o"),
                (64, "wildcard", "..p"),
                (64, "wildcard", ".own.p"),
            ] {
                request += 1;
                let message = json!([code, request, {"match": policy}, uri]);
                let error = error_of(&mut guest, &message);
                expect(&error, NOT_AUTHORIZED, &message.to_string())?;
            }
            register(&mut guest, request + 1, json!({"match": "prefix"}), "case.own.");
            Ok(format!("{request} times not_authorized, its own prefix is taken"))
        },
    ),
    Case::new(
        "93b",
        "A topic that a guest may subscribe to, in its other spelling",
        "`not_authorized`: rules compare octets, as everything does",
        |ground| {
            let mut guest = in_realm(ground, "ruled");
            subscribe(&mut guest, 1, json!({}), "case.caf\u{e9}");
            for (uri, request) in
                ["case.cafe\u{301}", "case.CAF\u{c9}", "case.c\u{430}f\u{e9}"].into_iter().zip(2..)
            {
                let error = error_of(&mut guest, &json!([32, request, {}, uri]));
                expect(&error, NOT_AUTHORIZED, uri)?;
            }
            Ok("3 times not_authorized".to_owned())
        },
    ),
    Case::new(
        "102b",
        "A retained event that a guest may read, published over by that guest",
        "`not_authorized`; the event stays as it was",
        |ground| {
            let mut member = member(ground);
            let options = json!({"retain": true, "acknowledge": true});
            member.send(&json!([16, 1, options, "case.open.read", ["true"]]));
            member.expect(17);
            let mut guest = in_realm(ground, "ruled");
            let forged = json!([16, 1, options, "case.open.read", ["forged"]]);
            expect(&error_of(&mut guest, &forged), NOT_AUTHORIZED, "PUBLISH")?;
            guest.send(&json!([16, 2, {"retain": true}, "case.open.read", ["forged"]]));
            subscribe(&mut guest, 3, json!({"get_retained": true}), "case.open.read");
            let event = guest.expect(36);
            expect(event[4][0].as_str().unwrap(), "true", "what is retained")?;
            Ok("not_authorized; what was retained is retained".to_owned())
        },
    ),
    Case::new(
        "103b",
        "The history of a topic that a guest may not subscribe to",
        "`not_authorized`, whether or not there is such a history",
        |ground| {
            let mut member = member(ground);
            let options = json!({"acknowledge": true});
            member.send(&json!([16, 1, options, "case.secret", ["secret"]]));
            member.expect(17);
            let lookup = call(&mut member, 2, "wamp.subscription.lookup", json!(["case.secret"]));
            let id = lookup[3][0].clone();
            let mut guest = in_realm(ground, "ruled");
            let ask = json!([48, 1, {}, "wamp.subscription.get_events", [id]]);
            let error = error_of(&mut guest, &ask);
            expect(&error, NOT_AUTHORIZED, "get_events")?;
            Ok(error)
        },
    ),
    Case::new(
        "104b",
        "A testament for a topic that a guest may not publish to",
        "`not_authorized` when it is set; nothing is published when the guest is gone",
        |ground| {
            let mut watcher = member(ground);
            subscribe(&mut watcher, 1, json!({"match": "prefix"}), "case.");
            let mut guest = in_realm(ground, "ruled");
            for (topic, request) in [("case.secret", 1), ("case.open.read", 2)] {
                let procedure = "wamp.session.add_testament";
                let testament = json!([48, request, {}, procedure, [topic, ["forged"], {}]]);
                expect(&error_of(&mut guest, &testament), NOT_AUTHORIZED, topic)?;
            }
            let last = json!(["case.open.last", ["fine"], {}]);
            call(&mut guest, 3, "wamp.session.add_testament", last);
            drop(guest);
            let event = watcher.expect(36);
            expect(event[4][0].as_str().unwrap(), "fine", "the testament")?;
            Ok("2 times not_authorized, 1 testament".to_owned())
        },
    ),
    Case::new(
        "123",
        "A right taken from a role while its sessions are open, then the role itself, by reload",
        "the next operation is denied, what was subscribed is heard no more; the sessions of the \
         role end, others stay",
        take_rights_away,
    ),
    Case::new(
        "92",
        "Ids of many sessions, one after the other",
        "spread evenly over 1 to 2^53, and none told by those before it",
        session_ids,
    ),
];

/// A client with the ticket of a member.
fn member(ground: &Ground) -> Peer {
    member_at(&ground.address)
}

fn member_at(address: &str) -> Peer {
    let mut peer = Peer::tcp(address, Framing::RawSocket);
    let roles = json!({"publisher": {}, "subscriber": {}, "caller": {}, "callee": {}});
    let details = json!({"authmethods": ["ticket"], "authid": "joe", "roles": roles});
    peer.send(&json!([1, "ruled", details]));
    peer.expect(4);
    peer.send(&json!([5, "correct-horse", {}]));
    peer.expect(2);
    peer
}

/// A router of its own, whose configuration is written over twice.
fn take_rights_away(_: &Ground) -> Verdict {
    let folder = Folder::new("security-reload");
    let path = folder.path("gigawamp.toml");
    let config = |guests: &str| {
        format!(
            "shards = 2\n[[realms]]\nname = \"ruled\"\n{guests}\
             [[realms.roles]]\nname = \"member\"\nallow = [\"* *\"]\n\
             [[realms.principals]]\nauthid = \"joe\"\nrole = \"member\"\n\
             ticket = \"correct-horse\"\n[[listeners]]\naddress = \"127.0.0.1:0\"\n"
        )
    };
    let guests = |rule: &str| {
        config(&format!("anonymous = \"guest\"\n[[realms.roles]]\nname = \"guest\"\n{rule}\n"))
    };
    std::fs::write(&path, guests("allow = [\"subscribe case123\"]")).unwrap();
    let mut command = program(&folder.path(""), &["--config"]);
    command.arg(&path);
    let mut router = Router::spawn(command, "");
    router.await_line("ready in ");
    let address = router.address("ws://");
    let mut member = member_at(&address);
    let mut guest = Peer::tcp(&address, Framing::RawSocket);
    guest.join("ruled");
    subscribe(&mut guest, 1, json!({}), "case123");
    let options = json!({"acknowledge": true});
    member.send(&json!([16, 1, options, "case123", ["before"]]));
    member.expect(17);
    assert_eq!(guest.expect(36)[4][0], "before");

    std::fs::write(&path, guests("allow = [\"call wamp.session.count\"]")).unwrap();
    router.signal(Signal::SIGHUP);
    router.await_line("reloaded");
    member.send(&json!([16, 2, options, "case123", ["after"]]));
    member.expect(17);
    // What it hears next is no event.
    let error = error_of(&mut guest, &json!([32, 2, {}, "case123"]));
    expect(&error, NOT_AUTHORIZED, "SUBSCRIBE")?;
    call(&mut guest, 3, "wamp.session.count", json!([]));

    std::fs::write(&path, config("")).unwrap();
    router.signal(Signal::SIGHUP);
    let goodbye = guest.expect(6)[2].clone();
    call(&mut member, 3, "wamp.session.count", json!([]));
    drop((member, guest));
    router.stop();
    expect(goodbye.as_str().unwrap(), "gigawamp.close.access_changed", "GOODBYE")?;
    Ok("no event, not_authorized, GOODBYE".to_owned())
}

/// Ids of sessions that come and go on two connections, one on each shard.
fn session_ids(ground: &Ground) -> Verdict {
    const BINS: usize = 64;
    let count = ground.or_full(8_192, 1 << 20) as usize;
    let hello = json!([1, "realm1", {"roles": {"caller": {}}}]);
    let goodbye = json!([6, {}, "wamp.close.normal"]);
    let mut ids = Vec::new();
    let mut peers = [(); 2].map(|()| Peer::tcp(&ground.address, Framing::RawSocket));
    while ids.len() < count {
        for peer in &mut peers {
            let messages: Vec<Value> =
                (0..64).flat_map(|_| [hello.clone(), goodbye.clone()]).collect();
            let frames = peer.frames(&messages);
            peer.write(&frames);
            for _ in 0..64 {
                ids.push(peer.expect(2)[1].as_u64().unwrap());
                peer.expect(6);
            }
        }
    }
    if ids.iter().any(|id| !(1..=1 << 53).contains(id)) {
        return Err("an id outside of 1 to 2^53".to_owned());
    }
    // 63 degrees of freedom: above 132 by chance once in a million.
    let chi_square = |bin_of: &dyn Fn(u64) -> usize, ids: &[u64]| {
        let mut bins = [0_u64; BINS];
        ids.iter().for_each(|id| bins[bin_of(*id)] += 1);
        let expected = ids.len() as f64 / BINS as f64;
        bins.iter().map(|found| (*found as f64 - expected).powi(2) / expected).sum::<f64>()
    };
    let upper = chi_square(&|id| ((id - 1) >> 47) as usize, &ids);
    // The shard is in the last bit; those above it must be chance.
    let lower = chi_square(&|id| (id >> 1) as usize % BINS, &ids);
    let steps: Vec<u64> =
        ids.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]) & ((1 << 53) - 1)).collect();
    let differences = chi_square(&|step| (step >> 47) as usize, &steps);
    let mut sorted = ids.clone();
    sorted.sort_unstable();
    sorted.dedup();
    let mut repeated = steps.clone();
    repeated.sort_unstable();
    repeated.dedup();
    if sorted.len() < ids.len() || repeated.len() < steps.len() {
        return Err("an id, or a step from one to the next, twice".to_owned());
    }
    let found = format!(
        "{} ids; chi-square {upper:.0}, {lower:.0}, of steps {differences:.0} (132 is too much)",
        ids.len()
    );
    if upper.max(lower).max(differences) > 132.0 { Err(found) } else { Ok(found) }
}
