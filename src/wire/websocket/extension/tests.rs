//! What is offered, and what is granted of it.

use super::*;

/// The answer to `offers`, if one is granted.
fn answer(offers: &[&str]) -> Option<String> {
    Grant::choose(offers.iter().map(|offer| offer.as_bytes())).map(Grant::answer)
}

const PLAIN: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

// spec: rfc7692#section-7.1
// spec: B-TRN-07
#[test]
fn the_first_offer_that_can_be_kept_is_granted() {
    let named = |bits: u8| Some(format!("{PLAIN}; server_max_window_bits={bits}"));
    let tables: [(&[&str], Option<String>); 23] = [
        (&["permessage-deflate"], Some(PLAIN.into())),
        (&["Permessage-Deflate"], Some(PLAIN.into())),
        // Browsers, and everything that imitates them.
        (&["permessage-deflate; client_max_window_bits"], Some(PLAIN.into())),
        (&["permessage-deflate;client_max_window_bits=8"], Some(PLAIN.into())),
        (&["permessage-deflate; server_no_context_takeover"], Some(PLAIN.into())),
        (&["permessage-deflate ; client_no_context_takeover"], Some(PLAIN.into())),
        (&[PLAIN], Some(PLAIN.into())),
        // The window is at most the one that was asked for.
        (&["permessage-deflate; server_max_window_bits=15"], named(12)),
        (&["permessage-deflate; server_max_window_bits=12"], named(12)),
        (&["permessage-deflate; server_max_window_bits = \"11\""], named(9)),
        (&["permessage-deflate; server_max_window_bits=9; client_max_window_bits=9"], named(9)),
        // The second of several, in one header or in two.
        (&["x-webkit-deflate-frame, permessage-deflate"], Some(PLAIN.into())),
        (&["permessage-bzip2", "permessage-deflate"], Some(PLAIN.into())),
        (&["permessage-deflate; x=\", y\", permessage-deflate"], Some(PLAIN.into())),
        (&["permessage-deflate; server_max_window_bits=8, permessage-deflate"], Some(PLAIN.into())),
        (&["permessage-deflate; server_max_window_bits=9, permessage-deflate"], named(9)),
        (&[], None),
        (&[""], None),
        (&[";permessage-deflate"], None),
        (&["permessage-deflate2"], None),
        (&["permessage"], None),
        (&["permessage-deflate; "], None),
        (&["\"permessage-deflate\""], None),
    ];
    for (offers, expected) in tables {
        assert_eq!(answer(offers), expected, "{offers:?}");
    }
}

// spec: rfc7692#section-7.1
#[test]
fn an_offer_with_a_parameter_that_is_wrong_is_passed_over() {
    let wrong = [
        "server_no_context_takeover=1",
        "server_no_context_takeover=",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=",
        "server_max_window_bits=7",
        "server_max_window_bits=8",
        "server_max_window_bits=16",
        "server_max_window_bits=09",
        "server_max_window_bits=+9",
        "server_max_window_bits=0xA",
        "server_max_window_bits=\"10",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=100",
        "client_max_window_bits; client_max_window_bits=10",
        "client_max_window_bits; client_max_window_bits",
        "Server_No_Context_Takeover",
        "mem_level=9",
        "a\\\"b",
        "=",
    ];
    for parameters in wrong {
        let offer = format!("permessage-deflate; {parameters}");
        assert_eq!(answer(&[&offer]), None, "{offer}");
        let two = format!("{offer}, permessage-deflate; client_max_window_bits");
        // An open quote takes the rest of the header with it.
        let is_closed = parameters.matches('"').count() % 2 == 0;
        let expected = is_closed.then(|| PLAIN.to_owned());
        assert_eq!(answer(&[&two]), expected, "{two}");
    }
}

#[test]
fn our_client_takes_no_answer_that_it_cannot_keep() {
    let tables: [(&[&str], Option<bool>); 9] = [
        (&[], Some(false)),
        (&[PLAIN], Some(true)),
        (&["permessage-deflate; server_no_context_takeover"], Some(true)),
        (&["permessage-deflate; server_no_context_takeover; server_max_window_bits=8"], Some(true)),
        (&["permessage-deflate; client_no_context_takeover"], None),
        (&["permessage-deflate; server_no_context_takeover; client_max_window_bits=9"], None),
        (&["permessage-deflate; server_no_context_takeover, foo"], None),
        (&[PLAIN, PLAIN], None),
        (&["foo"], None),
    ];
    for (answers, expected) in tables {
        let values = answers.iter().map(|answer| answer.as_bytes());
        assert_eq!(is_granted(values), expected, "{answers:?}");
    }
}
