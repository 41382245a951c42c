//! The command over Redis.

use test_services::Redis;

use crate::command::{Home, finish, patient};

#[test]
fn a_password_in_an_argument_is_refused_and_one_in_the_environment_works() {
    let redis = Redis::builder().password("canary").start().unwrap();
    let home = Home::new();
    let in_url = format!("redis://:canary@{}", redis.address());
    let output = finish(home.command(&["store", "check", "--store", &in_url]));
    assert_eq!(output.code(), Some(2), "{}", output.stderr());
    let url = patient(&redis.url());
    let check = || home.command(&["store", "check", "--store", &url]);
    assert_eq!(finish(check()).code(), Some(6));
    let output = finish(check().env("TOKENKEEP_REDIS_PASSWORD", "canary"));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert!(!format!("{}{}", output.stdout(), output.stderr()).contains("canary"));
}
