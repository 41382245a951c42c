//! Random bytes from the operating system.

/// `N` random bytes.
///
/// # Panics
/// If the operating system has no randomness to give: nothing here can go on
/// safely without it.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing here is safe, and no caller could go on"
    )]
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// 32 random bytes as 43 characters of base64url: a state, a verifier.
pub(crate) fn url_text() -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes::<32>())
}
