//! The layout of every message, as the specification's table has it.

use super::*;

#[test]
fn optional_elements_may_be_absent_in_every_serializer() {
    let texts = [
        "[16,1,{},\"a.b\"]",
        "[16,1,{},\"a.b\",[7]]",
        "[16,1,{},\"a.b\",[7],{\"k\":1}]",
        "[34,1,2]",
        "[34,1,2,{}]",
    ];
    for text in texts {
        let parsed = Message::parse(Serializer::Json, text.as_bytes());
        assert!(parsed.is_ok(), "{text}: {parsed:?}");
    }
    // CBOR lists without a length end by a break.
    let endless = [0x9F, 0x10, 0x01, 0xA0, 0x61, b'a', 0x81, 0x07, 0xFF];
    assert!(Message::parse(Serializer::Cbor, &endless).is_ok());
}
