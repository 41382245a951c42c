//! The transport and the authorized client against real servers on loopback.

#[cfg(test)]
#[path = "http/calls.rs"]
mod calls;
#[cfg(test)]
#[cfg(feature = "middleware")]
#[path = "http/middleware.rs"]
mod middleware;
#[cfg(test)]
#[path = "http/raw.rs"]
mod raw;
#[cfg(test)]
#[path = "http/redirects.rs"]
mod redirects;
#[cfg(test)]
#[path = "http/rejections.rs"]
mod rejections;
#[cfg(test)]
#[cfg(any(feature = "middleware", feature = "tower"))]
#[path = "http/rules.rs"]
mod rules;
#[cfg(test)]
#[path = "http/setting.rs"]
mod setting;
#[cfg(test)]
#[cfg(feature = "tower")]
#[path = "http/tower.rs"]
mod tower;
#[cfg(test)]
#[path = "http/transport.rs"]
mod transport;
