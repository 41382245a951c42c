//! Many at once: processes and tasks.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use auth_core::store::{Lease, LeaseId, TokenStore as _};
use store_testkit::counting;

use crate::faults::HELD;
use crate::given::{LIMIT, fresh_namespace, key, open, open_secured, run_long};
use crate::worker::{Job, SHORT};

const RACERS: usize = 64;

#[test]
fn sixteen_processes_count_exactly() {
    run_long(async {
        let namespace = fresh_namespace();
        let store = open_secured(&namespace).await;
        counting::begin(&store).await;
        let counters: Vec<_> = (0..16).map(|_| Job::Count.start(&namespace)).collect();
        for counter in counters {
            let output = tokio::task::spawn_blocking(|| counter.wait_with_output())
                .await
                .unwrap()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
        }
        counting::assert_sum(&store, 16).await;
    });
}

#[test]
fn of_sixty_four_one_takes_a_lease_that_is_free_and_one_that_is_over() {
    store_testkit::run(async {
        let namespace = fresh_namespace();
        let stores = [
            open(&namespace).await,
            open(&namespace).await,
            open(&namespace).await,
            open(&namespace).await,
        ];
        for round in 0..5 {
            let name = format!("round{round}");
            assert_eq!(winners(&stores, &name).await, 1, "of a free lease");
        }
        for round in 0..5 {
            let name = format!("over{round}");
            let gone = stores[0]
                .try_lease(&key(&name), &LeaseId::random(), Duration::ZERO)
                .await;
            assert_eq!(gone.unwrap(), Lease::Granted);
            assert_eq!(winners(&stores, &name).await, 1, "of a lease that is over");
        }
    });
}

#[test]
fn a_killed_holders_lease_is_over_when_its_time_is() {
    store_testkit::run(async {
        let namespace = fresh_namespace();
        let store = open_secured(&namespace).await;
        let begun = Instant::now();
        let mut holder = Job::HoldLease.start(&namespace);
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        let told = tokio::task::spawn_blocking(|| lines.map_while(Result::ok).any(|line| line.ends_with("held")));
        assert!(told.await.unwrap(), "the other process did not get the lease");
        holder.kill().unwrap();
        holder.wait().unwrap();
        let mine = LeaseId::random();
        let lease = store.try_lease(&key("a"), &mine, HELD).await.unwrap();
        let Lease::HeldElsewhere { retry_after } = lease else {
            panic!("taken from a holder whose time is not over")
        };
        assert!(retry_after <= Duration::from_millis(200), "{retry_after:?}");
        while store.try_lease(&key("a"), &mine, HELD).await.unwrap() != Lease::Granted {
            assert!(begun.elapsed() < SHORT + LIMIT, "it does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(begun.elapsed() >= SHORT, "taken before its time was over");
    });
}

async fn winners(stores: &[store_mongo::MongoStore], name: &str) -> usize {
    let racers: Vec<_> = (0..RACERS)
        .map(|racer| {
            let (store, key) = (stores[racer % stores.len()].clone(), key(name));
            tokio::spawn(async move { store.try_lease(&key, &LeaseId::random(), HELD).await.unwrap() })
        })
        .collect();
    let mut winners = 0;
    for racer in racers {
        winners += usize::from(racer.await.unwrap() == Lease::Granted);
    }
    winners
}
