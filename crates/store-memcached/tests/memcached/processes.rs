//! Several processes on the same servers.

use store_testkit::counting;

use crate::given::{BOTH, open, put, shared};
use crate::worker::Job;

const PROCESSES: u64 = 16;

#[tokio::test]
async fn sixteen_processes_count_exactly() {
    let (config, namespace) = shared(BOTH);
    let store = open(&config);
    counting::begin(&store).await;
    let counters: Vec<_> = (0..PROCESSES).map(|_| Job::Count.start(&config, &namespace)).collect();
    for counter in counters {
        let output = counter.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    counting::assert_sum(&store, PROCESSES).await;
}

#[tokio::test]
async fn another_process_finds_every_record_whatever_the_order_of_its_nodes() {
    let (config, namespace) = shared(BOTH);
    let store = open(&config);
    for number in 0..50 {
        put(&store, &format!("k{number}"), number.to_string()).await;
    }
    let reader = Job::ReadInReverse
        .start(&config, &namespace)
        .wait_with_output()
        .unwrap();
    assert!(reader.status.success(), "{}", String::from_utf8_lossy(&reader.stdout));
}
