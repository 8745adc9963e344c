//! (to come)
#[derive(Debug)]
pub struct Unrepresentable(pub &'static str);
pub fn element(
    _: super::Serializer,
    _: super::Serializer,
    _: &[u8],
    _: &mut Vec<u8>,
) -> Result<(), Unrepresentable> {
    Ok(())
}
