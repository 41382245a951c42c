//! People log in, over real sockets, against the test server; and so do those who
//! should not.

#[cfg(test)]
#[path = "login/browsers.rs"]
mod browsers;
#[cfg(test)]
#[path = "login/chromium.rs"]
mod chromium;
#[cfg(test)]
#[path = "login/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "login/people.rs"]
mod people;
#[cfg(test)]
#[path = "login/setup.rs"]
mod setup;
