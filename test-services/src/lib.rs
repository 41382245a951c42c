//! Real servers for tests, benches and examples.
//!
//! Each server gets a free port on 127.0.0.1 and a folder of its own, is stopped when its value is
//! dropped, and is also ended when the process that started it is killed. A program that is not
//! installed is an error that says how to get it.
//!
//! Standard library only (and two small crates), so that `cargo xtask` builds in seconds.

#![allow(
    clippy::missing_errors_doc,
    reason = "every error here is: could not be started, and it says why"
)]

mod error;
mod folder;
mod http;
mod kms;
mod memcached;
mod mongodb;
mod packages;
mod port;
mod program;
mod proxy;
mod python;
mod redis;
mod server;

pub use error::ServiceError;
pub use kms::{Kms, KmsCalls, KmsKeyState, KmsTrouble};
pub use memcached::{Memcached, MemcachedAuthentication, MemcachedBuilder};
pub use mongodb::{MongoDb, MongoDbBuilder};
pub use packages::Packages;
pub use port::free_port;
pub use program::Program;
pub use proxy::{Proxy, Trouble};
pub use python::PythonService;
pub use redis::{Certificates, Redis, RedisBuilder, RedisCluster, RedisSentinel};
pub use server::{Server, ServerBuilder};
