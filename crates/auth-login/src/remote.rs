//! A person at another machine than this one: their browser can't reach our loopback
//! address by itself.

use std::ffi::OsString;

/// A login over SSH to a machine without a screen. There are several ways from here;
/// which one is the person's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteSession(());

impl RemoteSession {
    /// Looks at the environment: `SSH_TTY` or `SSH_CONNECTION` is there, `DISPLAY` and
    /// `WAYLAND_DISPLAY` are not.
    pub fn detect(variable: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let given = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
        let remote = given("SSH_TTY") || given("SSH_CONNECTION");
        let screen = given("DISPLAY") || given("WAYLAND_DISPLAY");
        (remote && !screen).then_some(Self(()))
    }

    /// The ways to go on, in words, for a listener with this redirect URI.
    pub fn choices(self, redirect_uri: &str) -> String {
        let address = redirect_uri
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next())
            .unwrap_or(redirect_uri);
        format!(
            "this is a session over SSH; a browser on your own machine does not reach {address} here. Either\n\
             - open the address there, and paste here the address of the page that does not load, or\n\
             - let SSH carry it: ssh -N -L {address}:{address} THIS-MACHINE, on your own machine, then open the address there"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(set: &[&str]) -> bool {
        RemoteSession::detect(|name| set.contains(&name).then(|| "x".into())).is_some()
    }

    #[test]
    fn ssh_without_a_screen_is_remote() {
        assert!(detect(&["SSH_TTY"]) && detect(&["SSH_CONNECTION"]));
        assert!(!detect(&["SSH_TTY", "DISPLAY"]) && !detect(&["SSH_CONNECTION", "WAYLAND_DISPLAY"]));
        assert!(!detect(&[]) && !detect(&["DISPLAY"]));
    }

    #[test]
    fn the_choices_name_the_address() {
        let remote = RemoteSession::detect(|_| None);
        assert_eq!(remote, None);
        let text = RemoteSession(()).choices("http://127.0.0.1:4567/abc");
        assert!(text.contains("ssh -N -L 127.0.0.1:4567:127.0.0.1:4567 "), "{text}");
    }
}
